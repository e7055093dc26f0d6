package difftest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// Who holds a lease is told of each account that is asked for: until it is released or expires.
func leaseHolders(t *testing.T, s diff.Store) {
	t.Helper()
	holders := func(accounts ...string) map[string]string {
		t.Helper()
		got, err := s.Holders(t.Context(), accounts)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := func(want map[string]string) {
		t.Helper()
		if got := holders(slices.Collect(maps.Keys(want))...); !maps.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	want(map[string]string{})
	want(map[string]string{north: "", "other": ""})
	lease, err := s.Acquire(t.Context(), north, "pod-1 (10.0.0.1) é", long)
	if err != nil {
		t.Fatal(err)
	}
	acquire(t, s, "other", brief)
	acquire(t, s, "third", long)
	want(map[string]string{north: "pod-1 (10.0.0.1) é", "third": "suite", "fourth": ""})
	eventually(t, "the lease expires", func() bool { return holders("other")["other"] == "" })
	if err := s.Release(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	want(map[string]string{north: "", "other": "", "third": "suite"})
}

// enlist puts holder on the list of team and compares who is on it.
func enlist(t *testing.T, s diff.Store, team, holder string, ttl time.Duration, want ...string) {
	t.Helper()
	got, err := s.Enlist(t.Context(), team, holder, ttl)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q on the list, want %q", got, want)
	}
}

func lists(t *testing.T, s diff.Store) {
	t.Helper()
	enlist(t, s, "team", "b", long, "b")
	enlist(t, s, "team", "a", brief, "a", "b")
	enlist(t, s, "team", "c d é", long, "a", "b", "c d é")
	enlist(t, s, "team", "b", long, "a", "b", "c d é")
	enlist(t, s, "team 2", "a", long, "a")
	eventually(t, "the one on the list for a while is off it", func() bool {
		got, err := s.Enlist(t.Context(), "team", "b", long)
		return err == nil && slices.Equal(got, []string{"b", "c d é"})
	})
	// One that comes again counts from then; a list of none but the one who asks begins anew.
	enlist(t, s, "team", "a", long, "a", "b", "c d é")
	enlist(t, s, "team 3", "a", brief, "a")
	eventually(t, "a list has run out", func() bool {
		got, err := s.Enlist(t.Context(), "team 3", "b", long)
		return err == nil && slices.Equal(got, []string{"b"})
	})
	// Lists are nobody's leases and notes.
	acquire(t, s, "team", long)
	if got, err := s.Holders(t.Context(), []string{"a"}); err != nil || got["a"] != "" {
		t.Errorf("got %q and %v", got, err)
	}
}

func listsLeft(t *testing.T, s diff.Store) {
	t.Helper()
	leave := func(team, holder string) {
		t.Helper()
		if err := s.Delist(t.Context(), team, holder); err != nil {
			t.Errorf("delist %s of %s: %v", holder, team, err)
		}
	}
	leave("team", "a")
	enlist(t, s, "team", "a", long, "a")
	enlist(t, s, "team", "b", long, "a", "b")
	leave("other", "a")
	leave("team", "c")
	enlist(t, s, "team", "b", long, "a", "b")
	leave("team", "a")
	enlist(t, s, "team", "b", long, "b")
	leave("team", "b")
	enlist(t, s, "team", "a", long, "a")
}
