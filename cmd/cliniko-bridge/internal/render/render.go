// Package render writes events and tables for people at a terminal and for the programs behind a pipe.
//
// It never shows a value of a record: an event is its verb, its id, its sequence and the names of the fields that
// changed. Ids and names come from outside, so that what a terminal would take for a command is written as "?".
package render

import (
	"strings"
	"unicode"

	"github.com/fatih/color"
)

// A Style is for whom the output is.
type Style int

// The styles.
const (
	Plain Style = iota // a pipe or a file: columns for programs
	Mono               // a terminal without colour
	Color              // a terminal with colour
)

// StyleOf is Plain unless the output is a terminal, and Mono on one whose user does not want colour: NO_COLOR is set
// (no-color.org) or TERM is "dumb".
func StyleOf(terminal bool, getenv func(string) string) Style {
	switch {
	case !terminal:
		return Plain
	case getenv("NO_COLOR") != "" || getenv("TERM") == "dumb":
		return Mono
	default:
		return Color
	}
}

// paint is text in c's colour, if the style has any. The library's own guess, which looks at standard output, is
// left out of it.
func (s Style) paint(c color.Attribute, text string) string {
	if s != Color {
		return text
	}
	p := color.New(c)
	p.EnableColor()
	return p.Sprint(text)
}

// Line is text as one line that is fit for a terminal, wherever it comes from.
func Line(text string) string { return printable(text) }

// Text is text with its lines and tabs as they are, and otherwise fit for a terminal.
func Text(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// printable replaces what a terminal may act on by "?", and everything that would end a line or a column by a space.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}
