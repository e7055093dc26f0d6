package publisher_test

import (
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// A copy into a stream of three replicas whose leader is killed on the way is as the one it is of: gaps at the start, within
// and at the end, and no filler left.
func TestACopyIntoAClusterOutlivesItsLeader(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	t.Parallel()
	c := publishertest.StartCluster(t)
	m := move{standard(t), setupReplicas(t, c.URL(), c.URL(), publisher.DefaultTemplate, 2*time.Second, 3)}
	removed := []uint64{1, 2, 2999, 3000}
	for sequence := uint64(10); sequence < 2990; sequence += 20 {
		removed = append(removed, sequence, sequence+1)
	}
	m.history(t, 30, 100, removed...)
	leader := c.Leader(t, m.to.js, stream)
	ran, killed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(killed)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for stored(t, m.to.js) < 500 {
			select {
			case <-tick.C:
			case <-ran:
				return
			}
		}
		leader.Kill()
	}()
	err := m.run(t.Context(), t, c.URL()) // it may have given up; what it has left is gone on with below
	close(ran)
	<-killed
	if stored(t, m.to.js) < 500 {
		t.Fatalf("it was stopped before the leader was: %v", err)
	}
	leader.Restart(t)
	c.Whole(t, m.to.js, stream)
	if err := m.run(t.Context(), t, c.URL()); err != nil {
		t.Fatal(err)
	}
	m.same(t)
}
