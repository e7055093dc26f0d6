package bridge

import (
	"maps"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Whatever a note holds, it is read or refused, and no error shows it. What is read of it is written as what reads the same.
func FuzzNotes(f *testing.F) {
	f.Add([]byte(`{"patients":{"last":"2027-03-27T03:30:00Z","up_to":"2027-03-27T03:29:57Z","held":412}}`))
	f.Add([]byte(`{"Zebulon":{"last":"Zebulon"}}`))
	f.Add([]byte(`{"patients":{"last":"2027-03-27T23:30:00.987-23:59","held":-1}}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`2025 2027-03-27T03:30:00Z`))
	f.Add([]byte(`2024 2027-03-27T03:30:00Z`))
	f.Add([]byte(`2017 Zebulon`))
	f.Fuzz(func(t *testing.T, note []byte) {
		store := difftest.NewMemory()
		ctx := t.Context()
		a := &account{b: &Bridge{store: &watchedStore{Store: store}, log: zap.NewNop()}, cfg: &config.Account{Name: "northside"}}
		for _, name := range []string{sweepNote, editionNote} {
			if err := store.PutNote(ctx, "northside", name, note, 0); err != nil {
				t.Fatal(err)
			}
		}
		if found, ok := a.noted(ctx); ok {
			if len(schemas.Catalogue(found.edition)) == 0 {
				t.Errorf("%q is the edition %q", note, found.edition)
			}
			a.note(ctx, found)
			if again, ok := a.noted(ctx); !ok || again.edition != found.edition || schemas.FormatStamp(again.at) != schemas.FormatStamp(found.at) {
				t.Errorf("%v became %v, %v", found, again, ok)
			}
		}
		sweeps, err := SweepNotes(ctx, store, "northside")
		if err != nil {
			if strings.Contains(err.Error(), "Zebulon") {
				t.Errorf("the error shows the note: %v", err)
			}
			return
		}
		if err := PutSweepNote(ctx, store, "northside", sweeps); err != nil {
			t.Skip() // a year that JSON does not know
		}
		once, err := SweepNotes(ctx, store, "northside")
		if err != nil || len(once) != len(sweeps) {
			t.Fatalf("%v became %v, %v", sweeps, once, err)
		}
		if err := PutSweepNote(ctx, store, "northside", once); err != nil {
			t.Fatal(err)
		}
		if twice, err := SweepNotes(ctx, store, "northside"); err != nil || !maps.EqualFunc(once, twice, func(x, y SweepNote) bool {
			return x.Last.Equal(y.Last) && x.UpTo.Equal(y.UpTo) && x.Held == y.Held
		}) {
			t.Errorf("%v became %v, %v", once, twice, err)
		}
	})
}
