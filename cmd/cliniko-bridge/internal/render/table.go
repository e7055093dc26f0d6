package render

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/fatih/color"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Marks are cells of their own that a table colours: how something stands.
const (
	OK      = "ok"
	Warning = "warning"
	Wrong   = "wrong"
)

// Table writes rows below header: in a rounded frame on a terminal, and otherwise in columns with spaces between, where
// "-" stands for an empty cell. A cell that is one of the marks has its colour, if the style has colours. Rows may be
// shorter than header. It returns the error of w.
func Table(w io.Writer, style Style, header []string, rows [][]string) error {
	if style == Plain {
		return plainTable(w, header, rows)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleRounded)
	t.Style().Format.Header = text.FormatDefault // or it would be in capitals
	t.AppendHeader(tableRow(Mono, header))
	for _, row := range rows {
		t.AppendRow(tableRow(style, row))
	}
	_, err := io.WriteString(w, t.Render()+"\n")
	return err
}

func tableRow(style Style, cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		c = printable(c)
		switch c {
		case OK:
			c = style.paint(color.FgGreen, c)
		case Warning:
			c = style.paint(color.FgYellow, c)
		case Wrong:
			c = style.paint(color.FgRed, c)
		}
		row[i] = c
	}
	return row
}

func plainTable(w io.Writer, header []string, rows [][]string) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		cells := slices.Repeat([]string{"-"}, max(len(row), len(header)))
		for i, c := range row {
			if c != "" {
				cells[i] = printable(c)
			}
		}
		if _, err := fmt.Fprintln(out, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return out.Flush()
}
