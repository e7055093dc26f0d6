package deploy_test

import (
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The image is built here without an engine: what its files say is done, and what comes of it is looked at.

// An instruction is one of the Containerfile: its first word, and the rest with continued lines joined.
type instruction struct{ word, rest string }

func containerfile() ([]instruction, error) {
	text, err := os.ReadFile("Containerfile")
	if err != nil {
		return nil, err
	}
	var list []instruction
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\\\n", " ")) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		list = append(list, instruction{word, strings.TrimSpace(rest)})
	}
	return list, nil
}

// only returns what stands behind the one instruction of that word whose text contains part.
func only(list []instruction, word, part string) (string, error) {
	var found []string
	for _, i := range list {
		if i.word == word && strings.Contains(i.rest, part) {
			found = append(found, i.rest)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("the Containerfile has %d of %s %s, want one", len(found), word, part)
	}
	return found[0], nil
}

// buildVersion is what the image is told its version is.
const buildVersion = "v0.0.1-test"

// imageBinary is the program of the image: built once, by the command of the Containerfile, from what .dockerignore lets in.
var imageBinary = sync.OnceValues(func() (string, error) {
	list, err := containerfile()
	if err != nil {
		return "", err
	}
	command, err := only(list, "RUN", "go build")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "cliniko-bridge-image-")
	if err != nil {
		return "", err
	}
	cleanups = append(cleanups, dir)
	source, path := filepath.Join(dir, "src"), filepath.Join(dir, "cliniko-bridge")
	if err := buildContext(source); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(context.Background(), "sh", "-c", strings.ReplaceAll(command, "/out/cliniko-bridge", path))
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH, "VERSION="+buildVersion)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", command, err, out)
	}
	return path, nil
})

// buildContext copies to dir what .dockerignore lets through: nothing but the names that it excepts.
func buildContext(dir string) error {
	text, err := os.ReadFile("../.dockerignore")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		name, excepted := strings.CutPrefix(line, "!")
		switch {
		case line == "" || line == "*" || strings.HasPrefix(line, "#"):
			continue
		case !excepted:
			return fmt.Errorf(".dockerignore: %q is neither * nor an exception, and this copies exceptions alone", line)
		}
		from, to := filepath.Join("..", name), filepath.Join(dir, name)
		info, err := os.Stat(from)
		switch {
		case err != nil:
			return err
		case info.IsDir():
			err = os.CopyFS(to, os.DirFS(from))
		default:
			err = copyFile(to, from)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}

// cleanups are the folders to remove when all tests are done.
var cleanups []string

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range cleanups {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// The program of the image needs no library, since the image has none, and knows its version.
func TestTheProgramOfTheImageIsStatic(t *testing.T) {
	path, err := imageBinary()
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		f, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close() //nolint:errcheck // it was only read
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("it is not static: it has a segment %s", p.Type)
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), path, "version").CombinedOutput()
	if want := "cliniko-bridge " + buildVersion + " "; err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("version: %v: got %q, want %q…", err, out, want)
	}
}

// The image runs as nobody in particular, from no base, and its health check is a command that the program has.
func TestTheImageRunsAsNobody(t *testing.T) {
	list, err := containerfile()
	if err != nil {
		t.Fatal(err)
	}
	user, err := only(list, "USER", "")
	if err != nil {
		t.Fatal(err)
	}
	for id := range strings.SplitSeq(user, ":") {
		if n, err := strconv.Atoi(id); err != nil || n == 0 {
			t.Errorf("USER %s: %q is no number, or root", user, id)
		}
	}
	if _, err := only(list, "FROM", "scratch"); err != nil {
		t.Error(err)
	}
	for _, i := range list {
		if i.word == "FROM" && i.rest != "scratch" && !regexp.MustCompile(`:\d+\.\d+\.\d+`).MatchString(i.rest) {
			t.Errorf("FROM %s: pin its version", i.rest)
		}
	}
	toolchain, err := only(list, "FROM", "golang:")
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	language := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)[1]
	if !strings.Contains(toolchain, "golang:"+string(language)+".") {
		t.Errorf("the image is built by %s, and go.mod is for %s", toolchain, language)
	}
	path, err := imageBinary()
	if err != nil {
		t.Fatal(err)
	}
	args := healthcheck(t)
	out, err := exec.CommandContext(t.Context(), path, append(args, "--admin", "127.0.0.1:1")...).CombinedOutput()
	if exit := exitStatus(err); exit != 1 || !strings.Contains(string(out), "no bridge answers") {
		t.Errorf("%v, where no bridge is: exit status %d, want 1: %s", args, exit, out)
	}
}

// healthcheck is the health check of the image, without the program's name.
func healthcheck(t *testing.T) []string {
	t.Helper()
	list, err := containerfile()
	if err != nil {
		t.Fatal(err)
	}
	check, err := only(list, "HEALTHCHECK", "CMD")
	if err != nil {
		t.Fatal(err)
	}
	_, command, _ := strings.Cut(check, "CMD ")
	var args []string
	if err := json.Unmarshal([]byte(command), &args); err != nil || len(args) < 2 || args[0] != "/cliniko-bridge" {
		t.Fatalf("HEALTHCHECK runs %s: the image has no shell and nothing else: %v", command, err)
	}
	return args[1:]
}

// exitStatus is that of a command that ended with err, -1 if it did not run.
func exitStatus(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
