package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands are all commands that users see, with those that cobra adds when it runs.
func commands() []*cobra.Command {
	root := newRoot(&env{})
	var list []*cobra.Command
	walkCommands(root, func(c *cobra.Command) {
		if c != root {
			list = append(list, c)
		}
	})
	return list
}

// Every command says in its help what it is for, what to type, and what each flag means.
func TestTheHelpTeaches(t *testing.T) {
	for _, c := range commands() {
		name := c.CommandPath()
		if c.Short == "" || c.Long == "" {
			t.Errorf("%s says too little of itself: Short %q, Long %q", name, c.Short, c.Long)
		}
		if !strings.Contains(c.Example, name) {
			t.Errorf("%s has no example of itself", name)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s does not say what it means", name, f.Name)
			}
		})
		args := slices.Concat(strings.Fields(name)[1:], []string{"--help"})
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, func(string) string { return "" }, &out, &errs); code != exitOK || errs.Len() > 0 {
			t.Errorf("%s --help: exit status %d, %s", name, code, errs.String())
		}
		if !strings.Contains(out.String(), "Examples:") {
			t.Errorf("%s --help shows no example on stdout: %s", name, out.String())
		}
	}
}

// Every example can be typed: its command and its flags are there, and take what they are given.
func TestEveryExampleParses(t *testing.T) {
	for _, c := range append(commands(), newRoot(&env{})) {
		for line := range strings.Lines(c.Example) {
			for _, words := range typed(t, line) {
				root := newRoot(&env{})
				found, rest, err := root.Find(words)
				if err != nil {
					t.Errorf("%s: %q: %v", c.CommandPath(), line, err)
					continue
				}
				if err := found.ParseFlags(rest); err != nil {
					t.Errorf("%s: %q: %v", c.CommandPath(), line, err)
					continue
				}
				if found.Args != nil {
					if err := found.Args(found, found.Flags().Args()); err != nil {
						t.Errorf("%s: %q: %v", c.CommandPath(), line, err)
					}
				}
			}
		}
	}
}

// typed are the arguments of each call of cliniko-bridge in a line of an example. A comment begins behind two spaces.
func typed(t *testing.T, line string) [][]string {
	t.Helper()
	line, _, _ = strings.Cut(strings.TrimSpace(line), "  ")
	var calls [][]string
	for part := range strings.SplitSeq(line, "|") {
		var words []string
		quote, word, begun := rune(0), "", false
		for _, r := range part + " " {
			switch {
			case quote != 0 && r == quote:
				quote = 0
			case quote == 0 && (r == '\'' || r == '"'):
				quote, begun = r, true
			case quote == 0 && r == ' ':
				if begun {
					words = append(words, word)
				}
				word, begun = "", false
			default:
				word, begun = word+string(r), true
			}
		}
		if quote != 0 {
			t.Errorf("a quote is open in %q", line)
		}
		for i, w := range words {
			if w != "cliniko-bridge" {
				continue
			}
			call := words[i+1:]
			for j, w := range call {
				if w == ">" || w == "&" {
					call = call[:j]
					break
				}
			}
			calls = append(calls, call)
		}
	}
	return calls
}
