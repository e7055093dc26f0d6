package difftest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// TestStore proves that a store keeps every sentence of diff.Store. open is called once for each sub-test; it returns
// an empty store and closes it in a t.Cleanup.
//
// Leases and notes end by the store's own clock, which the suite cannot set: it gives them a fraction of a second and
// asks until they have ended.
func TestStore(t *testing.T, open func(t *testing.T) diff.Store) {
	t.Helper()
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, s diff.Store)
	}{
		{"what was never committed is unknown", loadUnknown},
		{"what was committed is loaded", loadCommitted},
		{"entries come in the order of the ids, which may repeat", loadOrder},
		{"a commit changes what it names and nothing else", commitAdds},
		{"a commit on another state is a conflict and writes nothing", commitConflict},
		{"a commit without the lease writes nothing", commitLeaseLost},
		{"an expired lease is lost, although nobody else took it", commitExpired},
		{"of two commits on the same state exactly one wins", commitRace},
		{"every size of entry comes back", entrySizes},
		{"no two ids are taken for one another", entryIDs},
		{"a commit and a load of hundreds of records work", manyEntries},
		{"each record is listed once", eachOnce},
		{"listing ends with the first error", eachStops},
		{"accounts and resources are apart", apart},
		{"the slices are their owner's", ownership},
		{"tokens rise", tokensRise},
		{"a lease is held against everybody else", leaseHeld},
		{"a holder may take its own lease anew", leaseRetaken},
		{"renew sets the end of a lease", leaseRenewed},
		{"release makes room at once, and only for one's own", leaseReleased},
		{"an expired lease makes room", leaseExpired},
		{"one of many gets the lease", leaseRace},
		{"who holds a lease can be asked", leaseHolders},
		{"who is on a list is seen by all until their time is over", lists},
		{"one who leaves a list is off it at once", listsLeft},
		{"notes are kept apart and expire", notes},
		{"a canceled context and a closed store are errors", unusable},
		{"any history of commits equals a map", model},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

const (
	north    = "northside"
	patients = schemas.Resource("patients")
	long     = time.Hour // of a lease that shall not end during a test
	brief    = 100 * time.Millisecond
)

// acquire takes the lease of account for holder "suite".
func acquire(t *testing.T, s diff.Store, account string, ttl time.Duration) diff.Lease {
	t.Helper()
	lease, err := s.Acquire(t.Context(), account, "suite", ttl)
	if err != nil {
		t.Fatalf("acquire the lease of %s: %v", account, err)
	}
	if lease.Account != account {
		t.Fatalf("got a lease of account %q, want %q", lease.Account, account)
	}
	return lease
}

// commit makes a commit that must succeed.
func commit(t *testing.T, s diff.Store, lease diff.Lease, c diff.Commit) {
	t.Helper()
	if err := s.Commit(t.Context(), lease, c); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

// first is a commit of patients of the account north which nothing precedes.
func first(state string, entries map[schemas.ID][]byte) diff.Commit {
	return diff.Commit{Account: north, Resource: patients, State: []byte(state), Entries: entries, Expect: 1000}
}

// load loads ids, and must succeed.
func load(t *testing.T, s diff.Store, account string, resource schemas.Resource, ids ...schemas.ID) diff.Snapshot {
	t.Helper()
	snap, err := s.Load(t.Context(), account, resource, ids)
	if err != nil {
		t.Fatalf("load %s/%s: %v", account, resource, err)
	}
	if len(snap.Entries) != len(ids) {
		t.Fatalf("got %d entries for %d ids", len(snap.Entries), len(ids))
	}
	return snap
}

// wantState fails the test unless the resource's state is want and it tracks so many records.
func wantState(t *testing.T, got diff.Snapshot, want string, tracked int) {
	t.Helper()
	if got.State == nil || string(got.State) != want {
		t.Errorf("got state %q (nil: %t), want %q", got.State, got.State == nil, want)
	}
	if got.Tracked != tracked {
		t.Errorf("got %d records tracked, want %d", got.Tracked, tracked)
	}
}

// wantEntries fails the test unless the entries are want; nil is told from empty.
func wantEntries(t *testing.T, got diff.Snapshot, want ...[]byte) {
	t.Helper()
	if len(got.Entries) != len(want) {
		t.Fatalf("got %d entries, want %d", len(got.Entries), len(want))
	}
	for i := range want {
		if !same(got.Entries[i], want[i]) {
			t.Errorf("entry %d: got %.20q (nil: %t), want %.20q (nil: %t)", i, got.Entries[i], got.Entries[i] == nil, want[i], want[i] == nil)
		}
	}
}

// same tells nil from empty, as the contract does.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

// wantUnchanged fails the test unless two snapshots of the same ids are equal.
func wantUnchanged(t *testing.T, before, after diff.Snapshot) {
	t.Helper()
	if !same(before.State, after.State) {
		t.Errorf("the state changed from %q to %q", before.State, after.State)
	}
	if before.Tracked != after.Tracked {
		t.Errorf("the number of records changed from %d to %d", before.Tracked, after.Tracked)
	}
	if !maps.Equal(before.Shapes, after.Shapes) {
		t.Errorf("the shapes changed from %v to %v", before.Shapes, after.Shapes)
	}
	wantEntries(t, after, before.Entries...)
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

// eventually asks until f says true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited ten seconds until %s", what)
		}
	}
}
