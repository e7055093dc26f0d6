package diff_test

import (
	"fmt"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// in is a row with state fields: "archived_at", "cancelled_at", "deleted_at", each with its second; null if it has none.
func in(id string, created, updated int, name string, states map[string]int) schemas.Record {
	field := func(f string) string {
		if s, ok := states[f]; ok {
			return fmt.Sprintf("%q", schemas.FormatStamp(at(s)))
		}
		return "null"
	}
	raw := fmt.Sprintf(`{"id":%q,"created_at":%q,"updated_at":%q,"name":%q,"archived_at":%s,"cancelled_at":%s,"deleted_at":%s}`,
		id, schemas.FormatStamp(at(created)), schemas.FormatStamp(at(updated)), name,
		field("archived_at"), field("cancelled_at"), field("deleted_at"))
	return schemas.Record{ID: schemas.ID(id), CreatedAt: at(created), UpdatedAt: at(updated), Stamp: at(updated), Raw: []byte(raw)}
}

// stub is what a feed of deleted records shows of one that is gone.
func stub(id string, deleted int) schemas.Record {
	raw := fmt.Sprintf(`{"id":%q,"deleted_at":%q}`, id, schemas.FormatStamp(at(deleted)))
	return schemas.Record{ID: schemas.ID(id), Stamp: at(deleted), Raw: []byte(raw)}
}

// feed is a page of one of the further feeds.
func feed(name string, cursor int, rows ...schemas.Record) schemas.Page {
	implies := map[string]schemas.State{"archived": schemas.ArchivedState, "deleted": schemas.DeletedState}[name]
	return schemas.Page{
		Resource: patients, Feed: name, Records: rows, Implies: implies, ReadAt: at(cursor), Mark: schemas.Mark{Cursor: at(cursor), Horizon: at(0)},
	}
}

func first(p schemas.Page) schemas.Page {
	p.First = true
	return p
}

func TestStates(t *testing.T) {
	type s = map[string]int
	live0 := in("1", -500, -400, "Ann", nil)
	known := opening(0, live0)
	for name, c := range map[string]struct {
		pages []schemas.Page
		want  []string
	}{
		"archived": {
			[]schemas.Page{known, feed("archived", 5, in("1", -500, 5, "Ann", s{"archived_at": 5}))},
			[]string{"archived 1#1 archived_at"},
		},
		"archived without a move of updated_at": {
			[]schemas.Page{known, feed("archived", 5, in("1", -500, -400, "Ann", s{"archived_at": 5}))},
			[]string{"archived 1#1 archived_at"},
		},
		"archived, whatever else changed with it": {
			[]schemas.Page{known, feed("archived", 5, in("1", -500, 5, "Anna", s{"archived_at": 5}))},
			[]string{"archived 1#1 archived_at,name"},
		},
		"the list alone tells it, as with inactive practitioners": {
			[]schemas.Page{known, feed("archived", 5, in("1", -500, 5, "Ann", nil))},
			[]string{"archived 1#1 "},
		},
		"cancelled and back": {
			[]schemas.Page{known, live(5, in("1", -500, 5, "Ann", s{"cancelled_at": 5})), live(6, in("1", -500, 6, "Ann", nil))},
			[]string{"cancelled 1#1 cancelled_at", "restored 1#2 cancelled_at"},
		},
		"unarchived without a move of updated_at": {
			[]schemas.Page{known, feed("archived", 5, in("1", -500, -400, "Ann", s{"archived_at": 5})), live(5, live0)},
			[]string{"archived 1#1 archived_at", "restored 1#2 archived_at"},
		},
		"an edit while archived is an update": {
			[]schemas.Page{
				known, feed("archived", 5, in("1", -500, 5, "Ann", s{"archived_at": 5})),
				feed("archived", 6, in("1", -500, 6, "Anna", s{"archived_at": 5})),
			},
			[]string{"archived 1#1 archived_at", "updated 1#2 name"},
		},
		"cancelled and archived between two looks": {
			[]schemas.Page{known, live(5, in("1", -500, 5, "Ann", s{"cancelled_at": 4, "archived_at": 5}))},
			[]string{"cancelled 1#1 archived_at,cancelled_at", "archived 1#2 archived_at"},
		},
		"cancelled and deleted between two looks": {
			[]schemas.Page{known, feed("deleted", 5, in("1", -500, 5, "Ann", s{"cancelled_at": 4, "deleted_at": 5}))},
			[]string{"cancelled 1#1", "deleted 1#2"},
		},
		"deleted, as a stub": {
			[]schemas.Page{known, feed("deleted", 5, stub("1", 5)), feed("deleted", 5, stub("1", 5))},
			[]string{"deleted 1#1"},
		},
		"in the live list and among the deleted at once": {
			[]schemas.Page{known, feed("deleted", 5, stub("1", 5)), live(5, live0), feed("deleted", 5, stub("1", 5)), live(5, live0)},
			[]string{"deleted 1#1"},
		},
		"brought back from the deleted": {
			[]schemas.Page{known, feed("deleted", 5, stub("1", 5)), live(9, in("1", -500, 9, "Ann", nil)), live(10, in("1", -500, 10, "B", nil))},
			[]string{"deleted 1#1", "restored 1#2", "updated 1#3 name"},
		},
		"brought back from the deleted, and archived": {
			[]schemas.Page{known, feed("deleted", 5, stub("1", 5)), feed("archived", 9, in("1", -500, 9, "Ann", s{"archived_at": 9}))},
			[]string{"deleted 1#1", "restored 1#2", "archived 1#3 archived_at"},
		},
		"an older look at the deleted does not delete what came back": {
			[]schemas.Page{known, feed("deleted", 5, stub("1", 5)), live(9, in("1", -500, 9, "Ann", nil)), feed("deleted", 9, stub("1", 5))},
			[]string{"deleted 1#1", "restored 1#2"},
		},
		"first seen when it was archived already": {
			[]schemas.Page{known, feed("archived", 5, in("2", 3, 5, "Bo", s{"archived_at": 5}))},
			[]string{"created 2#1", "archived 2#2 archived_at"},
		},
		"first seen when it was gone already": {
			[]schemas.Page{known, feed("deleted", 5, in("2", 3, 5, "Bo", s{"deleted_at": 5}))},
			[]string{"created 2#1", "deleted 2#2"},
		},
		"a stub of a record that nobody knew is told as gone": {
			[]schemas.Page{known, feed("deleted", 5, stub("9", 5))},
			[]string{"deleted 9#1"},
		},
		"what was hidden at the first look is no news": {
			[]schemas.Page{
				known, first(feed("archived", 0, in("7", -900, -300, "Old", s{"archived_at": -300}))),
				first(feed("deleted", 0, stub("8", -200))), live(5, in("7", -900, 5, "Old", nil)),
			},
			[]string{"restored 7#1 archived_at"},
		},
		"what was hidden long ago and shows later is no deletion of now": {
			[]schemas.Page{known, first(feed("deleted", 0)), feed("deleted", 5, stub("8", -200))},
			nil,
		},
		"an older record met later, archived since": {
			[]schemas.Page{known, baseline(true), live(5, in("7", -900, 5, "Old", s{"archived_at": 5}))},
			[]string{"archived 7#1"},
		},
		"an older record met later, archived long ago": {
			[]schemas.Page{known, baseline(true), live(5, in("7", -900, 5, "Old", s{"archived_at": -300}))},
			[]string{"updated 7#1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.accept(t, c.pages...)
			b.wantTold(t, c.want...)

			// A lost store learns the same from the stream: the last page again tells nothing.
			if len(c.want) > 0 {
				b.store.Flush()
				b.restart(t)
				last := c.pages[len(c.pages)-1]
				last.First = false
				b.accept(t, last)
				b.wantTold(t, c.want...)
			}
		})
	}
}

func TestADeletionHoldsNoRecordAndItsTimeIsWhenItWasDeleted(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0, row("1", -500, -400, "Ann")), feed("deleted", 9, stub("1", 7)))
	e := b.stream.messages[0].event
	if e.Record != nil || e.Changed != nil || !e.Time.Equal(at(7)) {
		t.Errorf("got %+v", e)
	}
}
