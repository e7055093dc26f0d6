package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/certtest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// checkConfig holds a whole configuration: it is loaded, strictly, as `run` would.
func checkConfig(t *testing.T, s sample) { //nolint:thelper // a check is the test of its block
	loadSample(t, s.text)
}

// checkConfigPart holds a part of a configuration: with an account and a fingerprint key it is a whole one. The files
// that it names are there.
func checkConfigPart(t *testing.T, s sample) { //nolint:thelper // as above
	text := strings.Replace(s.text, "state:\n", "state:\n  fingerprint_key: ${FINGERPRINT_KEY}\n", 1)
	loadSample(t, "accounts:\n  - api_key: ${CLINIKO_API_KEY}\n    user_agent: Northside Bridge (ops@northside.example)\n"+text)
}

var namedFile = regexp.MustCompile(`([a-z_]+)_file: ([^,}\s]+)`)

func loadSample(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	authority := certtest.NewAuthority(t)
	pair := authority.Issue(t, certtest.Options{})
	for _, m := range namedFile.FindAllStringSubmatch(text, -1) {
		content := []byte("0123456789abcdef0123456789abcdef-au1\n") // will do for any secret
		switch m[1] {
		case "ca":
			content = readFile(t, authority.File)
		case "cert":
			content = readFile(t, pair.CertFile)
		case "key":
			content = readFile(t, pair.KeyFile)
		case "nkey":
			content = []byte(userSeed(t))
		case "creds":
			content = fmt.Appendf(nil, "-----BEGIN NATS USER JWT-----\neyJ0eXAiOiJKV1QifQ.e30.sig\n------END NATS USER JWT------\n\n"+
				"-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", userSeed(t))
		}
		if err := os.WriteFile(filepath.Join(dir, m[2]), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "bridge.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(path, func(name string) string {
		return fmt.Sprintf("MS1wZXJzb24-%032x-au1", len(name)) // another one for each
	})
	if err != nil {
		t.Error(err)
	}
}

// userSeed is the seed of a NATS user.
func userSeed(t *testing.T) string {
	t.Helper()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(seed)
}

var space = regexp.MustCompile(`\s+`)

// checkEvent holds an event: it is valid, its record is valid, and it is what AppendJSON writes, but for white space.
func checkEvent(t *testing.T, s sample) { //nolint:thelper // as above
	e, err := schemas.ParseEvent([]byte(s.text))
	if err != nil {
		t.Fatal(err)
	}
	plain := func(b []byte) string { return string(space.ReplaceAll(b, nil)) }
	if got := e.AppendJSON(nil); plain(got) != plain([]byte(s.text)) {
		t.Errorf("got  %s\nwant %s", got, s.text)
	}
	validate(t, schemas.EventSchema, []byte(s.text))
	if e.Record != nil {
		validate(t, string(e.Resource), e.Record)
		d, err := schemas.Decode([]byte(s.text))
		if err != nil || d.Extra != nil {
			t.Errorf("decoded: %v, and left over are %q", err, d.Extra)
		}
	}
}

func validate(t *testing.T, name string, value []byte) {
	t.Helper()
	text, ok := schemas.JSONSchema(name)
	if !ok {
		t.Fatalf("there is no schema of %s", name)
	}
	c := jsonschema.NewCompiler()
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err == nil {
		err = c.AddResource("schema.json", schema)
	}
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err == nil {
		err = compiled.Validate(instance)
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

var terminalLine = regexp.MustCompile(`^(\S+ \S+)  (\w+) +(\w+)/(\d+) +#(\d+)(?: +(.*))?$`)

// checkTerminal holds what `demo` and `tail` show on a terminal: each line is drawn anew from what it says.
func checkTerminal(t *testing.T, s sample) { //nolint:thelper // as above
	for line := range strings.Lines(s.text) {
		line = strings.TrimRight(line, "\n")
		m := terminalLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("%q is no line of an event", line)
		}
		at, err := time.Parse("2006-01-02 15:04:05Z", m[1])
		if err != nil {
			t.Fatal(err)
		}
		sequence, _ := strconv.ParseUint(m[5], 10, 64) // digits, as the pattern says
		e := schemas.Event{
			Account: "default", Time: at, Verb: schemas.Verb(m[2]), Resource: schemas.Resource(m[3]), RecordID: schemas.ID(m[4]),
			Sequence: sequence,
		}
		if m[6] != "" {
			e.Changed = strings.Split(m[6], ", ")
		}
		var drawn bytes.Buffer
		if err := render.Event(&drawn, render.Mono, "", &e); err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimRight(drawn.String(), "\n"); got != line || !slices.Contains(schemas.Verbs(), e.Verb) {
			t.Errorf("got  %s\nwant %s", got, line)
		}
	}
}

// checkProgram holds a subscriber: in a module of its own, offline, it compiles, and prints the event of the README when
// that is in the stream. It finds the server at nats.DefaultURL, in whose place the test puts its own.
func checkProgram(t *testing.T, s sample) { //nolint:thelper // as above
	server := publishertest.Start(t, publishertest.Options{})
	js := server.JetStream(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CLINIKO", Subjects: []string{"cliniko.*.*"}}); err != nil {
		t.Fatal(err)
	}
	var event sample
	for _, other := range readme(t) {
		if other.language == "json" {
			event = other
		}
	}
	e, err := schemas.ParseEvent([]byte(event.text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), fmt.Sprintf("cliniko.%s.%s", e.Resource, e.Verb), []byte(event.text)); err != nil {
		t.Fatal(err)
	}

	program := strings.Replace(s.text, "nats.DefaultURL", strconv.Quote(server.URL()), 1)
	if program == s.text {
		t.Fatal("it does not connect to nats.DefaultURL: how is it to find the test's server?")
	}
	out := &lockedBuffer{}
	cmd := exec.CommandContext(t.Context(), build(t, program)) // killed at the test's end
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	want := fmt.Sprintf("%s %s %s %v\n", e.Verb, e.Resource, e.RecordID, e.Changed)
	waitFor(t, time.Minute, "the subscriber prints "+want, func() bool { return strings.Contains(out.String(), want) })
	waitFor(t, time.Minute, "it has acknowledged the event", func() bool {
		stream, err := js.Stream(t.Context(), "CLINIKO")
		if err != nil {
			t.Fatal(err)
		}
		for info := range stream.ListConsumers(t.Context()).Info() {
			if info.NumAckPending == 0 && info.Delivered.Stream == 1 {
				return true
			}
		}
		return false
	})
}

// build compiles a program that uses this module, as somebody else's module, with nothing fetched.
func build(t *testing.T, program string) (path string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	const name = "github.com/cliniko-bridge/cliniko-bridge"
	mod := strings.Replace(string(readFile(t, filepath.Join(root, "go.mod"))), "module "+name, "module subscriber", 1)
	mod += fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %s => %s\n", name, name, root)
	dir := t.TempDir()
	for file, text := range map[string][]byte{
		"go.mod": []byte(mod), "go.sum": readFile(t, filepath.Join(root, "go.sum")), "main.go": []byte(program),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"vet", "."}, {"build", "-o", "subscriber", "."}} {
		cmd := exec.CommandContext(context.Background(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, out)
		}
	}
	return filepath.Join(dir, "subscriber")
}
