package difftest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func TestMemory(t *testing.T) {
	difftest.TestStore(t, func(*testing.T) diff.Store { return difftest.NewMemory() })
}

const patients = schemas.Resource("patients")

// opened is a store with the lease of account "a" taken and "one" committed as its state.
func opened(t *testing.T) (*difftest.Memory, diff.Lease) {
	t.Helper()
	m := difftest.NewMemory()
	lease, err := m.Acquire(t.Context(), "a", "me", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	must(t, m.Commit(t.Context(), lease, change("", "one")))
	return m, lease
}

func change(was, state string) diff.Commit {
	c := diff.Commit{
		Account: "a", Resource: patients, State: []byte(state),
		Entries: map[schemas.ID][]byte{schemas.ID(state): {1}},
	}
	if was != "" {
		c.Was = []byte(was)
	}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantState(t *testing.T, m *difftest.Memory, want string) {
	t.Helper()
	s, err := m.Load(t.Context(), "a", patients, nil)
	if err != nil || string(s.State) != want {
		t.Errorf("got state %q and %v, want %q", s.State, err, want)
	}
}

// A fault comes in two kinds: the write was not done, and it was done but the reply was lost.
func TestOnCommit(t *testing.T) {
	fault := errors.New("cut off")
	m, lease := opened(t)
	m.OnCommit = func(diff.Commit) (bool, error) { return false, fault }
	if err := m.Commit(t.Context(), lease, change("one", "two")); !errors.Is(err, fault) {
		t.Errorf("got %v, want %v", err, fault)
	}
	wantState(t, m, "one")

	m.OnCommit = func(diff.Commit) (bool, error) { return true, fault }
	if err := m.Commit(t.Context(), lease, change("one", "two")); !errors.Is(err, fault) {
		t.Errorf("got %v, want %v", err, fault)
	}
	wantState(t, m, "two")

	// A hook that lets a commit pass does not make it succeed.
	m.OnCommit = func(diff.Commit) (bool, error) { return true, nil }
	if err := m.Commit(t.Context(), lease, change("one", "three")); !errors.Is(err, diff.ErrConflict) {
		t.Errorf("got %v, want %v", err, diff.ErrConflict)
	}
	must(t, m.Commit(t.Context(), lease, change("two", "three")))
	wantState(t, m, "three")
}

func TestOnLoad(t *testing.T) {
	fault := errors.New("cut off")
	m, _ := opened(t)
	m.OnLoad = func(account string, resource schemas.Resource, ids []schemas.ID) error {
		if account == "a" && resource == patients && len(ids) == 1 {
			return fault
		}
		return nil
	}
	if _, err := m.Load(t.Context(), "a", patients, []schemas.ID{"1"}); !errors.Is(err, fault) {
		t.Errorf("got %v, want %v", err, fault)
	}
	wantState(t, m, "one")
}

// A restored store knows what it knew, its leases included, and gives no token twice.
func TestRestore(t *testing.T) {
	m, lease := opened(t)
	image := m.Snapshot()
	must(t, m.Commit(t.Context(), lease, change("one", "two")))
	later, err := m.Acquire(t.Context(), "a", "me", time.Hour)
	must(t, err)
	for range 2 { // an image is not used up
		m.Restore(image)
		wantState(t, m, "one")
		if err := m.Commit(t.Context(), later, change("one", "three")); !errors.Is(err, diff.ErrLeaseLost) {
			t.Errorf("got %v under a lease that came after the image, want %v", err, diff.ErrLeaseLost)
		}
		must(t, m.Commit(t.Context(), lease, change("one", "three")))
		s, err := m.Load(t.Context(), "a", patients, []schemas.ID{"one", "two", "three"})
		must(t, err)
		if s.Entries[0] == nil || s.Entries[1] != nil || s.Entries[2] == nil || s.Tracked != 2 {
			t.Errorf("got %v", s)
		}
	}
	if next, err := m.Acquire(t.Context(), "a", "me", time.Hour); err != nil || next.Token <= later.Token {
		t.Errorf("got token %d and %v, want one above %d", next.Token, err, later.Token)
	}
}

func TestFlush(t *testing.T) {
	m, lease := opened(t)
	must(t, m.PutNote(t.Context(), "a", "n", []byte("v"), 0))
	m.Flush()
	wantState(t, m, "")
	if b, err := m.Note(t.Context(), "a", "n"); err != nil || b != nil {
		t.Errorf("got note %q and %v", b, err)
	}
	if err := m.Commit(t.Context(), lease, change("", "one")); !errors.Is(err, diff.ErrLeaseLost) {
		t.Errorf("got %v, want %v", err, diff.ErrLeaseLost)
	}
	if next, err := m.Acquire(t.Context(), "a", "other", time.Hour); err != nil || next.Token <= lease.Token {
		t.Errorf("got token %d and %v, want one above %d", next.Token, err, lease.Token)
	}
}

// In a synctest bubble leases and notes end when the bubble's clock says so, to the nanosecond.
func TestMemoryClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, lease := opened(t)
		must(t, m.PutNote(t.Context(), "a", "n", []byte("v"), time.Hour))
		time.Sleep(time.Hour - time.Nanosecond)
		must(t, m.Commit(t.Context(), lease, change("one", "two")))
		if b, err := m.Note(t.Context(), "a", "n"); err != nil || b == nil {
			t.Errorf("got note %q and %v", b, err)
		}
		time.Sleep(time.Nanosecond)
		if err := m.Commit(t.Context(), lease, change("two", "three")); !errors.Is(err, diff.ErrLeaseLost) {
			t.Errorf("got %v, want %v", err, diff.ErrLeaseLost)
		}
		if b, err := m.Note(t.Context(), "a", "n"); err != nil || b != nil {
			t.Errorf("got note %q and %v", b, err)
		}
	})
}

func TestMemoryIsStrict(t *testing.T) {
	m, lease := opened(t)
	for name, call := range map[string]func(){
		"no state":       func() { _ = m.Commit(t.Context(), lease, diff.Commit{Account: "a", Resource: patients}) },
		"no resource":    func() { _ = m.Commit(t.Context(), lease, diff.Commit{Account: "a", State: []byte("s")}) },
		"lease for zero": func() { _, _ = m.Acquire(t.Context(), "a", "me", 0) },
		"renew for zero": func() { _ = m.Renew(t.Context(), lease, 0) },
		"nil entry": func() {
			c := change("one", "two")
			c.Entries["1"] = nil
			_ = m.Commit(t.Context(), lease, c)
		},
		"entry without id": func() {
			c := change("one", "two")
			c.Entries[""] = []byte{1}
			_ = m.Commit(t.Context(), lease, c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it did not panic")
				}
			}()
			call()
		})
	}
}
