package bridge

import (
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/filestore"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func openStore(t *testing.T) diff.Store {
	t.Helper()
	store, err := filestore.Open(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// What is put is what is read, to the second and in UTC; each account has its own, and a later note replaces all of it.
func TestASweepNoteIsReadAsItWasPut(t *testing.T) {
	store := openStore(t)
	last := time.Date(2027, 3, 27, 13, 30, 1, 987, time.FixedZone("Brisbane", 10*60*60))
	put := map[schemas.Resource]SweepNote{"patients": {Last: last, Held: 412}, "invoices": {Last: last}}
	if err := PutSweepNote(t.Context(), store, "northside", put); err != nil {
		t.Fatal(err)
	}
	utc := time.Date(2027, 3, 27, 3, 30, 1, 0, time.UTC)
	want := map[schemas.Resource]SweepNote{"patients": {Last: utc, Held: 412}, "invoices": {Last: utc}}
	if got, err := SweepNotes(t.Context(), store, "northside"); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if got, err := SweepNotes(t.Context(), store, "southside"); err != nil || got == nil || len(got) != 0 {
		t.Errorf("another account: got %v, %v", got, err)
	}
	if err := PutSweepNote(t.Context(), store, "northside", nil); err != nil {
		t.Fatal(err)
	}
	if got, err := SweepNotes(t.Context(), store, "northside"); err != nil || got == nil || len(got) != 0 {
		t.Errorf("after an empty note: got %v, %v", got, err)
	}
}

// The text of the note is fixed: what one version writes, another reads.
func TestTheTextOfASweepNote(t *testing.T) {
	store := openStore(t)
	note := SweepNote{Last: time.Date(2027, 3, 27, 3, 30, 0, 0, time.UTC), Held: 412}
	if err := PutSweepNote(t.Context(), store, "northside", map[schemas.Resource]SweepNote{"patients": note}); err != nil {
		t.Fatal(err)
	}
	text, err := store.Note(t.Context(), "northside", "sweep")
	if want := `{"patients":{"last":"2027-03-27T03:30:00Z","held":412}}`; string(text) != want || err != nil {
		t.Errorf("got %s, %v; want %s", text, err, want)
	}
	for _, damaged := range []string{"", "null", "[]", `{"patients":412}`, `{"patients":{"last":"yesterday"}}`} {
		if err := store.PutNote(t.Context(), "northside", "sweep", []byte(damaged), 0); err != nil {
			t.Fatal(err)
		}
		if got, err := SweepNotes(t.Context(), store, "northside"); err == nil {
			t.Errorf("%q: got %v and no error", damaged, got)
		}
	}
}
