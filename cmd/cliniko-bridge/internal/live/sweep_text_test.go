package live

import (
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller"
)

// What the page says of a sweep is short, and begins with "running" while it is.
func TestWhatIsSaidOfASweep(t *testing.T) {
	last := time.Date(2027, 3, 7, 13, 30, 2, 0, time.FixedZone("Sydney", 10*3600))
	for _, c := range []struct {
		sweep poller.SweepStatus
		want  string
	}{
		{poller.SweepStatus{Running: true}, "running, nothing found"},
		{poller.SweepStatus{Running: true, Last: last, Deleted: 3}, "running, 3 deleted, 0 missed"},
		{poller.SweepStatus{Last: last}, "7 Mar 03:30: nothing found"},
		{poller.SweepStatus{Last: last, Missed: 1}, "7 Mar 03:30: 0 deleted, 1 missed"},
		{poller.SweepStatus{Last: last, Trouble: "503"}, "7 Mar 03:30: 503"},
		{poller.SweepStatus{Trouble: "503"}, "503"},
		{poller.SweepStatus{Last: last, Held: 60}, "7 Mar 03:30: nothing found, 60 held"},
	} {
		if got := sweepText(&c.sweep); got != c.want {
			t.Errorf("%+v: got %q, want %q", c.sweep, got, c.want)
		}
	}
}
