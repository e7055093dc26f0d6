package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A move is a stream with a history, and an empty one to copy it into.
type move struct {
	from, to rig
}

func newMove(t *testing.T) move {
	t.Helper()
	return move{standard(t), standard(t)}
}

// history publishes pages of n events each, and removes some: the oldest, some from the middle, the newest.
func (m *move) history(t *testing.T, pages, n int, removed ...uint64) {
	t.Helper()
	last := uint64(0)
	for i := range pages {
		list := events("north", 1000*i, n)
		for j := range list {
			if j%2 == 1 {
				list[j].Record, list[j].Print = nil, []byte("print") // a thin one
			}
			list[j].Began = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
		}
		last = publish(t, m.from.p, list, last)
	}
	s, err := m.from.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, sequence := range removed {
		if err := s.DeleteMsg(t.Context(), sequence); err != nil {
			t.Fatal(err)
		}
	}
}

// run copies over a connection to url, as a process of its own would.
func (m *move) run(ctx context.Context, t *testing.T, url string) error {
	t.Helper()
	nc := publishertest.Connect(t, url, nats.ReconnectWait(20*time.Millisecond), nats.MaxReconnects(-1))
	defer nc.Close()
	return publisher.Copy(ctx, publisher.Place{Conn: m.from.nc, Stream: stream}, publisher.Place{Conn: nc, Stream: stream},
		parse(t, publisher.DefaultTemplate), func(uint64) {})
}

// same fails the test unless the one stream is as the other: messages, sequences, gaps, and where the next one goes.
func (m *move) same(t *testing.T) {
	t.Helper()
	want, got := publishertest.Collect(t, m.from.js, stream, ""), publishertest.Collect(t, m.to.js, stream, "")
	if len(got) != len(want) {
		t.Fatalf("got %d messages, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		for _, h := range []nats.Header{w.Header, g.Header} {
			maps.DeleteFunc(h, func(name string, _ []string) bool { // what a server was to expect, and what it adds to an answer
				return name != publisher.HeaderID && strings.HasPrefix(name, "Nats-")
			})
		}
		if g.Sequence != w.Sequence || g.Subject != w.Subject || string(g.Body) != string(w.Body) || !reflect.DeepEqual(g.Header, w.Header) {
			t.Fatalf("got message %d %s %v %s, want %d %s %v %s", g.Sequence, g.Subject, g.Header, g.Body, w.Sequence, w.Subject, w.Header, w.Body)
		}
	}
	a, b := state(t, m.from.js), state(t, m.to.js)
	if a.FirstSeq != b.FirstSeq || a.LastSeq != b.LastSeq || a.Msgs != b.Msgs {
		t.Errorf("got sequences %d to %d and %d messages, want %d to %d and %d", b.FirstSeq, b.LastSeq, b.Msgs, a.FirstSeq, a.LastSeq, a.Msgs)
	}
}

func state(t *testing.T, js jetstream.JetStream) jetstream.StreamState {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State
}

// A copy has every message with its headers at its own sequence, whatever was removed from the stream, and the next event goes
// behind the same sequence in both. To copy once more changes nothing.
func TestACopyHasTheSameSequences(t *testing.T) {
	for name, removed := range map[string][]uint64{
		"nothing": nil, "the oldest": {1, 2, 3}, "some within": {5, 6, 9}, "the newest": {29, 30}, "of all": {1, 2, 7, 11, 30},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMove(t)
			m.history(t, 3, 10, removed...)
			for range 2 {
				if err := m.run(t.Context(), t, m.to.nc.ConnectedUrl()); err != nil {
					t.Fatal(err)
				}
				m.same(t)
			}
			a, errA := m.from.p.Last(t.Context(), "north", "patients")
			b, errB := m.to.p.Last(t.Context(), "north", "patients")
			if a != b || errA != nil || errB != nil {
				t.Fatalf("got %d and %v, want %d and %v", b, errB, a, errA)
			}
			news := events("north", 9000, 2)
			if want, got := publish(t, m.from.p, news, a), publish(t, m.to.p, news, b); got != want {
				t.Errorf("the next event went to %d, want %d", got, want)
			}
		})
	}
	t.Run("everything", func(t *testing.T) {
		m := newMove(t)
		m.history(t, 1, 5, 1, 2, 3, 4, 5)
		if err := m.run(t.Context(), t, m.to.nc.ConnectedUrl()); err != nil {
			t.Fatal(err)
		}
		m.same(t)
	})
}

// A copy that is stopped at any message, whether or not that one was stored, is made whole by the next one.
func TestACopyThatIsStoppedAnywhereGoesOn(t *testing.T) {
	const publishes = 12 - 2 // the oldest two are never sent, each other gap is filled once
	for n := range publishes {
		for _, fault := range []publishertest.Fault{publishertest.CutBeforePublish, publishertest.CutBeforeAck} {
			m := newMove(t) // servers of its own: a stream that was just deleted cannot always be made again at once
			m.history(t, 2, 6, 1, 2, 5, 6, 12)
			direct := m.to.nc.ConnectedUrl()
			ctx, kill := context.WithCancel(t.Context())
			proxy := publishertest.StartProxy(t, direct) // one of its own: what an earlier one still holds must not count
			struck := proxy.Arm(fault, n)
			go func() {
				select {
				case <-struck:
				case <-t.Context().Done():
				}
				kill()
			}()
			if err := m.run(ctx, t, proxy.URL()); err == nil {
				t.Fatalf("fault %d at %d: it was not stopped", fault, n)
			}
			if err := m.run(t.Context(), t, direct); err != nil {
				t.Fatalf("fault %d at %d: %v", fault, n, err)
			}
			m.same(t)
		}
	}
}

// A connection that is lost on the way is waited for.
func TestACopyOutlivesALostConnection(t *testing.T) {
	m := newMove(t)
	m.history(t, 2, 6)
	proxy := publishertest.StartProxy(t, m.to.nc.ConnectedUrl())
	proxy.Arm(publishertest.CutBeforeAck, 3)
	if err := m.run(t.Context(), t, proxy.URL()); err != nil {
		t.Fatal(err)
	}
	m.same(t)
}

// What the stream has dropped since an interrupted copy is dropped from the copy, too, once it goes on behind it.
func TestACopyGoesOnBehindWhatWasDropped(t *testing.T) {
	m := newMove(t)
	m.history(t, 2, 5)
	ctx, kill := context.WithCancel(t.Context())
	proxy := publishertest.StartProxy(t, m.to.nc.ConnectedUrl())
	struck := proxy.Arm(publishertest.CutBeforePublish, 2)
	go func() { <-struck; kill() }()
	if err := m.run(ctx, t, proxy.URL()); err == nil {
		t.Fatal("it was not stopped")
	}
	s, err := m.from.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeSequence(8)); err != nil {
		t.Fatal(err)
	}
	if err := m.run(t.Context(), t, m.to.nc.ConnectedUrl()); err != nil {
		t.Fatal(err)
	}
	m.same(t)
}

// A stream that holds anything else is not touched.
func TestACopyIntoAnotherStreamIsRefused(t *testing.T) {
	for name, strange := range map[string][]schemas.Event{
		"one message": events("north", 777, 1), "more than there are": events("north", 777, 9), "the same ids elsewhere": events("north", 4, 1),
	} {
		t.Run(name, func(t *testing.T) {
			m := newMove(t)
			m.history(t, 1, 5)
			publish(t, m.to.p, strange, 0)
			before := fmt.Sprint(publishertest.Collect(t, m.to.js, stream, ""))
			if err := m.run(t.Context(), t, m.to.nc.ConnectedUrl()); !errors.Is(err, publisher.ErrOther) {
				t.Errorf("got %v, want %v", err, publisher.ErrOther)
			}
			if after := fmt.Sprint(publishertest.Collect(t, m.to.js, stream, "")); after != before {
				t.Errorf("got %s, want %s", after, before)
			}
		})
	}
}
