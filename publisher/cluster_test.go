package publisher_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// The leader of a stream of three replicas is killed in the middle of a page: reading back finds what is stored, and in the
// end every event is in the stream once. No duplicate window helps.
func TestLeaderKilledInAPage(t *testing.T) {
	if testing.Short() {
		t.Skip("takes twenty seconds")
	}
	t.Parallel()
	const size = 2000
	c := publishertest.StartCluster(t)
	w := writer{rig: setupReplicas(t, c.URL(), c.URL(), publisher.DefaultTemplate, 2*time.Second, 3), account: "north"}
	w.write(t, events("north", 1, size))
	leader := c.Leader(t, w.js, stream)
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		for stored(t, w.js) <= size { // the page has not begun
			runtime.Gosched()
		}
		leader.Kill()
	}()
	w.write(t, events("north", 1+size, size))
	<-killed
	if len(w.errs) == 0 {
		t.Log("the page was stored before its leader was killed")
	}
	leader.Restart(t)
	c.Whole(t, w.js, stream)
	w.write(t, events("north", 1+2*size, size))
	onceEach(t, w.js, 3*size)
}

// stored is the last sequence of the stream.
func stored(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		return 0
	}
	return s.CachedInfo().State.LastSeq
}

// A cluster looks for an id before it looks at the expectation. Publish refuses all the same what does not go behind the
// resource's last message, and does not take a page of known events for proof that it does.
func TestRememberedEventsOnACluster(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	url := publishertest.StartCluster(t).URL()
	js := publishertest.JetStream(t, publishertest.Connect(t, url))
	tmpl := parse(t, publisher.DefaultTemplate)
	if _, err := publisher.Ensure(t.Context(), js, publisher.StreamConfig{Name: stream, Template: tmpl, Replicas: 3}); err != nil { // two minutes
		t.Fatal(err)
	}
	p, err := publisher.New(t.Context(), publishertest.Connect(t, url), publisher.Config{Stream: stream, Template: tmpl}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	page := events("north", 1, 10)
	last := publish(t, p, page[:5], 0)
	if got := publish(t, p, page[:5], last); got != last {
		t.Errorf("all known: Publish = %d, want %d", got, last)
	}
	for _, known := range [][2]int{{0, 1}, {4, 5}, {0, 5}} {
		_, err = p.Publish(t.Context(), page[known[0]:known[1]], 3)
		wantAhead(t, err)
	}
	_, err = p.Publish(t.Context(), page, 0)
	wantAhead(t, err)
	if got := publish(t, p, page[3:], last); got != 10 { // 4 and 5 are known
		t.Errorf("some known: Publish = %d, want 10", got)
	}
	onceEach(t, js, 10)
}
