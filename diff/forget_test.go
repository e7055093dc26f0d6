package diff_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The store is put back to a day before the oldest event of the stream. What was told in between is told neither again nor as
// new, numbers go on above those that were given, and what has changed since is told.
func TestAStoreThatIsPutBackBeyondTheStream(t *testing.T) {
	anew := []string{"created 4#5", "updated 2#5 name", "updated 1#5 name", "updated 3#5 name", "updated 9#5 name"}
	known := slices.Clone(anew)
	known[3] = "updated 3#2 name"
	for name, c := range map[string]struct {
		lose func(b *bench)
		want []string
	}{
		"its events are too old": {func(b *bench) { b.stream.drop(3); b.stream.foreign("contacts") }, append([]string{"created 3#1"}, known...)},
		"all events are":         {func(b *bench) { b.stream.drop(4) }, anew},
		"the stream was made anew, and told more": {func(b *bench) {
			b.stream.messages, b.stream.sequence = nil, 0
			b.restart(t)
			b.accept(t, live(9, row("5", 9, 9, "A")))
		}, append([]string{"created 5#5"}, anew...)},
	} {
		for _, thin := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/thin=%v", name, thin), func(t *testing.T) {
				b := newBench(t)
				b.thin = thin
				b.restart(t)
				b.accept(t, opening(0, row("9", -500, -400, "Z")), baseline(true), live(3, row("1", 3, 3, "A")))
				backup := b.store.Snapshot()
				last := live(8, row("3", 8, 8, "A"))
				last.Total, last.Date = 1, at(100) // nothing more will be stamped in that second
				b.accept(t, live(5, row("2", 5, 5, "A")), live(6, row("1", 3, 6, "B")), last)
				c.lose(b)
				b.store.Restore(backup)
				b.restart(t)
				all := baseline(true, row("9", -500, -400, "Z"), row("2", 5, 5, "A"), row("1", 3, 6, "B"), row("3", 8, 8, "A"))
				b.accept(t, all, live(12, row("4", 10, 10, "A"), row("2", 5, 11, "B"), row("1", 3, 12, "A"), row("3", 8, 12, "B"), row("9", -500, 12, "Y")))
				b.wantTold(t, c.want...)
			})
		}
	}
}

// A store that is put back to a day that the stream does reach back to forgets nothing: it takes up what it lacks from there.
func TestAStoreThatIsPutBackWithinTheStreamForgetsNothing(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0, row("9", -500, -400, "Z")), baseline(true), live(2, row("1", 2, 2, "A")), live(3, row("1", 2, 3, "B")))
	backup := b.store.Snapshot()
	b.accept(t, live(5, row("2", 5, 5, "A")))
	b.stream.drop(2)
	b.store.Restore(backup)
	b.restart(t)
	st, err := b.differ.Standing(t.Context(), patients)
	if err != nil || !st.Marks[schemas.Baseline].Done {
		t.Errorf("the baseline is to be read again: %+v, %v", st, err)
	}
	b.accept(t, live(7, row("1", 2, 6, "C"), row("9", -500, 7, "Y")))
	b.wantTold(t, "created 2#1", "updated 1#3 name", "updated 9#1 name")
}

// What was forgotten and is not there any more is not known: the sweep does not look for it, and it is not told as deleted, which
// it may have been before.
func TestWhatWasForgottenIsNotSoughtFor(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0, row("9", -500, -400, "Z"), row("8", -500, -400, "Z")), baseline(true), live(3, row("1", 3, 3, "A")))
	backup := b.store.Snapshot()
	b.accept(t, live(4, row("1", 3, 4, "B")), lost(5, "8"))
	b.stream.drop(3)
	b.store.Restore(backup)
	b.restart(t)
	b.accept(t, baseline(true, row("9", -500, -400, "Z"), row("1", 3, 4, "B")))
	shown, hidden, err := b.differ.Known(t.Context(), patients)
	slices.Sort(shown)
	if want := []schemas.ID{"1", "9"}; err != nil || !slices.Equal(shown, want) || len(hidden) > 0 {
		t.Errorf("known are %v, %v and %v, want %v", shown, hidden, err, want)
	}
	b.accept(t, lost(6, "8"))
	b.wantTold(t)
}

// Of a resource that was quiet for longer than the stream keeps events, all that was told since the store's day is in the stream: it is
// taken up from there, and what was known before is known still - also that a record is gone.
func TestAQuietResourceThatIsPutBackForgetsNothing(t *testing.T) {
	for _, thin := range []bool{false, true} {
		b := newBench(t)
		b.thin = thin
		b.restart(t)
		b.accept(t, opening(0, row("9", -500, -400, "Z")), baseline(true), live(2, row("1", 2, 2, "A")))
		backup := b.store.Snapshot()
		for range 3 { // of other resources
			b.stream.foreign("contacts")
		}
		b.stream.drop(3)
		b.restart(t)
		b.accept(t, live(5, row("2", 5, 5, "A")), live(6, row("3", 6, 6, "A"), row("2", 5, 6, "B")))
		b.store.Restore(backup)
		b.restart(t)
		b.accept(t, live(8, row("1", 2, 8, "B")), lost(9, "9"))
		b.wantTold(t, "created 2#1", "created 3#1", "updated 2#2 name", "updated 1#2 name", "deleted 9#1")
	}
}

// An entry that cannot be read is of a record that was told: its next event is numbered above every one that it may have had, also
// when the stream was made anew since.
func TestADamagedEntryGivesNoNumberTwice(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0), baseline(true), live(2, row("1", 2, 2, "A")), live(3, row("1", 2, 3, "B")))
	b.stream.messages, b.stream.sequence = nil, 0
	b.restart(t)
	for n := range 4 {
		b.accept(t, live(5+n, row("1", 2, 5+n, fmt.Sprint(n))))
	}
	snap, err := b.store.Load(t.Context(), "northside", patients, nil)
	if err == nil {
		err = b.store.Commit(t.Context(), b.differ.Lease, diff.Commit{
			Account: "northside", Resource: patients, Was: snap.State, State: snap.State, Entries: map[schemas.ID][]byte{"1": {0xff}},
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.accept(t, live(12, row("1", 2, 12, "Z")))
	b.wantTold(t, "updated 1#3 name", "updated 1#4 name", "updated 1#5 name", "updated 1#6 name", "updated 1#7")
}
