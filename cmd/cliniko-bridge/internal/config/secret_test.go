package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// However a secret is printed or encoded, alone or inside of something, its text does not come out.
func TestASecretIsNeverPrinted(t *testing.T) {
	const text = "MS1rZXktb2YtYS1jbGluaWM-au1"
	s := NewSecret(text)
	within := struct {
		inner Secret // unexported: fmt does not ask its methods
		Outer *Secret
	}{s, &s}
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p"} {
		for _, v := range []any{s, &s, []Secret{s}, map[string]Secret{"k": s}, within, Config{Accounts: []Account{{APIKey: s}}}} {
			printed = append(printed, fmt.Sprintf(verb, v))
		}
	}
	j, err := json.Marshal(map[string]any{"s": s, "w": within})
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(map[string]any{"s": s, "w": Account{APIKey: s}})
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range append(printed, string(j), string(y)) {
		if strings.Contains(got, text) || strings.Contains(strings.ToLower(got), fmt.Sprintf("%x", text)) {
			t.Errorf("got %s, which shows the secret", got)
		}
	}
	if got := s.Reveal(); got != text {
		t.Errorf("Reveal: got %q; want %q", got, text)
	}
	if got, want := fmt.Sprintf("%v %s %#v %d", s, s, s, s), "[hidden] [hidden] [hidden] [hidden]"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestNoSecretPrintsAsNothing(t *testing.T) {
	var s Secret
	if got := fmt.Sprintf("%v%s", s, s.Reveal()); got != "" || !s.IsZero() || !NewSecret("").IsZero() {
		t.Errorf("got %q, IsZero %v; want nothing", got, s.IsZero())
	}
}
