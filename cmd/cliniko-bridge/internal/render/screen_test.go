package render

import (
	"bytes"
	"testing"
)

// A page takes the place of the one before, and never more than the terminal has.
func TestAScreenHoldsWhatTheTerminalHas(t *testing.T) {
	for _, row := range []struct {
		columns, lines int
		page, want     string
	}{
		{20, 10, "one\ntwo\n", "\x1b[Hone\x1b[0m\x1b[K\ntwo\x1b[0m\x1b[K\n\x1b[J"},
		{2, 10, "one\n\x1b[31mtwo\x1b[0m\n", "\x1b[Hon\x1b[0m\x1b[K\n\x1b[31mtw\x1b[0m\x1b[0m\x1b[K\n\x1b[J"},
		{50, 4, "1\n2\n3\n4\n5\n", "\x1b[H1\x1b[0m\x1b[K\n2\x1b[0m\x1b[K\n… 3 lines more: the terminal is too small\x1b[0m\x1b[K\n\x1b[J"},
	} {
		var out bytes.Buffer
		if err := Screen(&out, row.columns, row.lines, row.page); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != row.want {
			t.Errorf("got %q, want %q", got, row.want)
		}
	}
}
