package diff_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// lost is the page of a sweep that searched for records and did not find them.
func lost(cursor int, ids ...schemas.ID) schemas.Page {
	return schemas.Page{
		Resource: patients, Feed: schemas.Live, Swept: true, Gone: ids, Mark: schemas.Mark{Cursor: at(cursor)},
		ReadAt: at(100 * cursor).Add(678 * time.Millisecond), // a clock of ours that is well ahead
	}
}

// swept is the page of a sweep that met records.
func swept(cursor int, rows ...schemas.Record) schemas.Page {
	p := live(cursor, rows...)
	p.Swept = true
	return p
}

// What is told of a record that is gone, and of one that comes back: as it is met by this process, and by one whose
// store was lost in between.
func TestGoneAndBack(t *testing.T) {
	type s = map[string]int
	ann := in("1", -500, -400, "Ann", nil)
	known := opening(0, ann, in("2", -500, -300, "Bo", nil))
	archived := in("1", -500, 4, "Ann", s{"archived_at": 4})
	for name, c := range map[string]struct {
		pages []schemas.Page
		want  []string
	}{
		"gone is deleted, once": {
			[]schemas.Page{known, lost(5, "1"), lost(6, "1")}, []string{"deleted 1#1"},
		},
		"what nobody knew is not gone": {
			[]schemas.Page{known, lost(5, "9")}, nil,
		},
		"what was deleted is not gone": {
			[]schemas.Page{known, feed("deleted", 5, stub("1", 5)), lost(6, "1")}, []string{"deleted 1#1"},
		},
		"its sequence goes on": {
			[]schemas.Page{known, live(4, in("1", -500, 4, "Anna", nil)), lost(5, "1")}, []string{"updated 1#1 name", "deleted 1#2"},
		},
		"a record that stands in the page twice is gone once": {
			[]schemas.Page{known, lost(5, "1", "1")}, []string{"deleted 1#1"},
		},
		"beside others that were met": {
			[]schemas.Page{known, func() schemas.Page {
				p := lost(5, "1", "9")
				p.Records = []schemas.Record{in("2", -500, 5, "Bea", nil), in("3", 5, 5, "Cy", nil)}
				return p
			}()}, []string{"updated 2#1 name", "created 3#1", "deleted 1#1"},
		},
		"in the deleted list, too, later": {
			[]schemas.Page{known, lost(5, "1"), feed("deleted", 6, stub("1", 4)), feed("deleted", 7, stub("1", 7))}, []string{"deleted 1#1"},
		},
		"back, untouched": {
			[]schemas.Page{known, lost(5, "1"), swept(6, ann), live(6, ann)}, []string{"deleted 1#1", "restored 1#2 "},
		},
		"back, with another name": {
			[]schemas.Page{known, lost(5, "1"), live(6, in("1", -500, 6, "Anna", nil))}, []string{"deleted 1#1", "restored 1#2 name"},
		},
		"back, with another name and its old stamp": {
			[]schemas.Page{known, lost(5, "1"), live(6, in("1", -500, -400, "Anna", nil))}, []string{"deleted 1#1", "restored 1#2 name"},
		},
		"an older copy of it is not it": {
			[]schemas.Page{known, lost(5, "1"), live(6, in("1", -500, -450, "A", nil))}, []string{"deleted 1#1"},
		},
		"back, and archived": {
			[]schemas.Page{known, lost(5, "1"), feed("archived", 6, in("1", -500, 6, "Ann", s{"archived_at": 6}))},
			[]string{"deleted 1#1", "restored 1#2 archived_at", "archived 1#3 archived_at"},
		},
		"back, and archived as the list alone tells": {
			[]schemas.Page{known, lost(5, "1"), feed("archived", 6, ann)}, []string{"deleted 1#1", "restored 1#2 ", "archived 1#3 archived_at"},
		},
		"back, and archived as before": {
			[]schemas.Page{known, feed("archived", 4, archived), lost(5, "1"), feed("archived", 6, archived)},
			[]string{"archived 1#1 archived_at", "deleted 1#2", "restored 1#3 "},
		},
		"back, and not archived any more": {
			[]schemas.Page{known, feed("archived", 4, archived), lost(5, "1"), live(6, in("1", -500, 6, "Ann", nil))},
			[]string{"archived 1#1 archived_at", "deleted 1#2", "restored 1#3 archived_at"},
		},
		"back, and gone again": {
			[]schemas.Page{known, lost(5, "1"), swept(6, ann), lost(7, "1"), swept(8, ann)},
			[]string{"deleted 1#1", "restored 1#2 ", "deleted 1#3", "restored 1#4 "},
		},
		"back, and edited": {
			[]schemas.Page{known, lost(5, "1"), swept(6, ann), live(7, in("1", -500, 7, "Anna", nil))},
			[]string{"deleted 1#1", "restored 1#2 ", "updated 1#3 name"},
		},
		"back, and deleted": {
			[]schemas.Page{known, lost(5, "1"), swept(6, ann), feed("deleted", 7, stub("1", 7))},
			[]string{"deleted 1#1", "restored 1#2 ", "deleted 1#3"},
		},
	} {
		for _, thin := range []bool{false, true} {
			for flushed := range len(c.pages) + 1 { // before which page the store is lost; 0: never
				t.Run(fmt.Sprintf("%s/thin=%v/flushed=%d", name, thin, flushed), func(t *testing.T) {
					b := newBench(t)
					b.thin = thin
					b.restart(t)
					for i, p := range c.pages {
						if i > 0 && i == flushed {
							if len(b.stream.messages) == 0 {
								t.Skip("no event, no memory")
							}
							b.store.Flush()
							b.restart(t)
						}
						b.accept(t, p)
					}
					b.wantTold(t, c.want...)
					ids := map[string]bool{}
					for _, m := range b.stream.messages {
						if ids[m.event.ID] {
							t.Errorf("the id %s stands twice", m.event.ID)
						}
						ids[m.event.ID] = true
					}
				})
			}
		}
	}
}

func TestADeletionOfWhatIsGoneIsTimedByTheLook(t *testing.T) {
	for _, thin := range []bool{false, true} {
		b := newBench(t)
		b.thin = thin
		b.restart(t)
		b.accept(t, opening(0, row("1", -500, -400, "Ann")), lost(5, "1"))
		e := b.stream.messages[0].event
		e, err := schemas.ParseEvent(e.AppendJSON(nil))
		if err != nil || e.Record != nil || e.Changed != nil || !e.Time.Equal(at(500)) || e.Verb != schemas.Deleted {
			t.Errorf("got %+v, %v", e, err)
		}
	}
}

// When a record was found to be gone is told by our clock. The cursors of a store that is made again from the stream are
// the API's clock all the same, so that nothing is passed over.
func TestAStoreMadeFromTheStreamTakesNoCursorFromOurClock(t *testing.T) {
	for name, c := range map[string]struct {
		before []schemas.Page
		cursor time.Time
	}{
		"behind other events": {[]schemas.Page{live(5, row("2", 5, 5, "Bo")), lost(5, "1")}, at(5)},
		"before other events": {[]schemas.Page{lost(5, "1"), live(6, row("2", 6, 6, "Bo"))}, at(6)},
		"and nothing else":    {[]schemas.Page{lost(5, "1")}, at(0)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.stream.losesCheckpoints = true
			b.accept(t, opening(0, row("1", -500, -400, "Ann"), row("3", -500, -300, "Cy")), baseline(true))
			b.accept(t, c.before...)
			b.store.Flush()
			b.restart(t)
			st, err := b.differ.Standing(t.Context(), patients)
			if err != nil {
				t.Fatal(err)
			}
			if m := st.Marks[schemas.Live]; !m.Cursor.Equal(c.cursor) || !m.Horizon.Equal(c.cursor) || !st.Began.Equal(at(0)) {
				t.Errorf("began %s, mark %+v; want the cursor at %s", st.Began, m, c.cursor)
			}
			told := len(b.told())
			b.accept(t, live(9, row("3", -500, 9, "Cyd"))) // at our clock this was long ago
			if got := b.told()[told:]; !slices.Equal(got, []string{"updated 3#2"}) {
				t.Errorf("told %q", got)
			}
		})
	}
}

// An event of a record that was stamped before the first look, and not listed then, is no cursor either.
func TestAStoreMadeFromTheStreamBeginsAtTheFirstLook(t *testing.T) {
	b := newBench(t)
	old := row("3", -500, -300, "Cy")
	b.accept(t, opening(0, row("1", -500, 0, "Ann"), old), baseline(true), live(5, row("2", -500, -400, "Hid")))
	b.store.Flush()
	b.restart(t)
	b.accept(t, baseline(true, row("2", -500, -400, "Hid"), old))
	b.wantTold(t, "updated 2#1")
}

// Where the stream has dropped all but what our clock told, and no checkpoint is kept, there is no other clock left to begin by.
func TestAStoreMadeFromADeletionAloneBeginsAtIt(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0, row("1", -500, -400, "Ann")), baseline(true), live(3, row("2", 3, 3, "Bo")), lost(5, "1"))
	b.stream.drop(1)
	b.stream.checkpoints = nil
	b.store.Flush()
	b.restart(t)
	st, err := b.differ.Standing(t.Context(), patients)
	if m := st.Marks[schemas.Live]; err != nil || !m.Cursor.Equal(at(500)) || !m.Horizon.Equal(at(500)) || !st.Began.Equal(at(500)) {
		t.Errorf("began %s, mark %+v, %v", st.Began, m, err)
	}
	b.accept(t, baseline(true, row("2", 3, 3, "Bo")))
	b.wantTold(t, "deleted 1#1")
}

// A fault at any step of a page of records that are gone, whatever follows it: each is told once.
func TestEveryFaultOfAPageOfWhatIsGone(t *testing.T) {
	for _, thin := range []bool{false, true} {
		for fault, inject := range faults {
			for ending, end := range endings {
				t.Run(fmt.Sprintf("%s/%s/thin=%v", fault, ending, thin), func(t *testing.T) {
					b := newBench(t)
					b.thin = thin
					b.restart(t)
					rows := []schemas.Record{row("1", -9, -9, "A"), row("2", -9, -8, "B"), row("3", -9, -7, "C")}
					b.accept(t, opening(0, rows...), baseline(true))
					for i := range rows { // so that a lost store knows them
						rows[i] = row(string(rows[i].ID), -9, i+1, "new")
					}
					b.accept(t, live(3, rows...))
					before := b.store.Snapshot()
					page := lost(3, "1", "2", "3")
					if _, err := b.differ.Standing(t.Context(), patients); err != nil {
						t.Fatal(err)
					}
					inject(b)
					if _, err := b.differ.Accept(t.Context(), page); !errors.Is(err, errFault) {
						t.Fatalf("got %v, want the fault", err)
					}
					end(t, b, before)
					b.accept(t, page, page, live(9, row("2", -9, 3, "new"), row("1", -9, 9, "back")))
					b.wantTold(t, "updated 1#1 name", "updated 2#1 name", "updated 3#1 name",
						"deleted 1#2", "deleted 2#2", "deleted 3#2", "restored 2#3 ", "restored 1#3 name")
				})
			}
		}
	}
}

// A record that was told in two events, of which the stream took the first: the second is told, whatever came between.
func TestEveryFaultBetweenTheTwoEventsOfARecord(t *testing.T) {
	type s = map[string]int
	both := s{"cancelled_at": 4, "archived_at": 5}
	for name, c := range map[string]struct {
		before []schemas.Page
		page   schemas.Page
		want   []string // verbs
	}{
		"created, archived": {
			nil, feed("archived", 5, in("1", 3, 5, "Ann", s{"archived_at": 5})), []string{"created", "archived"},
		},
		"cancelled, archived": {
			[]schemas.Page{live(3, in("1", 3, 3, "Ann", nil))}, feed("archived", 5, in("1", 3, 5, "Ann", both)), []string{"created", "cancelled", "archived"},
		},
		"cancelled, deleted": {
			[]schemas.Page{live(3, in("1", 3, 3, "Ann", nil))},
			feed("deleted", 5, in("1", 3, 5, "Ann", s{"cancelled_at": 4, "deleted_at": 5})),
			[]string{"created", "cancelled", "deleted"},
		},
		"restored, cancelled, archived": {
			[]schemas.Page{live(3, in("1", 3, 3, "Ann", nil)), lost(4, "1")},
			feed("archived", 5, in("1", 3, 5, "Ann", both)),
			[]string{"created", "deleted", "restored", "cancelled", "archived"},
		},
	} {
		for stored := range 3 {
			for _, thin := range []bool{false, true} {
				for ending, end := range endings {
					t.Run(fmt.Sprintf("%s/%d stored/%s/thin=%v", name, stored, ending, thin), func(t *testing.T) {
						b := newBench(t)
						b.thin = thin
						b.restart(t)
						b.accept(t, opening(0), baseline(true), live(2, in("0", 2, 2, "Zoe", nil)))
						b.accept(t, c.before...)
						before := b.store.Snapshot()
						if _, err := b.differ.Standing(t.Context(), patients); err != nil {
							t.Fatal(err)
						}
						b.publishes(min(stored, len(c.want)-len(c.before)))
						if _, err := b.differ.Accept(t.Context(), c.page); !errors.Is(err, errFault) {
							t.Fatalf("got %v, want the fault", err)
						}
						end(t, b, before)
						b.accept(t, c.page, c.page)
						var verbs []string
						for _, m := range b.stream.messages[1:] {
							verbs = append(verbs, string(m.event.Verb))
						}
						if !slices.Equal(verbs, c.want) {
							t.Errorf("told %q, want %q", verbs, c.want)
						}
					})
				}
			}
		}
	}
}
