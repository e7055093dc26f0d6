package diff_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// rows are n records, the i-th stamped i seconds after the clinic's day began.
func rows(n int) []schemas.Record {
	out := make([]schemas.Record, n)
	for i := range out {
		out[i] = row(strconv.Itoa(i+1), -500, i+1, "A")
	}
	return out
}

// readBaseline reads as the poller does what all shows up to the horizon, from where it stopped, to its end or to a fault.
func (b *bench) readBaseline(t *testing.T, all []schemas.Record, size int) error {
	t.Helper()
	st, err := b.differ.Standing(t.Context(), patients)
	if err != nil || st.Marks[schemas.Baseline].Done {
		return err
	}
	from, horizon := st.Marks[schemas.Baseline].Cursor, st.Marks[schemas.Live].Horizon
	due := slices.DeleteFunc(slices.Clone(all), func(r schemas.Record) bool { return r.Stamp.Before(from) || r.Stamp.After(horizon) })
	for page := range slices.Chunk(due, size) {
		from = page[len(page)-1].Stamp
		if _, err := b.give(t.Context(), schemas.Page{
			Resource: patients, Feed: schemas.Live, Baseline: true, Records: page, Mark: schemas.Mark{Cursor: from},
		}); err != nil {
			return err
		}
	}
	_, err = b.give(t.Context(), schemas.Page{
		Resource: patients, Feed: schemas.Live, Baseline: true, Mark: schemas.Mark{Cursor: from, Done: true},
	})
	return err
}

func (b *bench) renew(t *testing.T) {
	t.Helper()
	if err := b.differ.Renew(t.Context(), patients); err != nil {
		t.Fatalf("renew: %v", err)
	}
}

func (b *bench) wantBaseline(t *testing.T, done bool, horizon int) {
	t.Helper()
	st, err := b.differ.Standing(t.Context(), patients)
	if m := st.Marks[schemas.Live]; err != nil || st.Marks[schemas.Baseline].Done != done || !m.Horizon.Equal(at(horizon)) {
		t.Errorf("baseline done: %v, up to %s, %v; want %v, %s", st.Marks[schemas.Baseline].Done, m.Horizon, err, done, at(horizon))
	}
}

// snapshots counts the snapshot events of each record, behind the first skip events.
func (b *bench) snapshots(skip int) map[schemas.ID]int {
	out := map[schemas.ID]int{}
	for _, m := range b.stream.messages[skip:] {
		if m.event.Verb == schemas.Snapshot {
			out[m.event.RecordID]++
		}
	}
	return out
}

// Each renewal gives each record one more snapshot, wherever a page of it fails and whatever follows.
func TestARenewedBaselineTellsEachRecordOnce(t *testing.T) {
	all := rows(10)
	for _, thin := range []bool{false, true} {
		for fault, inject := range faults {
			for ending, end := range endings {
				if ending == "the store is lost" {
					continue // and with it, that a baseline was renewed
				}
				t.Run(fmt.Sprintf("%s/%s/thin=%v", fault, ending, thin), func(t *testing.T) {
					b := newBench(t)
					b.thin, b.snapshot = thin, true
					b.restart(t)
					b.accept(t, opening(10, all[8:]...))
					for round := 1; round <= 3; round++ {
						if err := b.readBaseline(t, all, 4); err != nil {
							t.Fatal(err)
						}
						b.wantBaseline(t, true, 10)
						if got := b.snapshots(0); len(got) != 10 || len(b.told()) != 10*round {
							t.Fatalf("round %d: told %q", round, b.told())
						}
						if round == 3 {
							break
						}
						b.renew(t)
						b.wantBaseline(t, false, 10)
						for step := range 3 { // a fault at each page of it
							before := b.store.Snapshot()
							if _, err := b.differ.Standing(t.Context(), patients); err != nil {
								t.Fatal(err)
							}
							b.accept(t, live(10, all[step:step+2]...)) // the look-back goes on
							inject(b)
							if fault == "look up fails" {
								b.store.OnLoad = nil
							}
							_ = b.readBaseline(t, all, 3)
							b.store.OnCommit, b.stream.onPublish = nil, nil
							end(t, b, before)
						}
					}
					for id, n := range b.snapshots(0) {
						if n != 3 {
							t.Errorf("record %s has %d snapshots, want 3", id, n)
						}
					}
				})
			}
		}
	}
}

// What is told of a record while a baseline is renewed, before it comes to the record and after. news is told by a live
// page; each record gets the snapshot unless something else was told of it.
func TestNewsWhileABaselineIsRenewed(t *testing.T) {
	type s = map[string]int
	plain := in("1", -500, -400, "Ann", nil)
	for name, c := range map[string]struct {
		news   schemas.Page
		before []string // if the baseline came to the record before the news
		after  []string // if the news came first
	}{
		"nothing": {
			live(9, plain), []string{"snapshot 1#2"}, []string{"snapshot 1#2"},
		},
		"touched": {
			live(9, in("1", -500, 9, "Ann", nil)), []string{"snapshot 1#2"}, []string{"snapshot 1#2"},
		},
		"edited": {
			live(9, in("1", -500, 9, "Anna", nil)), []string{"snapshot 1#2", "updated 1#3 name"}, []string{"updated 1#2 name"},
		},
		"archived": {
			feed("archived", 9, in("1", -500, 9, "Ann", s{"archived_at": 9})),
			[]string{"snapshot 1#2", "archived 1#3 archived_at"},
			[]string{"archived 1#2 archived_at"},
		},
		"gone": {
			lost(9, "1"), []string{"snapshot 1#2", "deleted 1#3"}, []string{"deleted 1#2"},
		},
	} {
		for _, order := range []string{"before", "after", "after its end"} {
			for _, killed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/killed=%v", name, order, killed), func(t *testing.T) {
					b := newBench(t)
					b.snapshot = true
					b.restart(t)
					b.accept(t, opening(0, plain), baseline(true), live(5))
					b.renew(t)
					if killed {
						b.restart(t)
					}
					b.wantBaseline(t, false, 5)
					want := c.after
					switch order {
					case "before":
						b.accept(t, baseline(false, plain), c.news, baseline(true))
						want = c.before
					case "after": // the baseline reads what is there by then and stamped up to where it was renewed
						still := slices.DeleteFunc(slices.Clone(c.news.Records), func(r schemas.Record) bool { return r.Stamp.After(at(5)) })
						b.accept(t, c.news, baseline(true, still...))
					default: // it had moved out of the baseline's way, and nobody had come to it yet
						b.accept(t, baseline(true), c.news)
					}
					if killed {
						b.restart(t)
					}
					again := c.news
					b.accept(t, again)
					b.wantTold(t, append([]string{"snapshot 1#1"}, want...)...)
				})
			}
		}
	}
}

func TestARenewedBaselineIsSilentUnlessSnapshotsAreAskedFor(t *testing.T) {
	b := newBench(t)
	all := rows(10)
	b.accept(t, opening(10, all[8:]...), baseline(true, all...))
	b.renew(t)
	b.wantBaseline(t, false, 10)
	b.accept(t, live(10, all...))
	if err := b.readBaseline(t, all, 3); err != nil {
		t.Fatal(err)
	}
	b.accept(t, live(10, all...))
	b.wantTold(t)
	b.accept(t, live(11, row("3", -500, 11, "B")))
	b.wantTold(t, "updated 3#1 name")
}

// There is nothing to renew before the first look: it is an ordinary one.
func TestAResourceThatIsNotOpenHasNothingToRenew(t *testing.T) {
	b := newBench(t)
	b.snapshot = true
	b.restart(t)
	b.renew(t)
	if st, err := b.differ.Standing(t.Context(), patients); err != nil || st.Opened {
		t.Errorf("got %+v, %v", st, err)
	}
	b.accept(t, opening(0, row("1", -9, 0, "A")))
	b.wantTold(t, "snapshot 1#1")
}

// A page that was read before the renewal may be the last of the old baseline: it must not end the new one.
func TestAPageReadBeforeTheRenewalIsRefused(t *testing.T) {
	b := newBench(t)
	b.snapshot = true
	b.restart(t)
	all := rows(10)
	b.accept(t, opening(10, all[8:]...), baseline(false, all...))
	b.renew(t)
	if _, err := b.differ.Accept(t.Context(), baseline(true)); !errors.Is(err, diff.ErrStanding) {
		t.Errorf("got %v, want the page refused", err)
	}
	if err := b.readBaseline(t, all, 3); err != nil {
		t.Fatal(err)
	}
	if got := b.told(); len(got) != 20 {
		t.Errorf("told %q", got)
	}
}

// A renewal that failed is asked for again, whether or not it was committed.
func TestARenewalThatFailedIsMadeAgain(t *testing.T) {
	for _, done := range []bool{false, true} {
		b := newBench(t)
		b.snapshot = true
		b.restart(t)
		all := rows(4)
		b.accept(t, opening(4, all...), baseline(true))
		b.commits(done)
		if err := b.differ.Renew(t.Context(), patients); !errors.Is(err, errFault) {
			t.Fatalf("got %v, want the fault", err)
		}
		b.renew(t)
		if err := b.readBaseline(t, all, 3); err != nil {
			t.Fatal(err)
		}
		for id, n := range b.snapshots(4) {
			if n != 1 {
				t.Errorf("record %s has %d snapshots more, want 1", id, n)
			}
		}
		if got := len(b.told()); got != 8 {
			t.Errorf("told %q", b.told())
		}
	}
}

// A store that was lost, or put back, forgets a renewal. The next one reaches every record all the same, and nothing that
// is read back from the stream is told again before it.
func TestARenewalAfterTheStoreForgotOneReachesEveryRecord(t *testing.T) {
	for _, thin := range []bool{false, true} {
		for _, back := range []bool{false, true} {
			t.Run(fmt.Sprintf("thin=%v/put back=%v", thin, back), func(t *testing.T) {
				b := newBench(t)
				b.thin, b.snapshot = thin, true
				b.restart(t)
				all := rows(6)
				b.accept(t, opening(7, append(all, row("7", -500, 7, "A"))...), baseline(true))
				before := b.store.Snapshot()
				b.renew(t)
				b.accept(t, baseline(false, append(all[:3:3], row("7", -500, 7, "A"))...), lost(7, "7"))
				b.store.Flush()
				if back {
					b.store.Restore(before)
				}
				b.restart(t)
				told := len(b.told())
				b.accept(t, live(7, all[3:]...))
				if got := b.told()[told:]; len(got) != 0 {
					t.Errorf("told again: %q", got)
				}
				b.renew(t)
				if err := b.readBaseline(t, all, 4); err != nil {
					t.Fatal(err)
				}
				if got := b.snapshots(told); len(got) != 6 || len(b.told()) != told+6 {
					t.Errorf("told %q, and then %q", b.told()[:told], b.told()[told:])
				}
			})
		}
	}
}
