package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// canary is what every variable and every file holds while the fuzzer runs.
const canary = "Canary0123456789CanaryABCDEFGHIJ-au1"

// No file makes Load panic or hang; a refusal is Faults of one line each, in the order of the file; and none of them
// shows what came from the environment or from a file, nor a secret that the file itself holds.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/config/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse("f.yml", data, func(string) string { return canary }, func(string) ([]byte, error) {
			return []byte(canary + "\n"), nil
		})
		if err == nil {
			if len(c.Accounts) == 0 || c.Accounts[0].APIKey.IsZero() || c.Accounts[0].UserAgent == "" {
				t.Fatalf("accepted %+v", c)
			}
			return
		}
		faults, ok := errors.AsType[Faults](err)
		if !ok || len(faults) == 0 {
			t.Fatalf("got %v; want Faults", err)
		}
		secrets := append(literalSecrets(data), canary)
		line := 0
		for _, fault := range faults {
			if strings.ContainsAny(fault.String(), "\r\n") || !utf8.ValidString(fault.Text) || fault.Text == "" {
				t.Errorf("%q is not one line", fault.String())
			}
			if fault.Line < line {
				t.Errorf("%q stands behind a fault of line %d", fault.String(), line)
			}
			line = fault.Line
			for _, secret := range secrets {
				if strings.Contains(fault.Path, secret) || strings.Contains(fault.Text, secret) {
					t.Errorf("%q shows the secret %q", fault.String(), secret)
				}
			}
		}
	})
}

// literalSecrets are the secrets that data holds itself, as an ordinary decoder finds them.
func literalSecrets(data []byte) []string {
	var file struct {
		Accounts []struct {
			Key string `yaml:"api_key"`
		} `yaml:"accounts"`
		State struct {
			Redis string `yaml:"redis_url"`
			Key   string `yaml:"fingerprint_key"`
		} `yaml:"state"`
		Admin struct {
			Token string `yaml:"token"`
		} `yaml:"admin"`
	}
	if yaml.Unmarshal(data, &file) != nil {
		return nil
	}
	list := append(passwords(file.State.Redis), file.State.Key, file.Admin.Token)
	for _, a := range file.Accounts {
		list = append(list, a.Key)
	}
	var out []string
	for _, s := range list {
		// What is replaced from the environment is no secret, and the mark of a hidden one may show.
		if len(s) >= shortestScrubbed && !strings.Contains(s, "${") && !strings.ContainsAny(s, "[]") {
			out = append(out, s)
		}
	}
	return out
}
