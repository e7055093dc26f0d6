package diff_test

import (
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Whatever the note of what is set aside holds, it is read or refused; the list is bounded, and what is written of it reads
// as the same.
func FuzzAsides(f *testing.F) {
	f.Add([]byte(`{"patients":{"count":1,"newest":[{"id":"5","list":"live","reason":"no id","since":"2027-03-27T10:04:02Z"}]}}`))
	f.Add([]byte(`{"patients":{"count":-1,"newest":[{},{},{"since":"0001-01-01T00:00:00Z"}]},"":{"count":9,"newest":null}}`))
	f.Add([]byte(`{"patients":{"count":2,"newest":[{"id":"5"},{"id":"5","reason":"x"}]}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, note []byte) {
		b := newBench(t)
		if err := b.store.PutNote(t.Context(), "northside", "set_aside", note, 0); err != nil {
			t.Fatal(err)
		}
		b.accept(t, opening(0))
		kept := b.differ.SetAside(patients)
		if kept.Count > 100 || len(kept.Newest) != kept.Count {
			t.Errorf("%d are listed, %d shown", kept.Count, len(kept.Newest))
		}
		page := live(5)
		page.Bad = []schemas.BadRow{{ID: "a new one", Reason: "no updated_at"}}
		b.accept(t, page)
		want := b.differ.SetAside(patients)
		all, err := diff.ReadAsides(t.Context(), b.store, "northside")
		if got := all[patients]; err != nil || got.Count != want.Count || len(got.Newest) != len(want.Newest) {
			t.Errorf("%d were written, %d are read, %v", want.Count, got.Count, err)
		}
	})
}
