package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// proxied is a rig whose Publisher reaches its server by way of a proxy.
func proxied(tb testing.TB, ackTimeout time.Duration) (rig, *publishertest.Proxy) {
	tb.Helper()
	url := publishertest.Start(tb, publishertest.Options{}).URL()
	proxy := publishertest.StartProxy(tb, url)
	return setup(tb, url, proxy.URL(), publisher.DefaultTemplate, ackTimeout), proxy
}

// For every step of a page, and for both ways in which it can go wrong there (not stored; stored, but nobody heard of
// it): the publish fails, reading back finds what is stored, and publishing the rest makes it whole. The events get
// new ids with each attempt, so no duplicate window helps.
func TestFaultAtEveryStep(t *testing.T) {
	const size = 12
	r, proxy := proxied(t, 250*time.Millisecond)
	w := writer{rig: r, account: "north"}
	from := 1
	for fault, name := range map[publishertest.Fault]string{
		publishertest.CutBeforePublish: "cut before a publish",
		publishertest.CutBeforeAck:     "cut before an ack",
		publishertest.SwallowAcks:      "acks swallowed",
	} {
		for _, step := range []int{0, 1, 2, size / 2, size - 1} {
			w.errs = nil
			struck := proxy.Arm(fault, step)
			if fault == publishertest.SwallowAcks { // it heals when the publish has failed
				if _, err := w.p.Publish(t.Context(), events("north", from, size), w.last); err == nil {
					t.Errorf("%s, step %d: no error", name, step)
				}
				proxy.Heal()
				w.write(t, w.missing(t, events("north", from, size)))
			} else {
				w.write(t, events("north", from, size))
				if len(w.errs) == 0 {
					t.Errorf("%s, step %d: no error", name, step)
				}
			}
			select {
			case <-struck:
			default:
				t.Errorf("%s, step %d: the fault did not happen", name, step)
			}
			from += size
			onceEach(t, w.js, from-1)
		}
	}
}

// For any history of pages and faults, every event is in the stream once.
func TestRandomFaults(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			r, proxy := proxied(t, 5*time.Second)
			w := writer{rig: r, account: "north"}
			from := 1
			for range 40 {
				n := 1 + random.IntN(30)
				faults := []publishertest.Fault{publishertest.CutBeforePublish, publishertest.CutBeforeAck}
				proxy.Arm(faults[random.IntN(2)], random.IntN(2*n))
				w.write(t, events("north", from, n))
				from += n
			}
			onceEach(t, r.js, from-1)
			if len(w.errs) == 0 {
				t.Error("no fault happened")
			}
		})
	}
}

// A page whose acknowledgements were lost is told again under the same ids, and the window of the server being long
// over does no harm: only what is missing is published.
func TestRepublishAfterTheWindow(t *testing.T) {
	r, proxy := proxied(t, 5*time.Second)
	page := events("north", 1, 100)
	proxy.Arm(publishertest.CutBeforeAck, 40)
	if _, err := r.p.Publish(t.Context(), page, 0); err == nil || errors.Is(err, schemas.ErrStreamAhead) {
		t.Fatalf("Publish: %v", err)
	}
	connected(t, r.nc)
	waitFor(t, r, "cliniko.patients.*", 41) // the server may still be storing
	timer := time.NewTimer(2 * shortest)
	<-timer.C // the window is a matter of the server's clock: there is no signal to wait for
	_, err := r.p.Publish(t.Context(), page, 0)
	wantAhead(t, err)
	w := writer{rig: r, account: "north"}
	w.write(t, w.missing(t, page))
	onceEach(t, r.js, 100)
}

// What a full stream refuses in the middle of a page leaves a gap, but never in the events of one record: what has taken
// place in it is told whole up to some point, and what is read back can be gone on from.
func TestARecordsNextEventWaitsForThoseBeforeIt(t *testing.T) {
	r := standard(t)
	last := publish(t, r.p, events("north", 1, 1), 0)
	s, err := r.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	full := s.CachedInfo().Config
	full.Discard, full.MaxBytes = jetstream.DiscardNew, int64(5*s.CachedInfo().State.Bytes) // room for four more, none of them large
	if _, err := r.js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	page := append(events("north", 2, 3), events("north", 3, 1)...)
	page[1].Record = fmt.Appendf(nil, `{"id": 3, "first_name": %q}`, strings.Repeat("z", 10_000))
	page[3].ID, page[3].Verb, page[3].Sequence = "north-patients-3-2", schemas.Archived, 2
	if _, err := r.p.Publish(t.Context(), page, last); err == nil || errors.Is(err, schemas.ErrStreamAhead) {
		t.Fatalf("Publish: %v", err)
	}
	var ids []string
	for _, m := range publishertest.Collect(t, r.js, stream, "") {
		ids = append(ids, m.ID)
	}
	if want := []string{"north-patients-1-1", "north-patients-2-1", "north-patients-4-1"}; !slices.Equal(ids, want) {
		t.Errorf("stored are %q, want %q", ids, want)
	}
}

// waitFor waits until at least n messages match filter.
func waitFor(t *testing.T, r rig, filter string, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if got := len(publishertest.Collect(t, r.js, stream, filter)); got >= n {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%d messages, want %d", got, n)
		}
	}
}

// A server that is killed in the middle of publishing, again and again, neither loses an event nor tells one twice.
func TestServerKilled(t *testing.T) {
	process := publishertest.StartProcess(t)
	proxy := publishertest.StartProxy(t, process.URL())
	r := setup(t, process.URL(), proxy.URL(), publisher.DefaultTemplate, 5*time.Second)
	w := writer{rig: r, account: "north"}
	const size, kills = 50, 5
	from := 1
	for kill := range kills {
		struck := proxy.Arm(publishertest.CutBeforeAck, size+kill*11) // in the second page
		died := make(chan struct{})
		go func() {
			defer close(died)
			<-struck
			process.Kill()
			process.Restart(t)
		}()
		for range 3 {
			w.write(t, events("north", from, size))
			from += size
		}
		<-died
	}
	if len(w.errs) < kills {
		t.Errorf("%d errors for %d kills: %v", len(w.errs), kills, w.errs)
	}
	connected(t, r.nc)
	js := publishertest.JetStream(t, publishertest.Connect(t, process.URL()))
	onceEach(t, js, from-1)
}

// A server that stands still is an error after the time limit, and no more than a delay.
func TestServerFrozen(t *testing.T) {
	process := publishertest.StartProcess(t)
	r := setup(t, process.URL(), process.URL(), publisher.DefaultTemplate, 300*time.Millisecond)
	w := writer{rig: r, account: "north"}
	w.write(t, events("north", 1, 10))
	process.Stop(t)
	if _, err := r.p.Publish(t.Context(), events("north", 11, 10), w.last); err == nil || errors.Is(err, schemas.ErrStreamAhead) {
		t.Errorf("Publish to a frozen server: %v", err)
	}
	process.Cont(t)
	w.write(t, w.missing(t, events("north", 11, 10)))
	onceEach(t, r.js, 20)
}

// A connection that is closed for good while acknowledgements are due does not hang anybody.
func TestClosedForGood(t *testing.T) {
	r, proxy := proxied(t, 300*time.Millisecond)
	struck := proxy.Arm(publishertest.SwallowAcks, 5)
	done := make(chan error, 1)
	go func() {
		_, err := r.p.Publish(t.Context(), events("north", 1, 100), 0)
		done <- err
	}()
	<-struck
	r.nc.Close()
	select {
	case err := <-done:
		if err == nil || errors.Is(err, schemas.ErrStreamAhead) {
			t.Errorf("Publish: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Publish hangs")
	}
	if _, err := r.p.ReadBack(t.Context(), "north", "patients", 0, nil); err == nil {
		t.Error("ReadBack on a closed connection: no error")
	}
}

// A caller that gives up is not kept, whichever acknowledgement it is waiting for.
func TestCancelled(t *testing.T) {
	r, proxy := proxied(t, time.Hour)
	w := writer{rig: r, account: "north"}
	for i, acks := range []int{0, 5} {
		page := events("north", 1+10*i, 10)
		struck := proxy.Arm(publishertest.SwallowAcks, acks)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := r.p.Publish(ctx, page, w.last)
			done <- err
		}()
		<-struck
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Publish: %v", err)
		}
		proxy.Heal()
		w.write(t, w.missing(t, page))
	}
	onceEach(t, r.js, 20)
}

// A connection that breaks while reading back costs an error at most, never an event: a reading that goes on from the
// last event gets each of the others, once and in order.
func TestReadBackThroughCuts(t *testing.T) {
	const n = 5000
	r, proxy := proxied(t, 5*time.Second)
	publish(t, r.p, events("north", 1, n), 0)
	at, failed := uint64(0), 0
	for at < n && failed < 100 {
		connected(t, r.nc)
		_, err := r.p.ReadBack(t.Context(), "north", "patients", at, func(sequence uint64, _ schemas.Event) error {
			if sequence != at+1 {
				t.Fatalf("event %d after %d", sequence, at)
			}
			if at = sequence; at%700 == 350 {
				proxy.Cut()
			}
			return nil
		})
		if err != nil {
			failed++
		}
	}
	if at != n {
		t.Errorf("%d events after %d errors, want %d", at, failed, n)
	}
}
