package render

import (
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fatih/color"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Event writes e, which came on subject, as one line.
//
// On a terminal, for the eye, with the account at the end unless it is "default":
//
//	2027-03-27 10:03:57Z  updated    appointments/343589               #4    notes, patient_arrived
//
// Plain, for programs: subject, record ID, sequence, time and changed fields, with a tab between; the fields have
// commas between them, and "-" stands for none:
//
//	cliniko.appointments.updated⇥343589⇥4⇥2027-03-27T10:03:57Z⇥notes,patient_arrived
//
// The time is the record's own. It returns the error of w.
func Event(w io.Writer, style Style, subject string, e *schemas.Event) error {
	line := plainLine(subject, e)
	if style != Plain {
		line = terminalLine(style, e)
	}
	_, err := io.WriteString(w, line+"\n")
	return err
}

func plainLine(subject string, e *schemas.Event) string {
	changed := "-"
	if len(e.Changed) > 0 {
		changed = strings.Join(e.Changed, ",")
	}
	columns := []string{
		subject, string(e.RecordID), strconv.FormatUint(e.Sequence, 10), schemas.FormatStamp(e.Time), changed,
	}
	for i, c := range columns {
		columns[i] = printable(c)
	}
	return strings.Join(columns, "\t")
}

func terminalLine(style Style, e *schemas.Event) string {
	parts := []string{
		style.paint(color.Faint, e.Time.UTC().Format("2006-01-02 15:04:05Z")),
		style.paint(verbColor(e.Verb), pad(printable(string(e.Verb)), 9)),
		pad(printable(string(e.Resource)+"/"+string(e.RecordID)), 32), // holds appointments/ and an id of 19 digits
		style.paint(color.Faint, pad("#"+strconv.FormatUint(e.Sequence, 10), 4)),
	}
	if len(e.Changed) > 0 {
		parts = append(parts, printable(strings.Join(e.Changed, ", ")))
	}
	if e.Account != "default" {
		parts = append(parts, style.paint(color.Faint, "("+printable(e.Account)+")"))
	}
	return strings.TrimRight(strings.Join(parts, "  "), " ")
}

// verbColor is green for what appears, yellow for what changes, red for what goes, blue for what was there.
func verbColor(v schemas.Verb) color.Attribute {
	switch v {
	case schemas.Created, schemas.Restored:
		return color.FgGreen
	case schemas.Updated:
		return color.FgYellow
	case schemas.Cancelled, schemas.Archived:
		return color.FgMagenta
	case schemas.Deleted:
		return color.FgRed
	case schemas.Snapshot:
		return color.FgBlue
	default:
		return color.Reset // a verb of a later version
	}
}

// pad adds spaces up to width.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
