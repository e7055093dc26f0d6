package diff_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// spoilt is the row 2 with a field that stands twice.
func spoilt(updated int) schemas.Record {
	rec := row("2", 1, updated, "B")
	rec.Raw = []byte(`{"id":"2","name":"B","name":"C"}`)
	return rec
}

// great is a row larger than the stream takes.
func great(id string, created, updated int) schemas.Record {
	return row(id, created, updated, strings.Repeat("x", 1<<20))
}

// aside is what is set aside of patients, newest first: "2 live: reason", or by its stamp where there is no id.
func (b *bench) aside() []string {
	var out []string
	for _, a := range b.differ.SetAside(patients).Newest {
		what := string(a.ID)
		if what == "" {
			what = a.Stamp
		}
		out = append(out, fmt.Sprintf("%s %s: %s", what, a.List, a.Reason))
	}
	return out
}

func (b *bench) wantAside(t *testing.T, want ...string) {
	t.Helper()
	if got := b.aside(); !slices.Equal(got, want) {
		t.Errorf("set aside:\n  got  %q\n  want %q", got, want)
	}
	if n := b.differ.SetAside(patients).Count; n != len(want) {
		t.Errorf("%d are set aside, want %d", n, len(want))
	}
}

const (
	twice    = "an object has two members of one name"
	tooLarge = "larger than the stream takes"
)

// What cannot be handled is listed, whichever stage found it out, and stops neither the others nor the mark. It leaves the
// list when it could be handled.
func TestWhatIsSetAsideIsListedUntilItCanBeHandled(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0))
	page := live(5, row("1", 5, 5, "A"), spoilt(5), great("3", 5, 5), row("6", 5, 5, "F"))
	page.Bad = []schemas.BadRow{{ID: "4", Reason: "no updated_at"}, {Stamp: at(5), Reason: "no id"}}
	out, err := b.give(t.Context(), page)
	if err != nil || out.SetAside != 4 {
		t.Errorf("got %d set aside, %v, want 4", out.SetAside, err)
	}
	b.wantTold(t, "created 1#1", "created 6#1")
	b.wantAside(t, "2027-03-27T10:00:05Z live: no id", "2 live: "+twice, "3 live: "+tooLarge, "4 live: no updated_at")
	if st, err := b.differ.Standing(t.Context(), patients); err != nil || !st.Marks[schemas.Live].Cursor.Equal(at(5)) {
		t.Errorf("the mark stands at %v, %v: it is held up", st.Marks[schemas.Live].Cursor, err)
	}

	b.accept(t, live(6, row("2", 1, 6, "B"), row("4", 1, 6, "D"), great("3", 5, 6)))
	b.wantAside(t, "2027-03-27T10:00:05Z live: no id", "3 live: "+tooLarge)
}

// A record whose event was too large is told once that has shrunk: as new, if it was never told and came after the first
// look; by what changed since it was told last; and not at all if that is nothing.
func TestARecordThatWasTooLargeIsToldWhenItShrinks(t *testing.T) {
	existing := func(rows ...schemas.Record) []schemas.Page {
		return []schemas.Page{opening(0), baseline(true, rows...)}
	}
	for name, c := range map[string]struct {
		snapshot bool
		before   []schemas.Page
		shrunk   schemas.Record
		want     []string
	}{
		"made too large, it is created": {
			before: append(existing(), live(5, great("1", 5, 5))), shrunk: row("1", 5, 6, "A"), want: []string{"created 1#1"},
		},
		"grown too large, it is updated": {
			before: append(existing(row("1", -9, -9, "A")), live(5, great("1", -9, 5))), shrunk: row("1", -9, 6, "B"), want: []string{"updated 1#1 name"},
		},
		"grown too large and as it was again, it is no news": {
			before: append(existing(row("1", -9, -9, "A")), live(5, great("1", -9, 5))), shrunk: row("1", -9, 6, "A"),
		},
		"too large for the snapshot of the baseline, it is updated, its fields not known": {
			snapshot: true, before: existing(great("1", -9, -9)), shrunk: row("1", -9, 6, "A"), want: []string{"updated 1#1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.snapshot = c.snapshot
			b.restart(t)
			b.accept(t, c.before...)
			b.wantTold(t)
			b.wantAside(t, "1 live: "+tooLarge)
			b.accept(t, live(6, c.shrunk), live(6, c.shrunk))
			b.wantTold(t, c.want...)
			b.wantAside(t)
		})
	}
}

// The silent baseline tells nothing of a record, so that no size is too large for it.
func TestARecordOfWhichNothingIsToldIsNeverTooLarge(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0), baseline(true, great("1", -9, -9)), live(5, great("1", -9, 5)))
	b.wantTold(t)
	b.wantAside(t)
}

// A deletion takes no record along: it is told however large that is.
func TestTheDeletionOfALargeRecordIsTold(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0, row("1", -9, -9, "A")), live(5, great("1", -9, 5)))
	gone := in("1", -9, 6, strings.Repeat("x", 1<<20), map[string]int{"deleted_at": 6})
	b.accept(t, feed("deleted", 6, gone))
	b.wantTold(t, "deleted 1#1")
	b.wantAside(t)
}

// An event is too large by the names of its fields, too, as a list of what changed and in a print. Such a record must not
// stand in the way of the others either.
func TestAnEventIsTooLargeByTheNamesOfItsFields(t *testing.T) {
	long := func(updated, fields int, value string) schemas.Record {
		rec := row("1", -9, updated, "A")
		raw := []byte(`{"id":"1"`)
		for i := range fields {
			raw = fmt.Appendf(raw, `,"%s%d":%q`, strings.Repeat("f", 1000), i, value)
		}
		raw = append(raw, '}')
		rec.Raw = raw
		return rec
	}
	for name, c := range map[string]struct {
		thin   bool
		fields int
		page   schemas.Page
	}{
		"a list of what changed": {page: live(5, long(5, 600, "b"), row("2", 5, 5, "B")), fields: 600},
		"a thin event's print":   {thin: true, page: live(5, long(5, 900, "b"), row("2", 5, 5, "B")), fields: 900},
		"a deletion's print":     {page: schemas.Page{Resource: patients, Feed: schemas.Live, Gone: []schemas.ID{"1"}, Records: []schemas.Record{row("2", 5, 5, "B")}, ReadAt: at(5)}, fields: 900},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.thin = c.thin
			b.restart(t)
			b.accept(t, opening(0, long(-9, c.fields, "a")), c.page)
			b.wantTold(t, "created 2#1")
			b.wantAside(t, "1 live: "+tooLarge)
		})
	}
}

// What has gone is not set aside any more; nor what another list has news of. What another list merely shows is.
func TestWhatIsSetAsideLeavesWithTheRecord(t *testing.T) {
	b := newBench(t)
	bad := func(list string, ids ...schemas.ID) schemas.Page {
		p := live(5)
		p.Feed = list
		for _, id := range ids {
			p.Bad = append(p.Bad, schemas.BadRow{ID: id, Reason: "no deleted_at"})
		}
		return p
	}
	b.accept(t, opening(0, row("1", -9, -9, "A"), row("2", -9, -9, "B")), baseline(true), first(feed("deleted", 0)),
		bad("deleted", "1", "2", "3"))
	b.wantAside(t, "1 deleted: no deleted_at", "2 deleted: no deleted_at", "3 deleted: no deleted_at")
	b.accept(t, live(5, row("1", -9, -9, "A"), row("2", -9, -9, "B")))
	b.wantAside(t, "1 deleted: no deleted_at", "2 deleted: no deleted_at", "3 deleted: no deleted_at")
	b.accept(t, live(6, row("1", -9, 6, "Anna")))
	b.wantAside(t, "2 deleted: no deleted_at", "3 deleted: no deleted_at")
	gone := live(7)
	gone.Gone = []schemas.ID{"2"}
	b.accept(t, gone)
	b.wantAside(t, "3 deleted: no deleted_at")
}

// What the store does not know is met by every sweep. If it is not met for a week it is gone, and not before.
func TestWhatIsNotMetForAWeekIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		page := live(5, spoilt(5), great("3", -9, 5))
		page.Bad = []schemas.BadRow{{Reason: "not an object"}}
		b.accept(t, opening(0, row("3", -9, -9, "C")), page)
		if err := b.store.Renew(t.Context(), b.differ.Lease, 365*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(6 * 24 * time.Hour)
			b.accept(t, page)
		}
		time.Sleep(7 * 24 * time.Hour)
		b.accept(t, live(6))
		b.wantAside(t, " live: not an object", "2 live: "+twice, "3 live: "+tooLarge)
		time.Sleep(time.Second)
		b.accept(t, live(7, spoilt(7)))
		b.wantAside(t, "2 live: "+twice, "3 live: "+tooLarge)
	})
}

// The list outlives the process. Each that is set aside is logged and counted once, and the gauge says how many there are
// now, as long as the account is ours.
func TestEachIsSetAsideOnce(t *testing.T) {
	b := newBench(t)
	core, logs := observer.New(zap.InfoLevel)
	registry := prometheus.NewRegistry()
	b.log, b.metrics = zap.New(core), diff.NewMetrics(registry)
	b.restart(t)
	page := live(5, spoilt(5), great("3", 5, 5))
	b.accept(t, opening(0), page, page)
	since := b.differ.SetAside(patients).Newest[0].Since
	b.restart(t)
	b.accept(t, page)
	b.wantAside(t, "2 live: "+twice, "3 live: "+tooLarge)
	if got := b.differ.SetAside(patients).Newest[0].Since; !got.Equal(since) {
		t.Errorf("set aside since %s, and %s after a restart", since, got)
	}
	if n := logs.FilterLevelExact(zap.ErrorLevel).Len(); n != 2 {
		t.Errorf("%d were logged, want 2", n)
	}
	wantMetric(t, registry, "cliniko_bridge_records_set_aside_total", 2)
	wantMetric(t, registry, "cliniko_bridge_records_set_aside", 2)
	b.accept(t, live(6, row("2", 1, 6, "B")))
	wantMetric(t, registry, "cliniko_bridge_records_set_aside", 1)
	b.differ.Close()
	wantMetric(t, registry, "cliniko_bridge_records_set_aside")
	kept, err := diff.ReadAsides(t.Context(), b.store, "northside")
	if err != nil || len(kept) != 1 || kept[patients].Count != 1 || kept[patients].Newest[0].ID != "3" {
		t.Errorf("the note says %+v, %v", kept, err)
	}
}

// wantMetric checks the values of a metric that stand in the registry.
func wantMetric(t *testing.T, registry *prometheus.Registry, name string, want ...float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []float64
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			got = append(got, m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s is %v, want %v", name, got, want)
	}
}

// However many cannot be handled, the list is bounded, and so is what is shown of it and what the store keeps.
func TestTheListOfWhatIsSetAsideIsBounded(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0))
	for n := range 12 {
		page := live(5 + n)
		for i := range 100 {
			page.Bad = append(page.Bad, schemas.BadRow{ID: schemas.ID(fmt.Sprint(1000*n + i)), Reason: "no updated_at"})
		}
		b.accept(t, page)
	}
	if got := b.differ.SetAside(patients); got.Count != 1000 || len(got.Newest) != 100 {
		t.Errorf("%d are listed and %d shown, want 1000 and 100", got.Count, len(got.Newest))
	}
	b.restart(t)
	b.accept(t, live(20))
	if got := b.differ.SetAside(patients); got.Count != 100 || len(got.Newest) != 100 {
		t.Errorf("after a restart %d are listed and %d shown, want 100 and 100", got.Count, len(got.Newest))
	}
}

// A note that is damaged, or a store that does not take one, stops nothing: the list begins anew, and is written later.
func TestWithoutItsNoteTheListBeginsAnew(t *testing.T) {
	b := newBench(t)
	if err := b.store.PutNote(t.Context(), "northside", "set_aside", []byte(`{"patients":`), 0); err != nil {
		t.Fatal(err)
	}
	b.accept(t, opening(0))
	b.wantAside(t)
	b.accept(t, live(5, spoilt(5)))
	b.wantAside(t, "2 live: "+twice)
	b.restart(t)
	b.accept(t, live(5))
	b.wantAside(t, "2 live: "+twice)
}

// A page that did not come through sets nothing aside yet: it comes again.
func TestAPageThatFailsSetsNothingAside(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0))
	b.store.OnCommit = func(diff.Commit) (bool, error) { return false, errFault }
	if _, err := b.give(t.Context(), live(5, spoilt(5))); !errors.Is(err, errFault) {
		t.Fatalf("got %v", err)
	}
	b.wantAside(t)
	b.store.OnCommit = nil
	b.accept(t, live(5, spoilt(5)))
	b.wantAside(t, "2 live: "+twice)
}
