package check

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
)

// A Row is one thing that was looked at.
type Row struct {
	What   string // "northside: patients"
	State  string // render.OK, render.Warning or render.Wrong
	Detail string // what was found and, unless it is well, what to do about it
}

// A Report is what was looked at, in the order in which an operator would put it right.
type Report []Row

func (r *Report) ok(what, format string, args ...any)   { r.add(what, render.OK, format, args...) }
func (r *Report) warn(what, format string, args ...any) { r.add(what, render.Warning, format, args...) }

func (r *Report) bad(what, format string, args ...any) { r.add(what, render.Wrong, format, args...) }

// add makes one line of the detail: some errors have several.
func (r *Report) add(what, state, format string, args ...any) {
	detail := strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
	*r = append(*r, Row{What: what, State: state, Detail: detail})
}

// Wrong is how many rows are wrong: a bridge would not do its work.
func (r Report) Wrong() int { return r.in(render.Wrong) }

func (r Report) in(state string) int {
	n := 0
	for _, row := range r {
		if row.State == state {
			n++
		}
	}
	return n
}

// Verdict is the report in a sentence.
func (r Report) Verdict() string {
	wrong, warnings := r.Wrong(), r.in(render.Warning)
	switch {
	case wrong == 1:
		return "One thing is wrong: put it right before `cliniko-bridge run`."
	case wrong > 1:
		return fmt.Sprintf("%d things are wrong: put them right before `cliniko-bridge run`.", wrong)
	case warnings == 1:
		return "Nothing is wrong; there is one warning."
	case warnings > 1:
		return fmt.Sprintf("Nothing is wrong; there are %d warnings.", warnings)
	default:
		return "All is well: `cliniko-bridge run` can start."
	}
}

// Write writes the table and, below it, the verdict. It returns the error of w.
func (r Report) Write(w io.Writer, style render.Style) error {
	rows := make([][]string, len(r))
	for i, row := range r {
		rows[i] = []string{row.What, row.State, row.Detail}
	}
	if err := render.Table(w, style, []string{"what", "state", "detail"}, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r.Verdict())
	return err
}

// count is "1 account" or "2 accounts".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// size is a number of bytes as people read it: "1.5 MiB".
func size(bytes int64) string {
	const unit = 1024
	if bytes < unit {
		return count(int(bytes), "byte")
	}
	value, names := float64(bytes)/unit, "KMGTPE"
	for value >= unit && len(names) > 1 {
		value, names = value/unit, names[1:]
	}
	return strings.TrimSuffix(strconv.FormatFloat(value, 'f', 1, 64), ".0") + " " + names[:1] + "iB"
}
