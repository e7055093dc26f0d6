package diff_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

var errFault = errors.New("a fault of the test")

// faults are all the ways in which one step of the order of commitment can fail: not done, done in part, done and the
// reply lost. Each hits the page once.
var faults = map[string]func(b *bench){
	"look up fails": func(b *bench) {
		b.store.OnLoad = once(b, func() error { return errFault })
	},
	"publish: nothing stored":                 func(b *bench) { b.publishes(0) },
	"publish: the first stored, its ack lost": func(b *bench) { b.publishes(1) },
	"publish: half of the page stored":        func(b *bench) { b.publishes(2) },
	"publish: one in the middle not stored":   func(b *bench) { b.publishes(-1); b.stream.hole = 2 },
	"publish: all stored, the acks lost":      func(b *bench) { b.publishes(-1) },
	"commit: not done":                        func(b *bench) { b.commits(false) },
	"commit: done, the reply lost":            func(b *bench) { b.commits(true) },
}

func once(b *bench, f func() error) func(string, schemas.Resource, []schemas.ID) error {
	return func(string, schemas.Resource, []schemas.ID) error {
		b.store.OnLoad = nil
		return f()
	}
}

func (b *bench) publishes(n int) {
	b.stream.onPublish = func(all int) (int, error) {
		b.stream.onPublish = nil
		if n < 0 {
			n = all
		}
		return min(n, all), errFault
	}
}

func (b *bench) commits(apply bool) {
	b.store.OnCommit = func(diff.Commit) (bool, error) {
		b.store.OnCommit = nil
		return apply, errFault
	}
}

// endings are what comes after the fault: the same process goes on, another takes over, the store is put back to
// before the page, or it is lost.
var endings = map[string]func(t *testing.T, b *bench, before difftest.Image){
	"the process goes on": func(*testing.T, *bench, difftest.Image) {},
	"the process is killed": func(t *testing.T, b *bench, _ difftest.Image) {
		t.Helper()
		b.restart(t)
	},
	"the store is put back, the process goes on": func(_ *testing.T, b *bench, before difftest.Image) {
		b.store.Restore(before)
	},
	"the store is put back, the process is killed": func(t *testing.T, b *bench, before difftest.Image) {
		t.Helper()
		b.store.Restore(before)
		b.restart(t)
	},
	"the store is lost": func(t *testing.T, b *bench, _ difftest.Image) {
		t.Helper()
		b.store.Flush()
		b.restart(t)
	},
}

// seconds are what befalls the reading back after the fault.
var seconds = map[string]func(b *bench){
	"reading back comes through": func(*bench) {},
	"reading back: look up fails": func(b *bench) {
		b.store.OnLoad = once(b, func() error { return errFault })
	},
	"reading back: the stream stops in the middle": func(b *bench) {
		read := 0
		b.stream.onRead = func() error {
			if read++; read < 2 {
				return nil
			}
			b.stream.onRead = nil
			return errFault
		}
	},
	"reading back: its commit is not done":          func(b *bench) { b.commits(false) },
	"reading back: its commit done, the reply lost": func(b *bench) { b.commits(true) },
}

// standing asks until there is an answer, as the poller does, and takes away what befell the reading back.
func (b *bench) standing(t *testing.T) schemas.Standing {
	t.Helper()
	st, err := b.differ.Standing(t.Context(), patients)
	if errors.Is(err, errFault) {
		st, err = b.differ.Standing(t.Context(), patients)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.store.OnLoad, b.store.OnCommit, b.stream.onRead = nil, nil, nil
	return st
}

// A fault at any step, whatever follows it, and another one while the stream is read back: each change is told once, in
// order, and nothing else.
func TestEveryFaultAtEveryStep(t *testing.T) {
	for _, thin := range []bool{false, true} {
		for fault, inject := range faults {
			for ending, end := range endings {
				for second, befall := range seconds {
					t.Run(fmt.Sprintf("%s/%s/%s/thin=%v", fault, ending, second, thin), func(t *testing.T) {
						b := newBench(t)
						b.thin = thin
						b.restart(t)
						b.accept(t, opening(0, row("1", -9, -9, "A")), baseline(true), live(3, row("2", 3, 3, "B")))
						before := b.store.Snapshot()
						page := live(6, row("1", -9, 4, "AA"), row("2", 3, 5, "BB"), row("3", 5, 5, "C"), row("4", 6, 6, "D"))
						b.standing(t)
						inject(b)
						_, err := b.differ.Accept(t.Context(), page)
						if !errors.Is(err, errFault) {
							t.Fatalf("got %v, want the fault", err)
						}
						end(t, b, before)
						befall(b)

						if st := b.standing(t); !st.Opened {
							b.accept(t, opening(6, page.Records...))
						}
						b.accept(t, page, live(7, row("1", -9, 7, "AAA"), row("4", 6, 6, "D")))
						b.wantTold(t, wantAfter(fault, ending)...)
					})
				}
			}
		}
	}
}

// wantAfter is what is told, whatever went wrong.
func wantAfter(fault, ending string) []string {
	want := []string{"created 2#1", "updated 1#1 name", "updated 2#2 name", "created 3#1", "created 4#1", "updated 1#2 name"}
	switch {
	case ending == "the store is lost":
		return lostStore(fault)
	case fault == "publish: one in the middle not stored":
		want[3], want[4] = want[4], want[3] // what was stored behind the gap stands before it
	}
	return want
}

// lostStore is what a lost store makes of the page: what the stream holds is known again. Of record 1, which existed
// before the bridge and of which no event may be there, the earlier version is gone, so that its change is told with
// its fields not known. Sequences of records without an event rise from the stream's own.
func lostStore(fault string) []string {
	switch fault {
	case "look up fails", "publish: nothing stored":
		return []string{"created 2#1", "updated 1#2", "updated 2#2 name", "created 3#2", "created 4#2", "updated 1#3 name"}
	case "publish: the first stored, its ack lost":
		return []string{"created 2#1", "updated 1#1 name", "updated 2#2 name", "created 3#2", "created 4#2", "updated 1#2 name"}
	case "publish: half of the page stored":
		return []string{"created 2#1", "updated 1#1 name", "updated 2#2 name", "created 3#2", "created 4#2", "updated 1#2 name"}
	case "publish: one in the middle not stored":
		return []string{"created 2#1", "updated 1#1 name", "updated 2#2 name", "created 4#1", "created 3#2", "updated 1#2 name"}
	default:
		return []string{"created 2#1", "updated 1#1 name", "updated 2#2 name", "created 3#1", "created 4#1", "updated 1#2 name"}
	}
}

func TestAStreamThatLostItsEndIsNoHalt(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0), live(3, row("1", 3, 3, "A"), row("2", 3, 3, "B")))
	b.stream.drop(2)
	page := live(5, row("1", 3, 5, "AA"), row("2", 3, 3, "B"))
	if _, err := b.give(t.Context(), page); !errors.Is(err, diff.ErrStanding) {
		t.Errorf("got %v, want the page refused once", err)
	}
	b.accept(t, page)
	b.wantTold(t, "updated 1#2 name")
	b.restart(t)
	b.accept(t, live(6, row("1", 3, 5, "AA"), row("2", 3, 6, "BB")))
	b.wantTold(t, "updated 1#2 name", "updated 2#2 name")
}

func TestALostStoreBesideAStreamThatDroppedEventsInventsNothing(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0), baseline(true), live(3, row("1", 3, 3, "A")), live(9, row("2", 9, 9, "B")))
	b.stream.drop(1) // the event of record 1 is too old
	b.store.Flush()
	b.restart(t)
	st, err := b.differ.Standing(t.Context(), patients)
	if err != nil || !st.Opened || !st.Marks[schemas.Live].Horizon.Equal(at(9)) || st.Marks[schemas.Baseline].Done {
		t.Fatalf("got %+v, %v; want the cursor of the last event, and a baseline to come", st, err)
	}
	b.accept(t, baseline(true, row("1", 3, 3, "A")), live(10, row("1", 3, 10, "AA"), row("2", 9, 9, "B"), row("3", 10, 10, "C")))
	b.wantTold(t, "created 2#1", "updated 1#3 name", "created 3#3")
}

func TestTwoAccountsShareAStreamAndNothingElse(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0), live(3, row("1", 3, 3, "A")))
	b.stream.messages = append(b.stream.messages, message{99, schemas.Event{ID: "x", Account: "south", Resource: patients, RecordID: "1", Sequence: 40, Verb: schemas.Updated}})
	b.stream.sequence = 99
	b.restart(t)
	b.accept(t, live(5, row("1", 3, 5, "AA")))
	if got := b.told(); len(got) != 3 || got[2] != "updated 1#2 name" {
		t.Errorf("got %q", got)
	}
}

// What was told and not committed counts, even if the record is back at what the store knows before it is looked at
// again: the way back is a change of its own.
func TestAChangeToldWithoutItsAckIsTakenBackWhenTheRecordGoesBack(t *testing.T) {
	for name, lose := range map[string]func(b *bench){
		"its acknowledgement was lost": func(b *bench) { b.publishes(-1) },
		"its commit was not done":      func(b *bench) { b.commits(false) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.accept(t, opening(0, row("1", -9, -9, "A")), baseline(true))
			lose(b)
			if _, err := b.give(t.Context(), live(5, row("1", -9, 5, "B"))); !errors.Is(err, errFault) {
				t.Fatalf("got %v, want the fault", err)
			}
			b.accept(t, live(6, row("1", -9, 6, "A")))
			b.wantTold(t, "updated 1#1 name", "updated 1#2 name")
		})
	}
	t.Run("the store was put back under the process", func(t *testing.T) {
		b := newBench(t)
		b.accept(t, opening(0, row("1", -9, -9, "A")), baseline(true))
		before := b.store.Snapshot()
		b.accept(t, live(5, row("1", -9, 5, "B")))
		b.store.Restore(before)
		b.accept(t, live(6, row("1", -9, 6, "A")))
		b.wantTold(t, "updated 1#1 name", "updated 1#2 name")
	})
}

// A record of the opening's own second cannot be told from a newcomer once the store is lost. It is not told as new.
func TestALostStoreMakesNoNewcomersOfTheFirstSecond(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0, row("1", 0, 0, "A")), live(3, row("2", 3, 3, "B")))
	b.store.Flush()
	b.restart(t)
	b.accept(t, baseline(true, row("1", 0, 0, "A")), live(4, row("2", 3, 3, "B"), row("3", 4, 4, "C")))
	b.wantTold(t, "created 2#1", "created 3#2")
}

// A store that is begun beside a stream that has dropped events numbers on from the stream: an id is never used twice.
func TestSequencesRiseAfterEverythingWasForgotten(t *testing.T) {
	b := newBench(t)
	last := live(4, row("1", 3, 4, "B"))
	last.Total, last.Date = 1, at(100)
	b.accept(t, opening(0), live(3, row("1", 3, 3, "A")), last)
	b.stream.drop(2)
	b.store.Flush()
	b.restart(t)
	b.accept(t, baseline(true, row("1", 3, 4, "B")), live(5, row("1", 3, 5, "C")))
	b.wantTold(t, "updated 1#3 name")
}

// Something that is no event of ours, on the subjects of a resource, is passed over and stops nothing.
func TestAForeignMessageIsNoHalt(t *testing.T) {
	b := newBench(t)
	b.accept(t, opening(0), live(3, row("1", 3, 3, "A")))
	b.stream.foreign(patients)
	if _, err := b.differ.Accept(t.Context(), live(5, row("1", 3, 5, "B"))); !errors.Is(err, diff.ErrStanding) {
		t.Errorf("got %v, want the page refused once", err)
	}
	b.accept(t, live(5, row("1", 3, 5, "B")))
	b.stream.foreign(patients)
	b.restart(t)
	b.accept(t, live(6, row("1", 3, 6, "C")))
	b.wantTold(t, "created 1#1", "updated 1#2 name", "updated 1#3 name")
}

func TestFieldNamesThatAreOddAreNamesAllTheSame(t *testing.T) {
	b := newBench(t)
	odd := func(updated int, raw string) schemas.Record {
		rec := row("1", -9, updated, "")
		rec.Raw = []byte(raw)
		return rec
	}
	b.accept(t, opening(0, odd(-9, `{"a":1,"b":2}`)), baseline(true),
		live(1, odd(1, `{"a\u0000b":1}`)), live(2, odd(2, "{\"\xff\":1}")), live(3, odd(3, "{\"\xff\":1}")), live(4, odd(4, "{\"\xff\":1}")))
	if got := len(b.told()); got != 2 {
		t.Errorf("told %q, want two updates", b.told())
	}
}

func TestALimitOfTheStreamThatIsRaisedCounts(t *testing.T) {
	b := newBench(t)
	b.stream.limit = 5000
	huge := row("1", 3, 3, strings.Repeat("x", 8000))
	b.accept(t, opening(0), live(3, huge))
	b.wantTold(t)
	b.stream.limit = 1 << 20
	b.accept(t, live(3, huge))
	b.wantTold(t, "created 1#1")
}

func TestNothingIsSentOnceTheLeaseMayBeAnothers(t *testing.T) {
	b := newBench(t)
	var until time.Time
	b.stream.onDeadline = func(d time.Time) { until = d }
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := b.store.Release(ctx, b.differ.Lease); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	diff.NewReplica(diff.ReplicaConfig{
		Store: b.store, Holder: "test", Accounts: []string{"northside"}, TTL: time.Minute, Log: zap.NewNop(),
		Work: func(_ context.Context, lease diff.Lease) {
			defer stop()
			b.differ.Lease = lease
			b.accept(t, opening(0), live(3, row("1", 3, 3, "A"))) //nolint:contextcheck // the test's own will do
		},
	}).Run(ctx)
	if until.Before(began.Add(50*time.Second)) || until.After(began.Add(70*time.Second)) {
		t.Errorf("the publish may go on until %s, the lease began %s and lasts a minute", until, began)
	}
}
