package poller

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// a full second that has to be read by pages. Rows that were met leave it between two pages: the others slide up
// by as many, and the count of ids met reaches the API's all the same. After a downtime the second is far behind the
// cursor when the poll ends, and nothing ever reads it again.
func TestRowsThatLeaveASecondWhileItIsReadByPages(t *testing.T) {
	l, s := newList(), newSink(t)
	l.stable = true
	l.refuses["id"] = true
	l.create(1)
	r := newReader(l, s)
	r.mustFollow(t)
	l.now = 50
	l.create(250) // 2..251, an import during the downtime
	l.now = 5000
	l.create(1)
	seconds := 0
	l.before = func(int) {
		if q := l.requests; len(q) > 0 && q[len(q)-1].Page == 1 && q[len(q)-1].Sort == "updated_at" && len(q[len(q)-1].Filters) == 2 {
			if seconds++; seconds == 1 { // between page 1 and page 2
				for id := 2; id <= 51; id++ {
					l.edit(id)
				}
			}
		}
	}
	r.mustFollow(t)
	l.before = nil
	l.now++
	r.deep = deepRead{}
	r.mustFollow(t)
	s.holds(t, l)
}

// badList is a list some of whose rows are no records.
type badList struct {
	*list
	bad map[schemas.ID]bool
}

func (b *badList) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	p, err := b.list.List(ctx, q)
	var good []schemas.Record
	for _, rec := range p.Records {
		if b.bad[rec.ID] {
			p.Bad = append(p.Bad, schemas.BadRow{ID: rec.ID, Stamp: rec.Stamp, Reason: "updated_at is not a time"})
		} else {
			good = append(good, rec)
		}
	}
	p.Records = good
	return p, err
}

// one bad row on a page but the last of a full second that is read by pages: it is never complete.
func TestABadRowInASecondThatIsReadByPages(t *testing.T) {
	l, s := newList(), newSink(t)
	l.stable = true
	l.refuses["id"] = true
	b := &badList{l, map[schemas.ID]bool{"7": true}}
	l.create(1)
	r := newReader(b, s)
	r.mustFollow(t)
	l.now = 50
	l.create(250)
	l.now = 60
	l.create(1)
	if err := r.follow(t.Context(), t.Context()); err != nil {
		t.Errorf("%d requests: %v", len(l.requests), err)
	}
}

// a page full of bad rows is passed a second at a time.
func TestAPageOfBadRowsIsPassed(t *testing.T) {
	l, s := newList(), newSink(t)
	b := &badList{l, map[schemas.ID]bool{}}
	l.create(1)
	r := newReader(b, s)
	r.mustFollow(t)
	l.now = 86400 // a day later
	for i := 2; i <= 121; i++ {
		b.bad[schemas.ID(strconv.Itoa(i))] = true
	}
	l.create(120)
	l.now++
	l.create(1)
	ctx, cancel := context.WithCancel(t.Context())
	l.before = func(n int) {
		if n > 300 {
			cancel()
		}
	}
	_ = r.follow(ctx, ctx)
	if n := len(l.requests); n > 300 {
		t.Errorf("%d requests and no end; the window is at %v", n, l.requests[n-1].Filters)
	}
}

// good rows behind a page of bad ones in one second are passed over.
func TestGoodRowsBehindAPageOfBadOnesAreMet(t *testing.T) {
	l, s := newList(), newSink(t)
	b := &badList{l, map[schemas.ID]bool{}}
	l.create(1)
	r := newReader(b, s)
	r.mustFollow(t)
	l.now = 50
	for i := 2; i <= 121; i++ {
		b.bad[schemas.ID(strconv.Itoa(i))] = true
	}
	l.create(220)
	l.now = 60
	l.create(1)
	r.mustFollow(t)
	lost := 0
	for id := range l.rows {
		if rec := l.record(id); !b.bad[rec.ID] && s.seen[rec.ID] != string(rec.Raw) {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d good rows were never handed on, and the cursor is past them: %s", lost, s.standing.Marks[schemas.Live].Cursor)
	}
}

// what a quiet resource costs whose last change was an import.
func TestAnOldImportCostsNothing(t *testing.T) {
	for name, spread := range map[string]int{"in one second": 1, "in a hundred seconds": 100} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, s := newList(), newSink(t)
				l.stable = true
				l.create(1)
				r := newReader(l, s)
				r.mustFollow(t)
				l.now = 50
				for range spread {
					l.create(12000 / spread)
					l.now++
				}
				l.now += 3600
				minute := func() int {
					before := len(l.requests)
					for range 6 { // @every 10s
						r.mustFollow(t)
						time.Sleep(10 * time.Second)
						l.now += 10
					}
					return len(l.requests) - before
				}
				minute()
				l.now += 3600
				if n := minute(); n > 30 {
					t.Errorf("an hour after the import, nothing changing, a minute takes %d requests of the 180", n)
				}
			})
		})
	}
}

// the direction in `order` is ignored, and the oldest hundred rows share one stamp: Began is the oldest stamp.
func TestTheOpeningLookIsNotFooledByEqualStamps(t *testing.T) {
	l, s := newList(), newSink(t)
	l.ignoresOrder = true
	l.create(150) // the clinic's import
	l.now = 9000
	l.create(40)
	r := newReader(l, s)
	r.mustFollow(t)
	if first := s.pages[0]; !first.Began.Equal(at(9000)) {
		t.Errorf("began %s, want %s: the 40 records since are told as created", first.Began, at(9000))
	}
}

// laneSource serves live requests and lets the baseline wait, as the budget does while live polling uses all of it.
type laneSource struct {
	*list
	blocked chan struct{}
	waiting atomic.Bool
}

func (s *laneSource) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	if q.Lane == cliniko.LaneBaseline && !q.Paid {
		if err := s.Reserve(ctx, q.Lane); err != nil {
			return cliniko.Page{}, err
		}
	}
	return s.list.List(ctx, q)
}

func (s *laneSource) Reserve(ctx context.Context, lane cliniko.Lane) error {
	if lane != cliniko.LaneBaseline {
		return nil
	}
	s.waiting.Store(true)
	select {
	case <-s.blocked:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Live polling of a resource does not wait behind its baseline's request, which waits in the lowest lane.
func TestLivePollingDoesNotWaitBehindTheBaseline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newList(), newSink(t)
		src := &laneSource{list: l, blocked: make(chan struct{})}
		l.create(300)
		r := newReader(src, s)
		r.mustFollow(t)
		based := make(chan struct{})
		go func() {
			defer close(based)
			for r.baseline(t.Context(), t.Context()) {
			}
		}()
		synctest.Wait()
		if !src.waiting.Load() {
			t.Fatal("the baseline does not wait")
		}
		r.mustFollow(t) // or the bubble is stuck, and says so
		close(src.blocked)
		<-based
	})
}

// one row with a stamp of a day ahead (a server's clock was wrong for a moment).
func TestAStampFromTheFutureHidesNothing(t *testing.T) {
	l, s := newList(), newSink(t)
	l.create(1)
	r := newReader(l, s)
	r.mustFollow(t)
	l.now = 10
	l.rows[2] = &row{created: 10, updated: 86400, visible: 10}
	r.mustFollow(t)
	l.now = 500
	l.edit(1)
	r.deep = deepRead{}
	r.mustFollow(t)
	s.holds(t, l)
}

// a list that times out at a hundred rows and would answer at fifty.
type heavyList struct{ *list }

func (h *heavyList) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	if q.PerPage > 50 && len(q.Filters) > 0 {
		h.requests = append(h.requests, q)
		return cliniko.Page{}, &cliniko.Error{Kind: cliniko.Server, Path: q.Path, Status: 504}
	}
	return h.list.List(ctx, q)
}

func TestAHeavyListIsReadInSmallerPages(t *testing.T) {
	l, s := newList(), newSink(t)
	l.create(1)
	r := newReader(&heavyList{l}, s)
	var err error
	for range 5 {
		if err = r.follow(t.Context(), t.Context()); err == nil {
			return
		}
	}
	t.Errorf("five tries, all of too many rows: %v", err)
}

// A baseline that was complete is read again once the store has lost that.
func TestABaselineThatTheStoreLostIsTakenUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newList(), newSink(t)
		l.create(30)
		r := newReader(l, s)
		r.mustFollow(t)
		p := &Poller{resources: []*resource{r.resource}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { p.baselines(ctx, ctx); close(ended) }()
		time.Sleep(time.Minute)
		locked := func(f func()) {
			if err := r.step.take(ctx, func() error { f(); return nil }); err != nil {
				t.Error(err)
			}
		}
		locked(func() {
			delete(s.standing.Marks, schemas.Baseline) // the store was put back to before its end
			s.fail = []error{errors.New("the resource's standing has changed")}
		})
		_ = r.follow(ctx, ctx) // it fails: that is how the poller learns of it
		r.mustFollow(t)
		time.Sleep(10 * time.Minute)
		locked(func() {
			if !s.standing.Marks[schemas.Baseline].Done {
				t.Errorf("ten minutes later the baseline is %q, and nobody reads it", r.status().Baseline)
			}
		})
		cancel()
		<-ended
	})
}
