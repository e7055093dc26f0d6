package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is in the file now counts; what cannot be used is told once, and what was there before stays.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.key")
	var told []string
	tell := func(err error) {
		if err == nil {
			err = errors.New("changed")
		}
		told = append(told, err.Error())
	}
	fits := func(old, next Secret) error {
		if !strings.HasSuffix(next.Reveal(), "-au1") || old.Reveal() != "first-au1" {
			return errors.New("is of another shard")
		}
		return nil
	}
	r := RotatingAPIKey(&Account{APIKey: NewSecret("first-au1"), APIKeyFile: path}, fits, tell)
	for _, step := range []struct{ content, want, tells string }{
		{"first-au1\n", "first-au1", ""},
		{"second-au1\n", "second-au1", "changed"},
		{"second-au1", "second-au1", ""},
		{"elsewhere-uk1\n", "second-au1", "what it holds is of another shard"},
		{"elsewhere-uk1\n", "second-au1", ""},
		{"", "second-au1", "what it holds is not an API key; it is one word, such as …-au1"},
		{"two words", "second-au1", ""},
		{"second-au1", "second-au1", ""},
		{"elsewhere-uk1\n", "second-au1", "what it holds is of another shard"},
		{"third-au1\r\n", "third-au1", "changed"},
		{"missing", "third-au1", "the file cannot be read: no such file; look at its name and its folder"},
		{"fourth-au1", "fourth-au1", "changed"},
	} {
		if err := os.WriteFile(path, []byte(step.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if step.content == "missing" {
			_ = os.Remove(path)
		}
		told = nil
		got := r.Now().Reveal()
		want := []string{step.tells}
		if step.tells == "" {
			want = nil
		}
		if got != step.want || !slices.Equal(told, want) {
			t.Errorf("%q: got %q and told %q; want %q and %q", step.content, got, told, step.want, want)
		}
	}
}

// What did not come from a file stays, and so does a token that is gone.
func TestRotationWithoutAFile(t *testing.T) {
	tell := func(err error) { t.Errorf("told %v", err) }
	if got := RotatingToken(&Admin{Token: NewSecret("token-of-the-operators")}, tell).Now().Reveal(); got != "token-of-the-operators" {
		t.Errorf("got %q", got)
	}
	if got := RotatingToken(&Admin{}, tell).Now(); !got.IsZero() {
		t.Errorf("got %q", got.Reveal())
	}
}
