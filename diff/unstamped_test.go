package diff_test

import (
	"fmt"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// referrals are a resource whose records have neither id nor stamps, as the referral sources of 2017.
const referrals = schemas.Resource("referral_sources")

func unstamped(opening, baseline, done bool, read int, rows ...string) schemas.Page {
	p := schemas.Page{Resource: referrals, Feed: schemas.Live, Opening: opening, Baseline: baseline, ReadAt: at(read)}
	p.Mark = schemas.Mark{Done: done}
	if opening {
		p.Began, p.Mark.Horizon, p.First = at(read), at(read), true
	}
	for i := 0; i < len(rows); i += 2 {
		raw := fmt.Sprintf(`{"notes":%q,"subcategory":null}`, rows[i+1])
		p.Records = append(p.Records, schemas.Record{ID: schemas.ID(rows[i]), Raw: []byte(raw)})
	}
	return p
}

// Records without stamps are silent until all of them were read, and what comes later is created, at the time at which it
// was seen. A lost store tells none of them again.
func TestRecordsWithoutStamps(t *testing.T) {
	b := newBench(t)
	b.accept(t, unstamped(true, false, false, 0))
	b.accept(t, unstamped(false, true, false, 1, "1", "a", "2", "b"))
	b.accept(t, unstamped(false, true, true, 2))
	b.accept(t, unstamped(false, false, false, 100, "1", "a", "2", "changed", "3", "new"))
	gone := unstamped(false, false, false, 200)
	gone.Gone = []schemas.ID{"1"}
	b.accept(t, gone)
	want := []string{"updated 2#1 notes", "created 3#1", "deleted 1#1"}
	b.wantTold(t, want...)
	for i, seen := range []int{100, 100, 200} {
		if got := b.stream.messages[i].event.Time; !got.Equal(at(seen)) {
			t.Errorf("event %d is of %s, want %s", i, got, at(seen))
		}
	}

	b.store.Flush()
	b.restart(t)
	b.accept(t, unstamped(false, true, true, 300, "2", "changed", "3", "new", "4", "it was there, and never told"))
	b.wantTold(t, want...)
	b.accept(t, unstamped(false, false, false, 400, "1", "back", "2", "c", "3", "new"))
	b.wantTold(t, append(want, "restored 1#2 notes", "updated 2#2 notes")...)
}
