package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
)

// A master that is killed is followed by a replica which lacks its last commit. What is lost shows as a conflict, so that
// the caller finds out, and what is there can be gone on from.
func TestAReplicaThatIsBehindTakesOver(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	t.Parallel()
	g := difftest.StartGroup(t)
	s := open(t, g.URL)
	lease := acquire(t, s)
	commit(t, s, lease, change("", "one", 3))
	g.FallBehind()
	commit(t, s, lease, change("one", "two", 3))
	g.KillMaster()
	lease = acquireInTime(t, s)
	if err := s.Commit(t.Context(), lease, change("two", "three", 3)); !errors.Is(err, diff.ErrConflict) {
		t.Fatalf("a commit on a state that was lost: got %v, want a conflict", err)
	}
	wantRecords(t, s, "one", 3)
	commit(t, s, lease, change("one", "three", 3))
	wantRecords(t, s, "three", 3)
}

// In a cluster of several nodes all of an account is on one of them, and is found again on the replica that takes its
// place.
func TestAReplicaOfAClusterTakesOver(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	t.Parallel()
	c := difftest.StartCluster(t)
	s := open(t, c.URL)
	lease := acquire(t, s)
	commit(t, s, lease, change("", "one", 3))
	c.KillMasterOf(redisstore.LeaseKey(north))
	lease = acquireInTime(t, s)
	wantRecords(t, s, "one", 3)
	commit(t, s, lease, change("one", "two", 3))
	wantRecords(t, s, "two", 3)
}

// acquireInTime acquires as soon as the store's client has found the servers that are left.
func acquireInTime(t *testing.T, s *redisstore.Store) (lease diff.Lease) {
	t.Helper()
	eventually(t, "the store takes writes", func() bool {
		var err error
		lease, err = s.Acquire(t.Context(), north, "test", time.Hour)
		return err == nil
	})
	return lease
}
