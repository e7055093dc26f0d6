package redisstore_test

import (
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
)

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
	// It is found within seconds, and not when the client would look for it by itself, which is after a minute.
	limit := time.Now().Add(40 * time.Second)
	eventually(t, "the store takes writes", func() bool {
		var err error
		lease, err = s.Acquire(t.Context(), north, "test", time.Hour)
		return err == nil || time.Now().After(limit)
	})
	wantRecords(t, s, "one", 3)
	commit(t, s, lease, change("one", "two", 3))
	wantRecords(t, s, "two", 3)
}
