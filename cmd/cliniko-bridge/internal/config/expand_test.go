package config

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "alpha", "B_2": "beta", "NEST": "${A}", "YAML": "a: [b]\n- c"}
	for _, row := range []struct{ in, want, fault string }{
		{in: "plain", want: "plain"},
		{in: "", want: ""},
		{in: "${A}", want: "alpha"},
		{in: "<${A}-${B_2}>", want: "<alpha-beta>"},
		{in: "$A $ $$ {A}", want: "$A $ $$ {A}"},
		{in: "$${A}", want: "${A}"},
		{in: "$$${A}", want: "$${A}"},
		{in: "$${${A}}", want: "${alpha}"},
		{in: "${NEST}", want: "${A}"},
		{in: "${YAML}", want: "a: [b]\n- c"},
		{in: "${A", fault: "never closed"},
		{in: "${}", fault: "not the name"},
		{in: "${A B}", fault: "not the name"},
		{in: "${2}", fault: "not the name"},
		{in: "${MISSING}", fault: "variable MISSING is not set"},
		{in: "${mS0xLWtleQ}", fault: "variable that it names is not set"},
	} {
		got, _, err := expand(row.in, func(name string) string { return env[name] })
		if row.fault != "" {
			if !strings.Contains(errorText(err), row.fault) {
				t.Errorf("expand(%q): got error %v; want one with %q", row.in, err, row.fault)
			}
			continue
		}
		if err != nil || got != row.want {
			t.Errorf("expand(%q): got %q, %v; want %q", row.in, got, err, row.want)
		}
	}
}

// For any text, escaping each ${ and then expanding is the identity and asks the environment for nothing; and what
// the environment holds comes out as it is, whatever it is.
func TestExpandIsTheInverseOfEscaping(t *testing.T) {
	piece := rapid.SampledFrom([]string{"$", "{", "}", "${", "A", ":", "\n", "- ", "é"})
	text := rapid.Map(rapid.SliceOf(piece), func(list []string) string { return strings.Join(list, "") })
	rapid.Check(t, func(t *rapid.T) {
		// A text that ends in $ would escape what follows it.
		before, value, after := text.Draw(t, "before"), text.Draw(t, "value"), text.Draw(t, "after")
		before = strings.TrimRight(before, "$")
		escape := func(s string) string { return strings.ReplaceAll(s, "${", "$${") }

		got, fromEnv, err := expand(escape(before), func(string) string { t.Fatal("asked"); return "" })
		if err != nil || fromEnv || got != before {
			t.Fatalf("got %q, %v, %v; want %q", got, fromEnv, err, before)
		}
		if value == "" {
			return
		}
		got, fromEnv, err = expand(escape(before)+"${V}"+escape(after), func(string) string { return value })
		if want := before + value + after; err != nil || !fromEnv || got != want {
			t.Fatalf("got %q, %v, %v; want %q", got, fromEnv, err, want)
		}
	})
}
