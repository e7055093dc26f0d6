package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// typedIn runs the command in this process, and gives its exit status, stdout and stderr.
func typedIn(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, func(string) string { return "" }, &out, &errs)
	return status, out.String(), errs.String()
}

// There is a completion for each shell, which knows this program.
func TestCompletionOfEachShell(t *testing.T) {
	for shell, want := range map[string]string{
		"bash": "__start_cliniko-bridge", "zsh": "#compdef cliniko-bridge\n", "fish": "complete -c cliniko-bridge ", "powershell": "Register-ArgumentCompleter",
	} {
		if status, out, errs := typedIn(t, "completion", shell); status != exitOK || !strings.Contains(out, want) || errs != "" {
			t.Errorf("%s: status %d, %d bytes without %q, %s", shell, status, len(out), want, errs)
		}
	}
	for _, args := range [][]string{{"completion", "csh"}, {"completion", "bash", "extra"}} {
		if status, out, errs := typedIn(t, args...); status != exitUsage || out != "" || !strings.HasPrefix(errs, "cliniko-bridge: unknown command ") {
			t.Errorf("%q: status %d, %q, %q", args, status, out, errs)
		}
	}
}

// The shell is told what a flag or an argument may be, the accounts of the configuration among them.
func TestWhatIsCompleted(t *testing.T) {
	config := filepath.Join(t.TempDir(), "bridge.yaml")
	text := `accounts:
  - {name: northside, api_key: some-key-au1, user_agent: "Northside Bridge (ops@northside.example)"}
  - {name: harbour, api_key: some-other-key-au1, user_agent: "Northside Bridge (ops@northside.example)"}
nats: {subject: "cliniko.{account}.{resource}.{verb}"}
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"tail --resource":       "patients",
		"tail --verb":           "cancelled",
		"replay --record":       "patients/",
		"sweep":                 "appointments",
		"sweep patients":        "appointments",
		"sweep --accept":        "appointments",
		"baseline":              "appointments",
		"baseline patients":     "", // it takes one
		"schema show":           "event",
		"status --account":      "", // it has no configuration
		"run --config":          "yaml",
		"replay --to":           "",
		"status -c % --accoun":  "--account",
		"status -c % --account": "harbour northside",
	} {
		words := strings.Fields(strings.ReplaceAll(line, "%", config))
		if last := words[len(words)-1]; last != "--accoun" {
			words = append(words, "")
		}
		status, out, _ := typedIn(t, slices.Concat([]string{"__complete"}, words)...)
		got := strings.Fields(out)
		for w := range strings.FieldsSeq(want) {
			if !slices.ContainsFunc(got, func(s string) bool { return s == w }) {
				t.Errorf("%s: %q is not in %q", line, w, out)
			}
		}
		if status != exitOK || want == "" && len(got) != 1 { // the last word is for the shell
			t.Errorf("%s: status %d, %q", line, status, out)
		}
	}
}
