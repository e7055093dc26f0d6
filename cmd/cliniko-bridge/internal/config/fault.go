package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// A Fault is one thing that is wrong with a configuration. It never shows a secret, nor any value that came from the
// environment or has a word as long as a key: such a one is "the value".
type Fault struct {
	File string // as it was given to Load; "" if there is none
	Line int    // from 1; 0 if the fault has no line
	Path string // "accounts[0].schedule", or the name of an environment variable; "" for the whole file
	Text string // what is wrong and what to write instead, in one line
}

// String is the fault in one line: "bridge.yaml:7: accounts[0].schedule: unknown key; …".
func (f Fault) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d", f.Line)
		}
		b.WriteString(": ")
	}
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	return b.String() + f.Text
}

// Faults is all that is wrong with a configuration, in the order of the file. It is never empty as an error.
type Faults []Fault //nolint:errname // one fault is no error; all of them together are

// Error has one line for each fault, with no line end behind the last.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// sorted puts the faults in the order of their lines. Faults of one line keep their order.
func (fs Faults) sorted() Faults {
	slices.SortStableFunc(fs, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return fs
}

// scrub takes secrets out of the faults, in case one of them also stands where it does not belong and a fault quotes
// it there.
func (fs Faults) scrub(secrets []string) Faults {
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // a whole before its part
	var pairs []string
	for _, s := range secrets {
		if len(s) >= shortestScrubbed {
			pairs = append(pairs, s, hidden)
		}
	}
	replacer := strings.NewReplacer(pairs...)
	for i := range fs {
		fs[i].Path = replacer.Replace(fs[i].Path)
		fs[i].Text = replacer.Replace(fs[i].Text)
	}
	return fs
}

// shortestScrubbed is the length from which on a secret can be told from ordinary words.
const shortestScrubbed = 8

// suggest names the known word that is nearest to word, or all known words if none is near.
func suggest(word string, known []string) string {
	best, distance := "", max(1, len(word)/3)+1
	for _, k := range known {
		if len(word) > longestShown {
			break // no key is as long
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(word), k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "known are " + strings.Join(known, ", ")
}
