package diff_test

import (
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What the sweep finds is missed if following the feed should have found it: it is new or has moved, and is stamped
// before what is read again and again. It says nothing of how late rows show.
func TestWhatTheSweepFindsIsMissed(t *testing.T) {
	ann := row("1", -500, -400, "Ann")
	for name, c := range map[string]struct {
		rows []schemas.Record
		want int
	}{
		"nothing new":                             {[]schemas.Record{ann}, 0},
		"a new record":                            {[]schemas.Record{row("3", 50, 50, "New")}, 1},
		"an old one that was never listed":        {[]schemas.Record{row("3", -500, -450, "Old")}, 1},
		"one that moved":                          {[]schemas.Record{row("1", -500, 50, "Anna")}, 1},
		"one that was only touched":               {[]schemas.Record{row("1", -500, 50, "Ann")}, 0},
		"one that changed under its stamp":        {[]schemas.Record{row("1", -500, -400, "Anna")}, 0},
		"one that is back":                        {[]schemas.Record{row("2", -500, -300, "Bo")}, 0},
		"one that following still has to come to": {[]schemas.Record{row("3", 1001, 1001, "New")}, 0},
		"one in the look-back":                    {[]schemas.Record{row("3", 990, 990, "New"), row("1", -500, 820, "Anna")}, 0},
		"one just before the look-back":           {[]schemas.Record{row("3", 819, 819, "New")}, 1},
		"two, and others":                         {[]schemas.Record{ann, row("3", 50, 50, "New"), row("4", 60, 60, "New"), row("5", 999, 999, "New")}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			p := live(1000)
			p.Mark.Lookback = 3 * time.Minute
			b.accept(t, opening(0, ann, row("2", -500, -300, "Bo")), baseline(true), lost(1, "2"), p)
			page := swept(1000, c.rows...)
			page.Mark = p.Mark
			out, err := b.give(t.Context(), page)
			if err != nil || out.Missed != c.want || out.Late != 0 {
				t.Errorf("got %d missed, %s late, %v; want %d and 0", out.Missed, out.Late, err, c.want)
			}
			out, err = b.give(t.Context(), page)
			if err != nil || out.Missed != 0 || out.Late != 0 {
				t.Errorf("again: got %d missed, %s late, %v", out.Missed, out.Late, err)
			}
		})
	}
}

// A record that comes back where it was shows no lateness of rows.
func TestARecordThatIsBackIsNotLate(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0, row("1", -500, 950, "Ann")), baseline(true), live(1000), lost(1000, "1"))
	out, err := b.give(t.Context(), live(1000, row("1", -500, 950, "Ann")))
	if err != nil || out.Late != 0 {
		t.Errorf("got %s late, %v", out.Late, err)
	}
	b.wantTold(t, "deleted 1#1", "restored 1#2 ")
}
