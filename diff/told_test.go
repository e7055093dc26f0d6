package diff_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// Who looks on is told what is in the stream and committed, in its order and once; and not what a commit that failed has left
// to be done again.
func TestWhoLooksOnIsToldWhatIsCommitted(t *testing.T) {
	b := newBench(t)
	var seen []diff.Told
	watch := func() { b.differ.Told = func(list []diff.Told) { seen = append(seen, list...) } }
	watch()
	b.accept(t, opening(0, row("1", -9, -9, "A")), live(5, row("1", -9, 4, "B"), row("2", 5, 5, "C")))
	b.accept(t, live(5, row("1", -9, 4, "B"), row("2", 5, 5, "C"))) // again: nothing
	b.store.OnCommit = func(diff.Commit) (bool, error) { return false, errors.New("the store is away") }
	if _, err := b.give(t.Context(), live(6, row("2", 5, 6, "D"))); err == nil {
		t.Fatal("the commit came through")
	}
	b.store.OnCommit = nil
	b.restart(t) // which reads it back
	watch()
	b.accept(t, live(6, row("2", 5, 6, "D")), live(8, row("1", -9, 8, "E")))

	var got []string
	for _, s := range seen {
		got = append(got, fmt.Sprintf("%s/%s %s %s#%d %v %s", s.Account, s.Resource, s.Verb, s.ID, s.Sequence, s.Changed, s.Time.Format(time.TimeOnly)))
		if since := time.Since(s.At); since < 0 || since > time.Minute {
			t.Errorf("%s: committed at %s", s.ID, s.At)
		}
	}
	want := []string{
		"northside/patients updated 1#1 [name] 10:00:04",
		"northside/patients created 2#1 [] 10:00:05",
		"northside/patients updated 1#2 [name] 10:00:08",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// There is no room for a value of a record in what is told to who looks on: it has texts, names, numbers and times, and no
// field for anything else. A new field needs a thought, and a line here.
func TestWhatIsToldHasNoRoomForAValue(t *testing.T) {
	var got []string
	for field := range reflect.TypeFor[diff.Told]().Fields() {
		got = append(got, field.Name+" "+field.Type.String())
	}
	want := []string{
		"Account string", "Resource schemas.Resource", "ID schemas.ID", "Verb schemas.Verb", "Sequence uint64",
		"Changed []string", "Time time.Time", "At time.Time",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
