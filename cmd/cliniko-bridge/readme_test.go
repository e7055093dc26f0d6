package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// block is the first code block of a language in the README.
func block(t *testing.T, language string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("the README has no block of %s", language)
	}
	return m[1]
}

func TestTheConfigurationOfTheREADMEIsAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(path, block(t, "yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, func(name string) string {
		return fmt.Sprintf("MS1wZXJzb24-%032x-au1", len(name)) // another one for each
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Accounts) != 2 || cfg.NATS.Subject != "cliniko.{account}.{resource}.{verb}" {
		t.Errorf("got %d accounts, subject %s", len(cfg.Accounts), cfg.NATS.Subject)
	}
}

// The event of the README is what AppendJSON writes, but for white space.
func TestTheEventOfTheREADMEIsOne(t *testing.T) {
	want := block(t, "json")
	e, err := schemas.ParseEvent(want)
	if err != nil {
		t.Fatal(err)
	}
	space := regexp.MustCompile(`\s+`)
	plain := func(b []byte) string { return string(space.ReplaceAll(b, nil)) }
	if got := e.AppendJSON(nil); plain(got) != plain(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTheSubscriberOfTheREADMECompiles(t *testing.T) {
	dir, err := os.MkdirTemp(".", "readme-subscriber-") //nolint:usetesting // inside the module, so that its imports are found
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.WriteFile(filepath.Join(dir, "main.go"), block(t, "go"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(context.Background(), "go", "vet", "./"+dir).CombinedOutput()
	if err != nil {
		t.Errorf("go vet: %v\n%s", err, bytes.TrimSpace(out))
	}
}
