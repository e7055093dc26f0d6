package diff_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const patients = schemas.Resource("patients")

// bench is one account on a store and a stream that can fail.
type bench struct {
	every  time.Duration // between two checkpoints; 0: none is left out
	store  *difftest.Memory
	stream *stream
	differ *diff.Differ

	// What the next process is made of, and that outlives it.
	thin     bool
	snapshot bool
	secret   string // one letter of the fingerprint key; "" is "k"
	edition  schemas.Edition
	specs    func(schemas.Resource) schemas.Spec // nil: testSpec, of edition
	log      *zap.Logger                         // nil: none
	metrics  *diff.Metrics                       // nil: of its own
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	b := &bench{store: difftest.NewMemory(), stream: &stream{}}
	b.restart(tb)
	return b
}

// restart is a new process: it knows nothing but what store and stream hold.
func (b *bench) restart(t interface{ Fatalf(string, ...any) }) {
	lease, err := b.store.Acquire(context.Background(), "northside", "test", time.Hour)
	if _, held := errors.AsType[*diff.HeldError](err); held {
		if err = b.store.Release(context.Background(), diff.Lease{Account: "northside", Token: b.differ.Lease.Token}); err == nil {
			lease, err = b.store.Acquire(context.Background(), "northside", "test", time.Hour)
		}
	}
	if err != nil {
		t.Fatalf("acquire: %v", err)
	}
	key, _ := diff.NewKey(strings.Repeat(cmp.Or(b.secret, "k"), 32))
	c := diff.Config{
		Account: "northside", Lease: lease, Store: b.store, Publisher: b.stream, Key: key, Thin: b.thin, Snapshot: b.snapshot,
		CheckpointEvery: cmp.Or(b.every, 1),
		Spec:            b.specs, Log: cmp.Or(b.log, zap.NewNop()), Metrics: b.metrics,
	}
	if c.Spec == nil {
		c.Spec = func(name schemas.Resource) schemas.Spec {
			spec := testSpec(name)
			spec.Edition = b.edition
			return spec
		}
	}
	if c.Metrics == nil {
		c.Metrics = diff.NewMetrics(prometheus.NewRegistry())
	}
	b.differ = diff.New(c)
}

// second n of the clinic's day.
func at(n int) time.Time {
	return time.Date(2027, 3, 27, 10, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
}

func row(id string, created, updated int, name string) schemas.Record {
	raw := fmt.Sprintf(`{"id": %q, "created_at":%q,"updated_at":%q,"name":%q,"city":"Geelong"}`,
		id, schemas.FormatStamp(at(created)), schemas.FormatStamp(at(updated)), name)
	return schemas.Record{ID: schemas.ID(id), CreatedAt: at(created), UpdatedAt: at(updated), Stamp: at(updated), Raw: []byte(raw)}
}

// testSpec is a resource with a list for each hidden state, as patients and appointments have them.
func testSpec(name schemas.Resource) schemas.Spec {
	if name == free {
		return schemas.Spec{Resource: name, Shape: schemas.Slots, Fields: []string{"available_times"}, Feeds: []schemas.Feed{{Name: schemas.Live}}}
	}
	if name == referrals {
		return schemas.Spec{
			Resource: name, Shape: schemas.PerParent, Fields: []string{"notes", "subcategory"}, Feeds: []schemas.Feed{{Name: schemas.Live}},
		}
	}
	return schemas.Spec{
		Resource: name, Shape: schemas.Collection,
		Fields: []string{"id", "created_at", "updated_at", "name", "city", "archived_at", "cancelled_at", "deleted_at"},
		States: map[schemas.State]string{
			schemas.ArchivedState: "archived_at", schemas.CancelledState: "cancelled_at", schemas.DeletedState: "deleted_at",
		},
		Feeds: []schemas.Feed{
			{Name: schemas.Live, Stamp: "updated_at"},
			{Name: "archived", Stamp: "updated_at", Implies: schemas.ArchivedState},
			{Name: "deleted", Stamp: "deleted_at", Implies: schemas.DeletedState},
		},
	}
}

func opening(began int, rows ...schemas.Record) schemas.Page {
	return schemas.Page{
		Resource: patients, Opening: true, Began: at(began), Feed: schemas.Live, Records: rows,
		Mark: schemas.Mark{Cursor: at(began), Horizon: at(began)}, ReadAt: at(began), Date: at(began + 100),
	}
}

func live(cursor int, rows ...schemas.Record) schemas.Page {
	return schemas.Page{Resource: patients, Feed: schemas.Live, Records: rows, Mark: schemas.Mark{Cursor: at(cursor)}, ReadAt: at(cursor)}
}

func baseline(done bool, rows ...schemas.Record) schemas.Page {
	return schemas.Page{Resource: patients, Feed: schemas.Live, Baseline: true, Records: rows, Mark: schemas.Mark{Cursor: at(1), Done: done}}
}

func (b *bench) accept(t *testing.T, pages ...schemas.Page) {
	t.Helper()
	for _, p := range pages {
		if _, err := b.give(t.Context(), p); err != nil {
			t.Fatalf("accept: %v", err)
		}
	}
}

// give does as the poller does: it asks for the standing, and gives a page that was read after that.
func (b *bench) give(ctx context.Context, p schemas.Page) (schemas.Outcome, error) {
	if _, err := b.differ.Standing(ctx, p.Resource); err != nil {
		return schemas.Outcome{}, err
	}
	return b.differ.Accept(ctx, p)
}

// told are the events of the stream in short: "created 7#1", with the changed fields behind.
func (b *bench) told() []string {
	var out []string
	for _, m := range b.stream.messages {
		e := m.event
		if e.ID == "" {
			continue // foreign
		}
		s := fmt.Sprintf("%s %s#%d", e.Verb, e.RecordID, e.Sequence)
		if e.Changed != nil {
			s += " " + strings.Join(e.Changed, ",")
		}
		out = append(out, s)
	}
	return out
}

func (b *bench) wantTold(t *testing.T, want ...string) {
	t.Helper()
	if got := b.told(); !slices.Equal(got, want) {
		t.Errorf("told:\n  got  %q\n  want %q", got, want)
	}
}

func TestVerbs(t *testing.T) {
	old := row("1", -500, -400, "Ann")
	for name, c := range map[string]struct {
		pages []schemas.Page
		want  []string
	}{
		"the opening page is no news": {
			[]schemas.Page{opening(0, old)}, nil,
		},
		"a record created after the first look is created": {
			[]schemas.Page{opening(0, old), live(5, row("2", 5, 5, "Bo"))}, []string{"created 2#1"},
		},
		"one created in the very second of the first look, and not in it, is created": {
			[]schemas.Page{opening(0, row("1", 0, 0, "Ann")), live(0, row("1", 0, 0, "Ann"), row("2", 0, 0, "Bo"))}, []string{"created 2#1"},
		},
		"in an account that was empty, all is created": {
			[]schemas.Page{{Resource: patients, Opening: true, Feed: schemas.Live}, live(5, old)}, []string{"created 1#1"},
		},
		"a known record that differs is updated": {
			[]schemas.Page{opening(0, old), live(5, row("1", -500, 5, "Anna"))}, []string{"updated 1#1 name"},
		},
		"a move of updated_at alone is no event": {
			[]schemas.Page{opening(0, old), live(5, row("1", -500, 5, "Ann"))}, nil,
		},
		"a change without a move of updated_at is one": {
			[]schemas.Page{opening(0, old), live(0, row("1", -500, -400, "Anna"))}, []string{"updated 1#1 name"},
		},
		"A to B to A is three versions": {
			[]schemas.Page{opening(0, old), live(5, row("1", -500, 5, "B")), live(6, row("1", -500, 6, "Ann")), live(7, row("1", -500, 7, "B"))},
			[]string{"updated 1#1 name", "updated 1#2 name", "updated 1#3 name"},
		},
		"the same page again tells nothing": {
			[]schemas.Page{opening(0), live(5, row("2", 5, 5, "Bo")), live(5, row("2", 5, 5, "Bo"))}, []string{"created 2#1"},
		},
		"an older copy of a record tells nothing": {
			[]schemas.Page{opening(0, old), live(6, row("1", -500, 6, "B")), live(6, row("1", -500, 5, "A"))}, []string{"updated 1#1 name"},
		},
		"a record twice in a page counts once, in its newest version": {
			[]schemas.Page{opening(0, old), live(6, row("1", -500, 6, "B"), row("1", -500, 5, "A"), row("2", 6, 6, "x"), row("2", 6, 6, "y"))},
			[]string{"updated 1#1 name", "created 2#1"},
		},
		"the baseline is silent": {
			[]schemas.Page{opening(0), baseline(false, old), baseline(true, row("3", -9, -9, "C")), live(5, row("3", -9, 5, "D"))},
			[]string{"updated 3#1 name"},
		},
		"a record that changes before the baseline meets it is updated, its fields not known": {
			[]schemas.Page{opening(0), live(5, row("1", -500, 5, "Ann")), baseline(true)}, []string{"updated 1#1"},
		},
		"an older record that shows in the look-back before the baseline meets it is no news": {
			[]schemas.Page{opening(0), live(5, row("1", -500, -60, "Ann")), baseline(true, row("1", -500, -60, "Ann"))}, nil,
		},
		"an older record that was not listed until after the baseline is updated, never created": {
			[]schemas.Page{opening(0), baseline(true), live(5, row("1", -500, -400, "Ann"))}, []string{"updated 1#1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.accept(t, c.pages...)
			b.wantTold(t, c.want...)
		})
	}
}

func TestEventIDsNameTheChange(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0, row("1", -9, -9, "A")), live(5, row("1", -9, 5, "B")), live(6, row("1", -9, 6, "A")), live(7, row("1", -9, 7, "B")))
	seen := map[string]bool{}
	for _, m := range b.stream.messages {
		if seen[m.event.ID] {
			t.Errorf("the id %s stands twice", m.event.ID)
		}
		seen[m.event.ID] = true
	}
	again := newBench(t)
	again.accept(t, opening(0, row("1", -9, -9, "A")), live(5, row("1", -9, 5, "B")))
	if got, want := again.stream.messages[0].event.ID, b.stream.messages[0].event.ID; got != want {
		t.Errorf("the same change has two ids, %s and %s", got, want)
	}
}

func TestLatenessIsMeasured(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0), live(100, row("1", 100, 100, "A")))
	out, err := b.give(t.Context(), live(100, row("2", 10, 10, "B"), row("3", 60, 60, "C"), row("1", 100, 100, "A")))
	if err != nil || out.Late != 90*time.Second {
		t.Errorf("got %v late, %v, want 1m30s", out.Late, err)
	}
	// A value that changes under its stamp is no late row.
	out, err = b.give(t.Context(), live(100, row("2", 10, 10, "Z")))
	if err != nil || out.Late != 0 {
		t.Errorf("got %v late, %v, want 0", out.Late, err)
	}
}

func TestABadRecordIsSetAsideAndTheOthersGoOn(t *testing.T) {
	b := newBench(t)
	broken := row("2", 5, 5, "B")
	broken.Raw = []byte(`{"id":2,"name":"B","name":"C"}`)
	huge := row("3", 5, 5, strings.Repeat("x", 2<<20))
	b.accept(t, opening(0))
	out, err := b.give(t.Context(), live(5, row("1", 5, 5, "A"), broken, huge, row("4", 5, 5, "D")))
	if err != nil || out.SetAside != 2 {
		t.Errorf("got %d set aside, %v, want 2", out.SetAside, err)
	}
	b.wantTold(t, "created 1#1", "created 4#1")
}

func TestAPageThatDoesNotFitTheStandingIsRefused(t *testing.T) {
	b := newBench(t)
	if _, err := b.give(t.Context(), live(5, row("1", 5, 5, "A"))); !errors.Is(err, diff.ErrStanding) {
		t.Errorf("a live page for a resource that is not open: got %v", err)
	}
	b.accept(t, opening(0))
	if _, err := b.give(t.Context(), opening(7, row("1", 5, 5, "A"))); !errors.Is(err, diff.ErrStanding) {
		t.Errorf("an opening page for one that is open: got %v", err)
	}
	b.wantTold(t)
}

// A process that was suspended with a page in its hands, and wakes when another has the account and has told of a newer
// version of the same second, tells nothing of the old one.
func TestAStalePageOfAnOwnerThatLostTheAccountIsRefused(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0, row("1", -9, -9, "A")), baseline(true))
	zombie := b.differ
	b.restart(t)
	b.accept(t, live(5, row("1", -9, 5, "C")))
	if _, err := zombie.Accept(t.Context(), live(5, row("1", -9, 5, "B"))); !errors.Is(err, diff.ErrStanding) {
		t.Errorf("got %v, want the page refused", err)
	}
	b.wantTold(t, "updated 1#1 name")

	// The same if the other had not come to commit.
	b.store.OnCommit = func(diff.Commit) (bool, error) { return false, errFault }
	if _, err := zombie.Standing(t.Context(), patients); err != nil {
		t.Fatal(err)
	}
	if _, err := b.give(t.Context(), live(6, row("1", -9, 6, "E"))); !errors.Is(err, errFault) {
		t.Fatalf("got %v", err)
	}
	if _, err := zombie.Accept(t.Context(), live(6, row("1", -9, 6, "D"))); !errors.Is(err, diff.ErrStanding) {
		t.Errorf("got %v, want the page refused", err)
	}
	b.wantTold(t, "updated 1#1 name", "updated 1#2 name")
}

// What a process had handed to its socket before it was suspended comes into the stream behind what the next owner has told
// of the same record since. Its sequence is not above that one's, by which a subscriber passes it over; the bridge does, too,
// and so it does once the store is lost.
func TestALateEventOfAnOwnerThatLostTheAccountIsPassedOver(t *testing.T) {
	zombie := newBench(t)
	zombie.accept(t, opening(0, row("1", -9, -9, "A")), baseline(true, row("1", -9, -9, "A")), live(5, row("1", -9, 5, "B")))
	for name, then := range map[string]func(b *bench){
		"the store is there": func(*bench) {},
		"the store is lost":  func(b *bench) { b.store.Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.accept(t, opening(0, row("1", -9, -9, "A")), baseline(true, row("1", -9, -9, "A")), live(6, row("1", -9, 6, "C")))
			b.stream.late(zombie.stream.messages[0].event)
			then(b)
			b.restart(t)
			b.accept(t, live(6, row("1", -9, 6, "C")), live(7, row("1", -9, 7, "D")))
			b.wantTold(t, "updated 1#1 name", "updated 1#1 name", "updated 1#2 name")
		})
	}
}

func TestAnOwnerThatLostTheAccountCommitsNothing(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0))
	zombie := b.differ
	b.restart(t)
	if _, err := zombie.Accept(t.Context(), live(6, row("2", 6, 6, "B"))); !errors.Is(err, diff.ErrLeaseLost) {
		t.Errorf("got %v, want the lease to be lost", err)
	}
	b.accept(t, live(6, row("2", 6, 6, "B")))
	b.wantTold(t, "created 2#1")
}
