package diff_test

import (
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A resource without an event is found where it was when its store is lost: what changed since is told, what did not is not.
func TestALostStoreWithoutAnEventGoesOnAtItsCheckpoint(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0, row("1", -500, 0, "A")), baseline(true, row("2", -500, -400, "B")))
	b.store.Flush()
	b.restart(t)
	st, err := b.differ.Standing(t.Context(), patients)
	if err != nil || !st.Opened || !st.Began.Equal(at(0)) || !st.Marks[schemas.Live].Cursor.Equal(at(0)) || st.Marks[schemas.Baseline].Done {
		t.Fatalf("got %+v, %v; want it open, and a baseline to come", st, err)
	}
	b.accept(t, live(7, row("1", -500, 0, "A"), row("2", -500, 5, "BB"), row("3", 7, 7, "C")), baseline(true))
	b.wantTold(t, "updated 2#1", "created 3#1")
}

// A row that is stamped before the cursor may not have been read before the store was lost, since it showed late: it is told,
// whether or not rows were late before. What is stamped before any look-back was read.
func TestALateRowBehindTheCheckpointIsTold(t *testing.T) {
	for _, c := range []struct {
		lookback time.Duration
		stamp    int
		want     []string
	}{
		{0, 280, []string{"updated 1#1"}},
		{0, 100, nil},
		{4 * time.Minute, 100, []string{"updated 1#1"}},
		{4 * time.Minute, 50, nil},
	} {
		b := newBench(t)
		page := live(300)
		page.Mark.Lookback = c.lookback
		b.accept(t, opening(0, row("1", -500, -400, "A")), baseline(true), page)
		b.store.Flush()
		b.restart(t)
		b.accept(t, live(300, row("1", -500, c.stamp, "AA")), baseline(true))
		b.wantTold(t, c.want...)
	}
}

// The stream was made anew, and then the store was lost, too: numbers go on above those that were given.
func TestSequencesRiseAfterStreamAndStoreWereLost(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0), baseline(true), live(3, row("1", 3, 3, "A")), live(4, row("1", 3, 4, "B")))
	b.stream.messages, b.stream.sequence = nil, 0
	b.store.Flush()
	b.restart(t)
	b.accept(t, live(5, row("1", 3, 5, "C")))
	b.wantTold(t, "updated 1#3")
}
