package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
)

// shellWords are what a line of shell in the README may begin with, each with what holds the line's words.
var shellWords = map[string]func(*testing.T, []string){
	"cliniko-bridge": func(t *testing.T, words []string) { t.Helper(); parseCommand(t, words[1:]) },
	"export":         checkExport,
	"go":             checkGo,
	"nats":           checkNATS,
}

// isShell says that each line of a block begins with one of the shellWords.
func isShell(s sample) bool {
	for line := range strings.Lines(s.text) {
		if words := shellSplit(line); len(words) > 0 && shellWords[words[0]] == nil {
			return false
		}
	}
	return true
}

func checkShell(t *testing.T, s sample) { //nolint:thelper // a check is the test of its block
	for line := range strings.Lines(s.text) {
		checkCommand(t, line)
	}
}

func checkCommand(t *testing.T, line string) {
	t.Helper()
	if words := shellSplit(line); len(words) > 0 {
		shellWords[words[0]](t, words)
	}
}

// parseCommand holds the words behind cliniko-bridge against its commands, flags and arguments. What stands for
// something (FILE, …) is as good as any.
func parseCommand(t *testing.T, args []string) {
	t.Helper()
	root := newRoot(&env{getenv: func(string) string { return "" }})
	cmd, rest, err := root.Find(args)
	if err != nil || cmd == root {
		t.Errorf("cliniko-bridge %q: there is no such command: %v", args, err)
		return
	}
	if err := cmd.ParseFlags(rest); err != nil && !errors.Is(err, pflag.ErrHelp) {
		t.Errorf("cliniko-bridge %q: %v", args, err)
		return
	}
	if err := validArgs(cmd, cmd.Flags()); err != nil {
		t.Errorf("cliniko-bridge %q: %v", args, err)
	}
}

func validArgs(cmd *cobra.Command, flags *pflag.FlagSet) error {
	if cmd.Args == nil {
		return nil
	}
	return cmd.Args(cmd, flags.Args())
}

// checkExport holds the name of a variable against those that the configuration reads.
func checkExport(t *testing.T, words []string) {
	t.Helper()
	var known []string
	_, _ = config.Load("", func(name string) string { known = append(known, name); return "" }) // faults, since all are empty
	for _, word := range words[1:] {
		if name, _, _ := strings.Cut(word, "="); !slices.Contains(known, name) {
			t.Errorf("%s is no variable of the configuration: %q", name, known)
		}
	}
}

// checkGo holds the go command's packages against the tree. What is run is the command, and its arguments are, too.
func checkGo(t *testing.T, words []string) {
	t.Helper()
	if len(words) < 3 || !slices.Contains([]string{"run", "install", "test", "build"}, words[1]) {
		t.Errorf("%q: go run, go install, go build or go test of a package", words)
		return
	}
	dir := strings.TrimSuffix(words[2], "/...")
	if info, err := os.Stat(filepath.Join("../..", dir)); err != nil || !info.IsDir() {
		t.Errorf("%q: there is no folder %s", words, dir)
	}
	if words[1] == "run" {
		parseCommand(t, words[3:])
	}
}

// checkNATS holds the few words of the nats command that the README needs: the subject is one of the bridge, or the
// stream is its own.
func checkNATS(t *testing.T, words []string) {
	t.Helper()
	cfg, err := config.Places(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	last := words[len(words)-1]
	switch text := strings.Join(words, " "); {
	case strings.HasPrefix(text, "nats sub ") && strings.HasPrefix(last, "cliniko."):
	case strings.HasPrefix(text, "nats stream view ") && last == cfg.NATS.Stream:
	default:
		t.Errorf("%q: neither a subject of the bridge nor its stream", words)
	}
}

// shellSplit are the words of a line of shell, without quotes and comment. The README needs no more of a shell than that.
func shellSplit(line string) (words []string) {
	var word strings.Builder
	quote, begun := rune(0), false
	for _, c := range line + "\n" {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begun = c, true
		case quote == 0 && c == '#' && !begun:
			return words
		case quote == 0 && (c == ' ' || c == '\n'):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	return words
}

// endless are the commands that go on until they are stopped.
var endless = []string{"run", "tail"}

// readmeParsedOnly are commands that the session leaves out, by how they begin: the files and servers that they name
// are not there, or another test runs them. Their flags are checked all the same. It does not type what begins with
// another word than cliniko-bridge, so that the demo is left to testdata/script/demo.txtar.
var readmeParsedOnly = []string{
	"cliniko-bridge mock",    // its port is fixed; testdata/script/mock.txtar runs it
	"cliniko-bridge migrate", // TestABridgeThatIsMovedLosesAndRepeatsNothing runs it
}

// The commands of the README work, one after the other, as a reader types them: with a pretended account in place of
// the real one, and with nothing else but the program. One that goes on until it is stopped ends well when it is; the
// others end by themselves, with status 0.
func TestTheSessionOfTheREADME(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel() // most of it is waiting for the budget of requests
	clinic := clinikotest.New(clinikotest.Options{})
	clinic.Populate(clinikotest.Sizes{"patients": 3, "appointments": 6})
	api := clinikotest.NewServer(clinic)
	defer api.Close()
	dir, addr := t.TempDir(), freeAddr(t)
	environ := append(os.Environ(), "CLINIKO_API_KEY="+clinic.Key(), "CLINIKO_BASE_URL="+api.URL,
		"CLINIKO_USER_AGENT=Northside Bridge (ops@northside.example)", "ADMIN_LISTEN="+addr)
	var daemon *session // what the later commands speak to
	for _, s := range readme(t) {
		if s.language != "" && s.language != "sh" || !isShell(s) {
			continue
		}
		for line := range strings.Lines(s.text) {
			words := shellSplit(line)
			if len(words) == 0 || words[0] != "cliniko-bridge" || parsedOnly(line) {
				continue
			}
			if daemon == nil && words[1] != "run" && words[1] != "check" {
				t.Fatalf("%q stands before any `cliniko-bridge run`", line)
			}
			t.Log(strings.TrimSpace(line))
			c := typeIn(t, dir, environ, words[1:])
			switch {
			case words[1] == "run" && daemon == nil:
				daemon = c
				waitFor(t, time.Minute, "the bridge at work", (&process{t: t, addr: addr}).baselinesComplete)
			case slices.Contains(endless, words[1]):
				waitFor(t, time.Minute, line+" says something", func() bool {
					for _, id := range clinic.IDs("appointments")[:3] {
						clinic.EditField("appointments", id) // for tail
					}
					return c.out.String() != ""
				})
				c.stop()
			default:
				c.wait()
			}
		}
	}
	if daemon == nil {
		t.Fatal("the README never says `cliniko-bridge run`")
	}
	daemon.stop()
}

func parsedOnly(line string) bool {
	return slices.ContainsFunc(readmeParsedOnly, func(begins string) bool { return strings.HasPrefix(line, begins) })
}

// session is a command that somebody has typed.
type session struct {
	t     *testing.T
	args  []string
	cmd   *exec.Cmd
	out   *lockedBuffer
	notes *lockedBuffer
	ended chan error
}

func typeIn(t *testing.T, dir string, environ, args []string) *session {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	c := &session{t: t, args: args, out: &lockedBuffer{}, notes: &lockedBuffer{}, ended: make(chan error, 1)}
	c.cmd = exec.CommandContext(context.Background(), path, args...)
	c.cmd.Dir, c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = dir, environ, c.out, c.notes
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.ended <- c.cmd.Wait() }()
	t.Cleanup(func() { _ = c.cmd.Process.Kill() }) // it has ended, but if the test has failed
	return c
}

// wait waits until it ends by itself, well.
func (c *session) wait() {
	c.t.Helper()
	select {
	case err := <-c.ended:
		if err != nil {
			c.t.Errorf("cliniko-bridge %q: %v\n%s%s", c.args, err, c.out, c.notes)
		}
	case <-time.After(2 * time.Minute):
		c.t.Fatalf("cliniko-bridge %q does not end; is it one of the endless?\n%s%s", c.args, c.out, c.notes)
	}
}

// stop is Ctrl-C.
func (c *session) stop() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		c.t.Errorf("cliniko-bridge %q had ended: %v\n%s", c.args, err, c.notes)
		return
	}
	c.wait()
}
