package difftest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// eachOnce lists more records than any store reads at a time, written in pages and some of them twice; of another
// resource and of one that is unknown it lists nothing.
func eachOnce(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	want := map[schemas.ID][]byte{}
	var was []byte
	for page := range 5 {
		entries := map[schemas.ID][]byte{"1": fmt.Appendf(nil, "version %d", page)}
		for i := range 1000 {
			id := schemas.ID(fmt.Sprint(9_007_199_254_740_992 + page*1000 + i))
			entries[id] = []byte("entry of " + id)
		}
		state := fmt.Appendf(nil, "page %d", page)
		commit(t, s, lease, diff.Commit{Account: north, Resource: patients, Was: was, State: state, Entries: entries})
		was = state
		maps.Copy(want, entries)
	}
	for _, other := range []schemas.Resource{"patient", "contacts"} {
		if got := each(t, s, other); len(got) != 0 {
			t.Errorf("%s: got %d records, want none", other, len(got))
		}
	}
	got := each(t, s, patients)
	if len(got) != len(want) {
		t.Fatalf("got %d records, want %d", len(got), len(want))
	}
	for id, entry := range want {
		if !bytes.Equal(got[id], entry) {
			t.Fatalf("id %s: got %q, want %q", id, got[id], entry)
		}
	}
}

// each lists the records of a resource of the account north. An id that comes twice fails the test.
func each(t *testing.T, s diff.Store, resource schemas.Resource) map[schemas.ID][]byte {
	t.Helper()
	all := map[schemas.ID][]byte{}
	err := s.Each(t.Context(), north, resource, func(id schemas.ID, entry []byte) error {
		if all[id] != nil {
			t.Errorf("id %s came twice", id)
		}
		all[id] = bytes.Clone(entry)
		return nil
	})
	if err != nil {
		t.Fatalf("list %s: %v", resource, err)
	}
	return all
}

func eachStops(t *testing.T, s diff.Store) {
	t.Helper()
	lease := acquire(t, s, north, long)
	commit(t, s, lease, first("one", map[schemas.ID][]byte{"1": {1}, "2": {2}, "3": {3}}))
	enough, n := errors.New("enough"), 0
	err := s.Each(t.Context(), north, patients, func(schemas.ID, []byte) error {
		n++
		return enough
	})
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("got %v after %d records, want %v after 1", err, n, enough)
	}
}
