package config

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestFingerprintKeyIsThatOfTheConfiguration(t *testing.T) {
	dir := t.TempDir()
	given := NewSecret(strings.Repeat("k", 32))
	key, err := FingerprintKey(&Config{DataDir: dir, State: State{FingerprintKey: given}})
	if err != nil || key.Reveal() != given.Reveal() {
		t.Errorf("got %q, %v; want the configured key", key.Reveal(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("got %v in the data folder; want nothing", files)
	}
}

// A key is made once, for its owner alone, and is the same ever after.
func TestFingerprintKeyIsMadeOnce(t *testing.T) {
	c := &Config{DataDir: filepath.Join(t.TempDir(), "not", "yet")}
	first, err := FingerprintKey(c)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(first.Reveal()); n < shortestKey {
		t.Errorf("got a key of %d characters; want %d at least", n, shortestKey)
	}
	again, err := FingerprintKey(c)
	if err != nil || again.Reveal() != first.Reveal() {
		t.Errorf("the second call: got another key, %v; want the same", err)
	}
	info, err := os.Stat(filepath.Join(c.DataDir, "fingerprint.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v; want 0600", info.Mode(), err)
	}
	if files, _ := os.ReadDir(c.DataDir); len(files) != 1 {
		t.Errorf("got %v; want the key alone", files)
	}
	other, err := FingerprintKey(&Config{DataDir: t.TempDir()})
	if err != nil || other.Reveal() == first.Reveal() {
		t.Errorf("another folder: got the same key, %v; want another", err)
	}
}

// Bridges that start at once on one folder come to one key.
func TestFingerprintKeyIsOneForAllThatStartAtOnce(t *testing.T) {
	c := &Config{DataDir: t.TempDir()}
	keys := make([]string, 16)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			key, err := FingerprintKey(c)
			if err != nil {
				t.Error(err)
			}
			keys[i] = key.Reveal()
		})
	}
	wg.Wait()
	for _, key := range keys {
		if key != keys[0] {
			t.Fatal("got two keys; want one")
		}
	}
}

// A file that holds no key is not replaced: the records may have been hashed with what it held.
func TestFingerprintKeyKeepsABrokenFile(t *testing.T) {
	c := &Config{DataDir: t.TempDir()}
	path := filepath.Join(c.DataDir, "fingerprint.key")
	if err := os.WriteFile(path, []byte("cut-off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := FingerprintKey(c)
	if text := errorText(err); !strings.Contains(text, path) || strings.Contains(text, "cut-off") {
		t.Errorf("got %q; want an error with the path and without the content", text)
	}
	if data, _ := os.ReadFile(path); string(data) != "cut-off\n" {
		t.Errorf("got %q in the file; want it as it was", data)
	}
}
