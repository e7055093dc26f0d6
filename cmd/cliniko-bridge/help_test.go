package main

import (
	"bytes"
	"strings"
	"testing"
)

// Every command says in its help what to type.
func TestEveryCommandHasAnExample(t *testing.T) {
	for _, c := range newRoot(&env{}).Commands() {
		if !strings.Contains(c.Example, " cliniko-bridge "+c.Name()) {
			t.Errorf("%s has no example of itself", c.Name())
		}
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{c.Name(), "--help"}, func(string) string { return "" }, &out, &errs); code != exitOK {
			t.Errorf("%s --help: exit status %d", c.Name(), code)
		}
		if !strings.Contains(out.String(), "Examples:") || errs.Len() > 0 {
			t.Errorf("%s --help shows no example on stdout: %s%s", c.Name(), out.String(), errs.String())
		}
	}
}
