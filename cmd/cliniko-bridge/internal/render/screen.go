package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// Screen writes page over what a terminal of so many columns and lines shows, without a flicker. A line that is too long is
// cut, and of a page that is too long the last line says how much is missing. It returns the error of w.
func Screen(w io.Writer, columns, lines int, page string) error {
	rows := strings.Split(strings.TrimSuffix(page, "\n"), "\n")
	if room := lines - 1; len(rows) > room && room > 0 { // the cursor stands in the last line
		left := len(rows) - room + 1
		rows = append(rows[:room-1:room-1], fmt.Sprintf("… %d lines more: the terminal is too small", left))
	}
	var out strings.Builder
	out.WriteString("\x1b[H") // to the top
	for _, row := range rows {
		out.WriteString(text.Trim(row, columns) + "\x1b[0m\x1b[K\n") // and nothing behind it
	}
	out.WriteString("\x1b[J") // nor below
	_, err := io.WriteString(w, out.String())
	return err
}
