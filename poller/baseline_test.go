package poller

import (
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// baselineRequests are those of the requests that l has seen which a baseline paid for.
func baselineRequests(l *list) int {
	n := 0
	for i := range l.requests {
		if l.requests[i].Lane == cliniko.LaneBaseline {
			n++
		}
	}
	return n
}

// anImport is a list of 1,700 rows, 350 of them of one second and 1,000 of another.
func anImport() *list {
	l := newList()
	l.create(350)
	l.now += 300
	l.create(1000)
	for range 5 {
		l.now += 300
		l.create(70)
	}
	return l
}

// Wherever a baseline is stopped, in the middle of an import too, it asks for one page again at most.
func TestABaselineResumesWithinASecondOfManyRows(t *testing.T) {
	whole := 0
	for stop := 0; stop <= whole; stop++ {
		l, s := anImport(), newSink(t)
		r := newReader(l, s)
		r.mustFollow(t)
		if stop > 0 {
			l.failures = make([]error, stop-1, stop)
			l.failures = append(l.failures, &cliniko.Error{Kind: cliniko.Server, Status: 500})
			for r.baseline(t.Context(), t.Context()) {
			}
			if r = newReader(l, s); !r.standingDone(t) { // another process
				r.mustBaseline(t)
			}
		} else {
			r.mustBaseline(t)
			whole = baselineRequests(l)
		}
		s.holds(t, l)
		if got := baselineRequests(l); got > whole+1 {
			t.Errorf("stopped at request %d: %d requests in all, unbroken it takes %d", stop, got, whole)
		}
	}
	if whole < 17 || whole > 25 {
		t.Errorf("1,700 rows took %d requests", whole)
	}
}

// standingDone asks the sink how far it is, as a process does that has just begun, and tells whether that is the end.
func (r *reader) standingDone(t *testing.T) bool {
	t.Helper()
	if err := r.know(t.Context()); err != nil {
		t.Fatal(err)
	}
	return !r.pending(t.Context())
}

// The turn is given up between any two pages of a baseline: live polling waits for one request at most.
func TestABaselineTakesOneRequestAStep(t *testing.T) {
	l, s := anImport(), newSink(t)
	r := newReader(l, s)
	r.mustFollow(t)
	for r.pending(t.Context()) {
		before := len(l.requests)
		if err := r.step.take(t.Context(), func() error { return r.baselineStep(t.Context()) }); err != nil {
			t.Fatal(err)
		}
		if n := len(l.requests) - before; n > 1 {
			t.Errorf("a step of %d requests", n)
		}
	}
	s.holds(t, l)
}

func TestABaselineOfAListThatCannotBeSortedByID(t *testing.T) {
	l, s := anImport(), newSink(t)
	l.stable, l.refuses["id"] = true, true
	r := newReader(l, s)
	r.mustFollow(t)
	r.mustBaseline(t)
	s.holds(t, l)
}
