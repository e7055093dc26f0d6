package difftest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// rival takes the lease of account north for somebody else; it waits for the end of the one that is held.
func rival(t *testing.T, s diff.Store) diff.Lease {
	t.Helper()
	var lease diff.Lease
	eventually(t, "the rival gets the lease", func() bool {
		var err error
		lease, err = s.Acquire(t.Context(), north, "rival", long)
		if held := (*diff.HeldError)(nil); err != nil && !errors.As(err, &held) {
			t.Fatalf("got %v, want a lease or a HeldError", err)
		}
		return err == nil
	})
	return lease
}

// A commit is refused, and nothing of it written, under a lease that was never given, is of another account, was
// released, or was taken over.
func commitLeaseLost(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	c := first("one", map[schemas.ID][]byte{"1": []byte("a")})
	c.Shapes = map[uint32]string{1: "a"}
	commit(t, s, lease, c)
	before := load(t, s, north, patients, "1", "2")

	next := diff.Commit{
		Account: north, Resource: patients, Was: []byte("one"), State: []byte("two"),
		Entries: map[schemas.ID][]byte{"1": []byte("z"), "2": []byte("z")}, Shapes: map[uint32]string{1: "z", 2: "z"},
	}
	refused := func(what string, lease diff.Lease) {
		t.Helper()
		if err := s.Commit(t.Context(), lease, next); !errors.Is(err, diff.ErrLeaseLost) {
			t.Errorf("%s: got error %v, want %v", what, err, diff.ErrLeaseLost)
		}
		wantUnchanged(t, before, load(t, s, north, patients, "1", "2"))
	}
	refused("no lease", diff.Lease{})
	refused("a token of nobody", diff.Lease{Account: north, Token: lease.Token + 1})
	refused("a token of the past", diff.Lease{Account: north, Token: lease.Token - 1})
	other := acquire(t, s, "other", long)
	refused("a lease of another account", other)
	refused("another account's name with the right token", diff.Lease{Account: "other", Token: lease.Token})

	if err := s.Release(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	refused("a released lease", lease)
	taken := rival(t, s)
	refused("a lease that was taken over", lease)
	// Stopping comes before loading again: a lost lease is told even if the state is another one too.
	next.Was = []byte("zero")
	refused("a lease that was taken over, and a conflict", lease)

	next.Was = []byte("one")
	commit(t, s, taken, next)
	wantState(t, load(t, s, north, patients), "two", 2)
}

func commitExpired(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, brief)
	var was []byte
	n := 0
	eventually(t, "the lease expires", func() bool {
		state := fmt.Appendf(nil, "%d", n)
		err := s.Commit(t.Context(), lease, diff.Commit{
			Account: north, Resource: patients, Was: was, State: state,
			Entries: map[schemas.ID][]byte{schemas.ID(state): {1}},
		})
		if err == nil {
			was, n = state, n+1
			return false
		}
		if !errors.Is(err, diff.ErrLeaseLost) {
			t.Fatalf("got %v, want %v", err, diff.ErrLeaseLost)
		}
		return true
	})
	got := load(t, s, north, patients, schemas.ID(fmt.Sprint(n)))
	if !same(got.State, was) || got.Tracked != n {
		t.Errorf("got state %q and %d records, want %q and %d", got.State, got.Tracked, was, n)
	}
	wantEntries(t, got, nil)
	wantError(t, s.Renew(t.Context(), lease, long), diff.ErrLeaseLost)
}

// A token is higher than every one before, whatever became of the lease before, and whoever takes it.
func tokensRise(t *testing.T, s diff.Store) {
	t.Helper()
	var last uint64
	higher := func(lease diff.Lease) {
		t.Helper()
		if lease.Token <= last {
			t.Errorf("got token %d after %d", lease.Token, last)
		}
		last = lease.Token
	}
	for range 5 { // given back
		lease := acquire(t, s, north, long)
		higher(lease)
		if err := s.Release(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // expired
		eventually(t, "the lease before has expired", func() bool {
			lease, err := s.Acquire(t.Context(), north, fmt.Sprint("holder after ", last), brief/4)
			if err != nil {
				return false
			}
			higher(lease)
			return true
		})
	}
	higher(rival(t, s))
}

func leaseHeld(t *testing.T, s diff.Store) {
	t.Helper()
	const name = "pod-1 (10.0.0.1:8321) \x00\n é"
	lease, err := s.Acquire(t.Context(), north, name, long)
	if err != nil {
		t.Fatal(err)
	}
	for _, holder := range []string{"rival", "", name + " "} {
		_, err = s.Acquire(t.Context(), north, holder, long)
		var held *diff.HeldError
		if !errors.As(err, &held) {
			t.Fatalf("holder %q: got %v, want a HeldError", holder, err)
		}
		if held.Account != north || held.Holder != name || held.Left <= long-time.Minute || held.Left > long {
			t.Errorf("got account %q, holder %q, %s left, want %q, %q, about %s", held.Account, held.Holder, held.Left, north, name, long)
		}
	}
	// It is one account's alone, and the attempts have not harmed it.
	acquire(t, s, "other", long)
	commit(t, s, lease, first("one", nil))
	if err := s.Renew(t.Context(), lease, long); err != nil {
		t.Error(err)
	}
}

// Only somebody else is refused: a holder whose reply was lost, or who was started again, need not wait for itself.
// What it had before is lost then.
func leaseRetaken(t *testing.T, s diff.Store) {
	t.Helper()
	old := acquire(t, s, north, long)
	lease := acquire(t, s, north, long)
	if lease.Token <= old.Token {
		t.Errorf("got token %d after %d", lease.Token, old.Token)
	}
	wantError(t, s.Commit(t.Context(), old, first("one", nil)), diff.ErrLeaseLost)
	wantError(t, s.Renew(t.Context(), old, long), diff.ErrLeaseLost)
	commit(t, s, lease, first("one", nil))
}

func leaseRenewed(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, time.Minute)
	if err := s.Renew(t.Context(), lease, long); err != nil {
		t.Fatal(err)
	}
	_, err := s.Acquire(t.Context(), north, "rival", long)
	var held *diff.HeldError
	if !errors.As(err, &held) || held.Left <= time.Minute || held.Left > long || held.Holder != "suite" {
		t.Fatalf("got %v, want a HeldError of suite with about %s left", err, long)
	}
	if err := s.Renew(t.Context(), lease, brief); err != nil { // from now, not from the end before
		t.Fatal(err)
	}
	taken := rival(t, s)
	wantError(t, s.Renew(t.Context(), lease, long), diff.ErrLeaseLost)
	if err := s.Renew(t.Context(), taken, long); err != nil {
		t.Error(err)
	}
	wantError(t, s.Renew(t.Context(), diff.Lease{Account: "other", Token: taken.Token}, long), diff.ErrLeaseLost)
	wantError(t, s.Renew(t.Context(), diff.Lease{}, long), diff.ErrLeaseLost)
}

func leaseReleased(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	if err := s.Release(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.Renew(t.Context(), lease, long), diff.ErrLeaseLost)
	taken, err := s.Acquire(t.Context(), north, "rival", long)
	if err != nil {
		t.Fatalf("got %v, want the lease at once", err)
	}
	// Releasing what is lost, or was never had, is no error and takes nothing away.
	for _, lost := range []diff.Lease{lease, lease, {Account: "other", Token: taken.Token}, {Account: north}, {}} {
		if err := s.Release(t.Context(), lost); err != nil {
			t.Errorf("release of a lost lease: %v", err)
		}
	}
	commit(t, s, taken, first("one", nil))
}

func leaseExpired(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, brief)
	if _, err := s.Acquire(t.Context(), north, "rival", long); err == nil {
		t.Fatal("the rival got a lease that is held")
	}
	taken := rival(t, s)
	if err := s.Release(t.Context(), lease); err != nil {
		t.Errorf("release of a lost lease: %v", err)
	}
	commit(t, s, taken, first("one", nil))
}

func leaseRace(t *testing.T, s diff.Store) {
	t.Helper()
	const holders = 8
	var errs [holders]error
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = s.Acquire(t.Context(), north, fmt.Sprint("holder ", i), long) })
	}
	wg.Wait()
	winners := 0
	for _, err := range errs {
		var held *diff.HeldError
		switch {
		case err == nil:
			winners++
		case !errors.As(err, &held):
			t.Errorf("got %v, want a HeldError", err)
		}
	}
	if winners != 1 {
		t.Errorf("%d of %d got the lease", winners, holders)
	}
}

func notes(t *testing.T, s diff.Store) {
	t.Helper()
	note := func(account, name string) []byte {
		t.Helper()
		b, err := s.Note(t.Context(), account, name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	put := func(account, name, value string, ttl time.Duration) {
		t.Helper()
		if err := s.PutNote(t.Context(), account, name, []byte(value), ttl); err != nil {
			t.Fatal(err)
		}
	}
	if got := note(north, "budget"); got != nil {
		t.Errorf("got %q, want nil for a note that nobody put", got)
	}
	lease := acquire(t, s, north, long)
	commit(t, s, lease, first("one", map[schemas.ID][]byte{"1": {1}}))
	names := []string{"budget", "budge", "budget:", "lease", "token", "meta", "patients", "r:0", "\x00\xff"}
	accounts := []string{north, "north", "other"}
	for _, a := range accounts {
		for _, n := range names {
			put(a, n, a+"\x00"+n, 0)
		}
	}
	for _, a := range accounts {
		for _, n := range names {
			if got := note(a, n); string(got) != a+"\x00"+n {
				t.Errorf("note %q of %s: got %q", n, a, got)
			}
		}
	}
	// Notes touch neither records nor leases.
	wantState(t, load(t, s, north, patients), "one", 1)
	if err := s.Renew(t.Context(), lease, long); err != nil {
		t.Error(err)
	}

	put(north, "budget", "", long)
	if got := note(north, "budget"); got == nil || len(got) != 0 {
		t.Errorf("got %q (nil: %t), want an empty note", got, got == nil)
	}
	put(north, "budget", "brief", brief)
	put(north, "token", "long", long)
	eventually(t, "the note expires", func() bool { return note(north, "budget") == nil })
	if got := note(north, "token"); string(got) != "long" {
		t.Errorf("got %q, want the note that lasts", got)
	}
	// A note that is put again lasts as long as it says then.
	put(north, "token", "again", brief)
	put(north, "token", "for ever", 0)
	put(north, "meta", "brief", brief)
	eventually(t, "the later note expires", func() bool { return note(north, "meta") == nil })
	if got := note(north, "token"); string(got) != "for ever" {
		t.Errorf("got %q, want the note that lasts for ever", got)
	}
}

func unusable(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	calls := func(ctx context.Context) map[string]error {
		_, loadErr := s.Load(ctx, north, patients, nil)
		_, acquireErr := s.Acquire(ctx, north, "suite", long)
		_, noteErr := s.Note(ctx, north, "budget")
		_, holdersErr := s.Holders(ctx, []string{north})
		_, enlistErr := s.Enlist(ctx, "team", "suite", long)
		return map[string]error{
			"Load": loadErr, "Acquire": acquireErr, "Note": noteErr, "Holders": holdersErr, "Enlist": enlistErr,
			"Delist": s.Delist(ctx, "team", "suite"),
			"Commit": s.Commit(ctx, lease, first("one", nil)), "Renew": s.Renew(ctx, lease, long),
			"Release": s.Release(ctx, lease), "PutNote": s.PutNote(ctx, north, "budget", nil, 0), "Ping": s.Ping(ctx),
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range calls(canceled) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want %v", name, err, context.Canceled)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range calls(t.Context()) {
		// Neither of the two errors that say for certain what became of a commit.
		if err == nil || errors.Is(err, diff.ErrConflict) || errors.Is(err, diff.ErrLeaseLost) {
			t.Errorf("%s: got %v of a closed store", name, err)
		}
	}
}
