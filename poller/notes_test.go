package poller

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// failing is a Source in front of a list, which fails for some paths.
type failing struct {
	*list
	err map[string]error
}

func (f *failing) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	if err := f.err[q.Path]; err != nil {
		return cliniko.Page{}, err
	}
	return f.list.List(ctx, q)
}

func wantNotes(t *testing.T, r *resource, want ...string) {
	t.Helper()
	if got := r.status().Notes; !slices.Equal(got, want) {
		t.Errorf("got the notes\n%q, want\n%q", got, want)
	}
}

// A further feed that is not read is told as long as that lasts, and so is a baseline; what hinders the resource's own list is
// in LastError alone.
func TestNotesTellWhatIsSetAsideAndEndWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{list: newList(), err: map[string]error{
			"/patients/archived": &cliniko.Error{Kind: cliniko.Forbidden, Path: "/patients/archived", Status: 403},
			"/patients/deleted":  &cliniko.Error{Kind: cliniko.Network, Path: "/patients/deleted", Reason: "timed out"},
		}}
		f.create(3)
		r := newReader(f, newSink(t)).resource
		r.poll(t.Context(), t.Context())
		r.further.Wait()
		wantNotes(t, r,
			"the list of archived records answers 403: it is asked again every 10 minutes",
			"the list of deleted records does not come through (poll northside/patients (deleted) since 1970-01-01T00:00:00Z: "+
				"GET /patients/deleted: timed out): it is tried again")
		if st := r.status(); st.LastError != "" {
			t.Errorf("the resource's own list came through, and the last error is %q", st.LastError)
		}

		f.err = map[string]error{"/patients": &cliniko.Error{Kind: cliniko.Server, Path: "/patients", Status: 502}}
		r.readers[0].baseline(t.Context(), t.Context())
		for range sideEvery {
			time.Sleep(asideWait)
			r.poll(t.Context(), t.Context())
			r.further.Wait()
		}
		wantNotes(t, r, "the baseline: the list answers 502: it is tried again")
		if st := r.status(); st.LastError == "" {
			t.Error("the resource's own list did not come through, and there is no last error")
		}

		f.err = nil
		time.Sleep(asideWait)
		r.readers[0].baseline(t.Context(), t.Context())
		r.poll(t.Context(), t.Context())
		r.further.Wait()
		wantNotes(t, r)
		if st := r.status(); st.LastError != "" {
			t.Errorf("all came through, and the last error is %q", st.LastError)
		}
	})
}

// What a list refuses is told with the names of the fields.
func TestNotesTellWhatAListRefuses(t *testing.T) {
	l := newList()
	l.create(1)
	r := newReader(&pickyList{list: l, field: "archived_at"}, newSink(t))
	r.feed.Filters = []string{"archived_at:*", "cancelled_at:*"}
	l.refuse("updated_at", "updated_at:desc")
	r.mustFollow(t)
	wantNotes(t, r.resource,
		"the list refuses a filter (archived_at:*, cancelled_at:*): what it hides is not seen this way",
		"the list refuses to be sorted by updated_at: it is read window by window")
}

// The same of a list that ignores the sort.
func TestNotesTellThatAListIgnoresTheSort(t *testing.T) {
	l, s := newList(), newSink(t)
	for range 300 {
		l.create(1)
		l.now++
	}
	for id := 300; id > 0; id-- {
		l.edit(id)
		l.now++
	}
	l.ignoresSort = true
	r := newReader(l, s)
	_ = r.follow(t.Context(), t.Context())
	r.mustFollow(t)
	wantNotes(t, r.resource, "the list does not come sorted by updated_at: it is read window by window")
}
