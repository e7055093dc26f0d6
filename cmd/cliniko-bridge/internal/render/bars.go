package render

import (
	"io"
	"time"

	"github.com/fatih/color"
	"github.com/jedib0t/go-pretty/v6/progress"
)

// Bars shows on a terminal how several things go on at once: a line each, drawn anew four times a second until Close. A
// nil Bars shows nothing.
type Bars struct {
	writer *progress.Progress
	rows   map[string]*progress.Tracker
	moving int           // rows that have not ended
	most   int           // of them: more would not fit on the terminal
	drawn  chan struct{} // closed once nothing is drawn any more
}

// A Bar is how one thing goes on.
type Bar struct {
	// Text stands before the bar. It may change.
	Text string
	// Done of Total is how far it is. Total 0: nobody knows how far, and the bar only shows that it is under way.
	Done, Total int
	// Ended says that it goes on no more, and Wrong that it did not end well.
	Ended, Wrong bool
}

const (
	barWidth  = 24 // columns
	textWidth = 46
	// usualLines are those of a terminal that does not tell.
	usualLines = 24
	drawEvery  = 250 * time.Millisecond
)

// NewBars begins to draw on w, which is a terminal of so many columns and lines; 0 if that is not known.
func NewBars(w io.Writer, style Style, columns, lines int) *Bars {
	p := &progress.Progress{}
	p.SetOutputWriter(w)
	p.SetUpdateFrequency(drawEvery)
	p.SetTrackerLength(barWidth)
	p.SetMessageLength(textWidth)
	p.SetTrackerPosition(progress.PositionRight)
	p.SetTerminalWidth(columns)
	p.SetStyle(barStyle(style))
	b := &Bars{writer: p, rows: make(map[string]*progress.Tracker), most: lines - 2, drawn: make(chan struct{})}
	if lines <= 0 {
		b.most = usualLines - 2
	}
	go func() {
		defer close(b.drawn)
		p.Render()
	}()
	return b
}

func barStyle(style Style) progress.Style {
	s := progress.StyleDefault
	s.Chars.Indeterminate = progress.IndeterminateIndicatorMovingBackAndForth("<#>", drawEvery)
	s.Options.DoneString, s.Options.ErrorString = style.paint(color.FgGreen, "done"), style.paint(color.FgRed, "look")
	s.Options.PercentFormat = "%3.0f%%"
	s.Options.PercentIndeterminate = "    "
	s.Options.Separator = "  "
	s.Options.SnipIndicator = "~"
	s.Visibility.Time, s.Visibility.Value = false, false // the text says what there is to say
	return s
}

// Set shows how name goes on. Lines stand in the order in which they came, those that have ended above the others. What
// has ended stays as it was. What finds no room is shown once something else has ended, or it has itself.
func (b *Bars) Set(name string, bar Bar) {
	if b == nil {
		return
	}
	row := b.rows[name]
	if row == nil {
		if b.moving >= b.most && !bar.Ended {
			return
		}
		b.moving++
		row = &progress.Tracker{Message: printable(bar.Text), Total: int64(bar.Total), AutoStopDisabled: true}
		b.rows[name] = row
		b.writer.AppendTracker(row)
	}
	if row.IsDone() {
		return
	}
	row.UpdateMessage(printable(bar.Text))
	row.UpdateTotal(int64(bar.Total))
	row.SetValue(int64(min(bar.Done, bar.Total)))
	if !bar.Ended {
		return
	}
	b.moving--
	if bar.Wrong {
		row.MarkAsErrored()
	} else {
		row.MarkAsDone()
	}
}

// Say writes a line above the bars, which then stays.
func (b *Bars) Say(line string) {
	if b != nil {
		b.writer.Log(printable(line))
	}
}

// Close draws the bars a last time and returns when that is done.
func (b *Bars) Close() {
	if b == nil {
		return
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		b.writer.Stop() // which has no effect before Render has come to its loop
		select {
		case <-b.drawn:
			return
		case <-tick.C:
		}
	}
}
