package difftest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func loadUnknown(t *testing.T, s diff.Store) {
	t.Helper()
	got := load(t, s, north, patients, "1", "2")
	if got.State != nil || len(got.Shapes) != 0 || got.Tracked != 0 {
		t.Errorf("got state %q, shapes %v and %d records of an unknown resource", got.State, got.Shapes, got.Tracked)
	}
	wantEntries(t, got, nil, nil)
	wantEntries(t, load(t, s, north, patients))
}

func loadCommitted(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	c := first("one", map[schemas.ID][]byte{"1": []byte("a"), "2": []byte("b")})
	c.Shapes = map[uint32]string{7: `{"f":["x"]}`, 0xffffffff: "all bits", 0: ""}
	commit(t, s, lease, c)
	got := load(t, s, north, patients, "1", "2", "3")
	wantState(t, got, "one", 2)
	wantEntries(t, got, []byte("a"), []byte("b"), nil)
	if !maps.Equal(got.Shapes, c.Shapes) {
		t.Errorf("got shapes %v, want %v", got.Shapes, c.Shapes)
	}
	// A load of no record still brings the state and the shapes.
	got = load(t, s, north, patients)
	wantState(t, got, "one", 2)
	if !maps.Equal(got.Shapes, c.Shapes) {
		t.Errorf("got shapes %v, want %v", got.Shapes, c.Shapes)
	}
}

func loadOrder(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	a, b, c := []byte("a"), []byte("b"), []byte("c")
	commit(t, s, lease, first("one", map[schemas.ID][]byte{"30": c, "4": a, "100": b}))
	wantEntries(t, load(t, s, north, patients, "4", "100", "30"), a, b, c)
	wantEntries(t, load(t, s, north, patients, "30", "4", "30", "5", "100", "5", "30"), c, a, c, nil, b, nil, c)
}

// The state is replaced; entries and shapes are added or replaced and never removed; a record is counted once.
func commitAdds(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	c := first("one", map[schemas.ID][]byte{"1": []byte("a"), "2": []byte("b")})
	c.Shapes = map[uint32]string{1: "old", 2: "kept"}
	commit(t, s, lease, c)
	commit(t, s, lease, diff.Commit{
		Account: north, Resource: patients, Was: []byte("one"), State: []byte("\x00two\xff"),
		Entries: map[schemas.ID][]byte{"2": []byte("B"), "3": []byte("c")}, Shapes: map[uint32]string{1: "new", 3: "more"},
	})
	got := load(t, s, north, patients, "1", "2", "3")
	wantState(t, got, "\x00two\xff", 3)
	wantEntries(t, got, []byte("a"), []byte("B"), []byte("c"))
	if want := (map[uint32]string{1: "new", 2: "kept", 3: "more"}); !maps.Equal(got.Shapes, want) {
		t.Errorf("got shapes %v, want %v", got.Shapes, want)
	}

	// A commit may change the state alone, and to nothing but a state that is empty.
	commit(t, s, lease, diff.Commit{Account: north, Resource: patients, Was: got.State, State: []byte{}})
	after := load(t, s, north, patients, "1", "2", "3")
	wantState(t, after, "", 3)
	wantEntries(t, after, got.Entries...)
	commit(t, s, lease, diff.Commit{Account: north, Resource: patients, Was: after.State, State: []byte("four")})
	wantState(t, load(t, s, north, patients), "four", 3)
}

func commitConflict(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	stale := first("stale", map[schemas.ID][]byte{"1": []byte("z"), "9": []byte("z")})
	stale.Shapes = map[uint32]string{1: "z", 9: "z"}

	// The resource is unknown: any expectation is wrong, an empty one too.
	for _, was := range []string{"", "one"} {
		stale.Was = []byte(was)
		wantError(t, s.Commit(t.Context(), lease, stale), diff.ErrConflict)
	}
	wantUnchanged(t, diff.Snapshot{Entries: [][]byte{nil, nil}}, load(t, s, north, patients, "1", "9"))

	// The resource is known: none, an empty, a longer, a shorter and another state are wrong.
	c := first("one", map[schemas.ID][]byte{"1": []byte("a")})
	c.Shapes = map[uint32]string{1: "a"}
	commit(t, s, lease, c)
	before := load(t, s, north, patients, "1", "9")
	for _, was := range [][]byte{nil, {}, []byte("one "), []byte("on"), []byte("two")} {
		stale.Was = was
		wantError(t, s.Commit(t.Context(), lease, stale), diff.ErrConflict)
	}
	wantUnchanged(t, before, load(t, s, north, patients, "1", "9"))

	// An empty state is not an unknown resource.
	commit(t, s, lease, diff.Commit{Account: north, Resource: patients, Was: []byte("one"), State: []byte{}})
	stale.Was = nil
	wantError(t, s.Commit(t.Context(), lease, stale), diff.ErrConflict)
}

func commitRace(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	var was []byte
	for round := range 20 {
		var errs [2]error
		var wg sync.WaitGroup
		for i := range errs {
			c := diff.Commit{
				Account: north, Resource: patients, Was: was, State: fmt.Appendf(nil, "%d by %d", round, i),
				Entries: map[schemas.ID][]byte{schemas.ID(fmt.Sprintf("%d-%d", round, i)): {1}},
			}
			wg.Go(func() { errs[i] = s.Commit(t.Context(), lease, c) })
		}
		wg.Wait()
		winner := slices.Index(errs[:], nil)
		if winner < 0 || !errors.Is(errs[1-winner], diff.ErrConflict) {
			t.Fatalf("round %d: got %v, want one success and one conflict", round, errs)
		}
		got := load(t, s, north, patients,
			schemas.ID(fmt.Sprintf("%d-%d", round, winner)), schemas.ID(fmt.Sprintf("%d-%d", round, 1-winner)))
		wantState(t, got, fmt.Sprintf("%d by %d", round, winner), round+1)
		wantEntries(t, got, []byte{1}, nil)
		was = got.State
	}
}

// Redis keeps small hashes packed up to a limit of 64 bytes a value, and otherwise after it.
func entrySizes(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	entries := map[schemas.ID][]byte{}
	for _, size := range []int{1, 63, 64, 65, 84, 128, 129, 1000, 70_000} {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(i * 7) // every value of a byte, zero first
		}
		entries[schemas.ID(fmt.Sprint(size))] = b
	}
	commit(t, s, lease, first("one", entries))
	for id, want := range entries {
		wantEntries(t, load(t, s, north, patients, id), want)
	}
}

// Ids are text: what is the same number, or the same up to an odd byte, is another id. Stores may keep what looks like
// a number as one.
func entryIDs(t *testing.T, s diff.Store) {
	t.Helper()
	ids := []schemas.ID{
		"1", "01", "001", "1.0", "+1", "-1", "1 ", " 1", "11", "0", "-0", "00", "1e3", "1000",
		"9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808", "09223372036854775807",
		"18446744073709551615", "18446744073709551616", "99999999999999999999", "-9223372036854775808",
		"a", "A", "a:b", "a:r:1", "{a}", "a}b", "\x00", "\x00\x00", "a\x00", "\xff", "\xff\xfe", "é", "e\u0301", "\r\n", "%s", "*",
		schemas.ID(strings.Repeat("x", 200)), schemas.ID(strings.Repeat("x", 199) + "y"), schemas.ID(strings.Repeat("9", 200)),
		schemas.ID(strings.Repeat("x", 63)), schemas.ID(strings.Repeat("x", 64)), schemas.ID(strings.Repeat("x", 65)),
	}
	lease := acquire(t, s, north, long)
	entries := map[schemas.ID][]byte{}
	for i, id := range ids {
		entries[id] = fmt.Appendf(nil, "entry %d", i)
	}
	commit(t, s, lease, first("one", entries))
	got := load(t, s, north, patients, ids...)
	wantState(t, got, "one", len(ids))
	for i, id := range ids {
		if string(got.Entries[i]) != fmt.Sprintf("entry %d", i) {
			t.Errorf("id %q: got %q, want %q", id, got.Entries[i], entries[id])
		}
	}
}

func manyEntries(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	var was []byte
	var all []schemas.ID
	for page := range 3 {
		entries := map[schemas.ID][]byte{}
		for i := range 700 {
			id := schemas.ID(fmt.Sprint(1_700_000_000_000_000_000 + page*700 + i))
			entries[id] = []byte("entry of " + id)
			all = append(all, id)
		}
		state := fmt.Appendf(nil, "page %d", page)
		commit(t, s, lease, diff.Commit{Account: north, Resource: patients, Was: was, State: state, Entries: entries})
		was = state
	}
	got := load(t, s, north, patients, all...)
	wantState(t, got, "page 2", len(all))
	for i, id := range all {
		if string(got.Entries[i]) != "entry of "+string(id) {
			t.Fatalf("id %s: got %q", id, got.Entries[i])
		}
	}
}

// Names of accounts and resources that contain one another, or a word of a store's own layout, do not meet.
func apart(t *testing.T, s diff.Store) {
	t.Helper()
	accounts := []string{"a", "a-b", "a-b-c", "ab", "b", "lease", "token", "0"}
	resources := []schemas.Resource{"patient", "patients", "patient_s", "note", "notes", "lease", "token", "meta", "r", "state", "records"}
	leases := map[string]diff.Lease{}
	for _, a := range accounts {
		leases[a] = acquire(t, s, a, long)
	}
	for _, a := range accounts {
		for _, r := range resources {
			name := a + "/" + string(r)
			commit(t, s, leases[a], diff.Commit{
				Account: a, Resource: r, State: []byte(name), Shapes: map[uint32]string{1: name},
				Entries: map[schemas.ID][]byte{"1": []byte(name), schemas.ID(name): {1}},
			})
		}
	}
	for _, a := range accounts {
		for _, r := range resources {
			name := a + "/" + string(r)
			got := load(t, s, a, r, "1", schemas.ID(name), "a/patients!")
			wantState(t, got, name, 2)
			wantEntries(t, got, []byte(name), []byte{1}, nil)
			if want := (map[uint32]string{1: name}); !maps.Equal(got.Shapes, want) {
				t.Errorf("%s: got shapes %v, want %v", name, got.Shapes, want)
			}
		}
	}
	wantUnchanged(t, diff.Snapshot{Entries: [][]byte{nil}}, load(t, s, "a", "other", "1"))
	wantUnchanged(t, diff.Snapshot{Entries: [][]byte{nil}}, load(t, s, "c", "patients", "1"))
}

// What a caller passed in or got back it may overwrite.
func ownership(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	entry, state := []byte("entry"), []byte("state")
	c := diff.Commit{Account: north, Resource: patients, State: state, Entries: map[schemas.ID][]byte{"1": entry}}
	commit(t, s, lease, c)
	scribble := func(bs ...[]byte) {
		for _, b := range bs {
			copy(b, bytes.Repeat([]byte("#"), len(b)))
		}
	}
	scribble(entry, state)
	c.Entries["2"] = []byte("late")
	for range 2 {
		got := load(t, s, north, patients, "1", "2")
		wantState(t, got, "state", 1)
		wantEntries(t, got, []byte("entry"), nil)
		scribble(got.State, got.Entries[0])
		if got.Shapes != nil {
			got.Shapes[5] = "mine"
		}
		if again := load(t, s, north, patients); len(again.Shapes) != 0 {
			t.Errorf("got shapes %v, want none", again.Shapes)
		}
	}
}
