package diff_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// archivedPage is one of the list of the archived.
func archivedPage(cursor int, rows ...schemas.Record) schemas.Page {
	p := live(cursor, rows...)
	p.Feed, p.Implies = "archived", schemas.ArchivedState
	return p
}

// The stream was made anew and told of more, and the store was lost long after that: what the first stream told is not told as
// new, and numbers go on above those that it gave.
func TestAStoreThatIsLostLongAfterTheStreamInventsNothing(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0), baseline(true), live(3, row("1", 3, 3, "A")), live(4, row("1", 3, 4, "B")), live(5, row("1", 3, 5, "C")))
	b.stream.messages, b.stream.sequence = nil, 0
	b.restart(t)
	b.accept(t, live(7, row("2", 7, 7, "D")))
	b.store.Flush()
	b.restart(t)
	b.accept(t, baseline(true, row("1", 3, 5, "C")), live(9, row("1", 3, 9, "D")))
	for _, e := range b.stream.messages {
		if e.event.RecordID == "1" && (e.event.Verb != schemas.Updated || e.event.Sequence <= 3) {
			t.Errorf("told %q", b.told())
		}
	}
}

// A stream is not in the order of stamps: a row that shows late is told behind a younger one. A record whose event was dropped is not
// told as new because an older stamp is left in the stream.
func TestALostStoreBesideAStreamThatIsNotInTheOrderOfStampsInventsNothing(t *testing.T) {
	b := newBench(t)
	late := live(5, row("1", -500, 2, "B"))
	late.Total, late.Date = 1, at(100)
	b.accept(t, opening(0, row("1", -500, -400, "A")), baseline(true), live(5, row("2", 5, 5, "A")), late)
	b.stream.drop(1)
	b.store.Flush()
	b.restart(t)
	b.accept(t, baseline(true, row("1", -500, 2, "B"), row("2", 5, 5, "A")), live(9, row("2", 5, 9, "B"), row("3", 9, 9, "A")))
	b.wantTold(t, "updated 1#1 name", "updated 2#3 name", "created 3#3")
}

// A side list that nothing has come to for long is not passed over up to the oldest event that the stream holds: what came to
// it since it was last read is told.
func TestASideListGoesOnAtItsCheckpointBesideAStreamThatDroppedEvents(t *testing.T) {
	b := newBench(t)
	first := archivedPage(-300)
	first.First, first.Mark.Horizon = true, at(-300)
	done := archivedPage(-300)
	done.Baseline, done.Mark.Done = true, true
	b.accept(t, opening(0, row("1", -500, -400, "A")), first, baseline(true, row("1", -500, -400, "A")), done,
		live(3, row("2", 3, 3, "B")), live(900, row("2", 3, 900, "C")))
	b.stream.drop(1)
	b.store.Flush()
	b.restart(t)
	gone := row("1", -500, 890, "A")
	gone.Raw = []byte(`{"id":"1","created_at":"` + schemas.FormatStamp(at(-500)) + `","updated_at":"` + schemas.FormatStamp(at(890)) +
		`","name":"A","city":"Geelong","archived_at":"` + schemas.FormatStamp(at(890)) + `"}`)
	p := archivedPage(890, gone)
	st, err := b.differ.Standing(t.Context(), patients)
	if err != nil {
		t.Fatal(err)
	}
	if c := st.Marks["archived"].Cursor; c.After(at(890)) {
		t.Errorf("the list is read on from %s", c)
		p.Mark.Cursor = c
	}
	base := p
	base.Baseline, base.Mark.Done = true, true
	b.accept(t, base, p)
	b.wantTold(t, "updated 2#2 name", "archived 1#3")
}

// A checkpoint that cannot be read stops nothing as long as the store has the resource, and the next one takes its place.
func TestACheckpointThatCannotBeReadStopsALostStoreAlone(t *testing.T) {
	for name, spoil := range map[string]func(s *stream){
		"it is damaged": func(s *stream) { s.checkpoints["northside/patients"] = []byte("{") },
		"nobody has it": func(s *stream) { s.hidesCheckpoints = true },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.accept(t, opening(0, row("1", -500, 0, "A")), baseline(true))
			spoil(b.stream)
			b.restart(t)
			b.accept(t, live(5, row("1", -500, 5, "B")))
			b.stream.hidesCheckpoints = false
			b.store.Flush()
			b.restart(t)
			b.accept(t, live(7, row("1", -500, 7, "C")))
			b.wantTold(t, "updated 1#1 name", "updated 1#2 name")

			spoil(b.stream)
			b.store.Flush()
			b.restart(t)
			if _, err := b.differ.Standing(t.Context(), patients); err == nil {
				t.Error("a lost store was taken for a new one")
			}
		})
	}
}

// A checkpoint that cannot be written is tried again at its time, and not with every page: each try may take seconds.
func TestACheckpointThatCannotBeWrittenHoldsUpOnePage(t *testing.T) {
	b := newBench(t)
	b.every, b.stream.losesCheckpoints = time.Hour, true
	b.restart(t)
	b.accept(t, opening(0), live(3, row("1", 3, 3, "A")), live(4, row("1", 3, 4, "B")), live(5, row("1", 3, 5, "C")))
	if b.stream.offered != 1 {
		t.Errorf("it was tried %d times", b.stream.offered)
	}
}

// A checkpoint that somebody has deleted comes back, though nothing changes.
func TestACheckpointThatWasDeletedComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.accept(t, opening(0), live(3, row("1", 3, 3, "A")))
		b.stream.checkpoints = nil
		b.accept(t, live(3))
		if len(b.stream.checkpoints) > 0 {
			t.Error("it was written without need")
		}
		time.Sleep(11 * time.Minute)
		b.accept(t, live(3))
		if len(b.stream.checkpoints) == 0 {
			t.Error("it is gone for good")
		}
	})
}
