package poller

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func (r *reader) mustFollow(t *testing.T) {
	t.Helper()
	if err := r.follow(t.Context(), t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (r *reader) mustBaseline(t *testing.T) {
	t.Helper()
	for r.baseline(t.Context(), t.Context()) {
	}
	if r.pending(t.Context()) {
		t.Fatalf("the baseline did not end: %q", r.status().Notes)
	}
}

// However a list moves while it is read, whatever its order of equal stamps, and however many rows share a second:
// once it stands still, the sink has the last version of every row.
func TestAMovingListIsReadWhole(t *testing.T) {
	readWhole(t, func(rt *rapid.T, l *list) { l.noTotal = rapid.Bool().Draw(rt, "no total") }, nil)
}

// readWhole is the property for lists with a peculiarity. Errors that passes says yes to may come while the list moves, and
// once when it stands still.
func readWhole(t *testing.T, spoil func(*rapid.T, *list), passes func(error) bool) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		l, s := newList(), newSink(t)
		spoil(rt, l)
		for range rapid.IntRange(0, 4).Draw(rt, "bursts before") {
			l.create(rapid.SampledFrom([]int{1, 3, 99, 100, 101, 250}).Draw(rt, "rows"))
			l.now += rapid.IntRange(0, 2).Draw(rt, "seconds")
		}
		r := newReader(l, s)
		calm := false
		l.before = func(int) {
			if calm {
				return
			}
			for range rapid.IntRange(0, 3).Draw(rt, "moves") {
				switch {
				case len(l.rows) == 0 || rapid.IntRange(0, 9).Draw(rt, "move") == 0:
					l.create(rapid.SampledFrom([]int{1, 1, 120}).Draw(rt, "new rows"))
				default:
					l.edit(rapid.IntRange(1, len(l.rows)).Draw(rt, "row"))
				}
				l.now += rapid.SampledFrom([]int{0, 0, 0, 1, 60}).Draw(rt, "pause")
			}
			if len(l.requests) > 60 {
				calm = true
			}
		}
		for range rapid.IntRange(1, 5).Draw(rt, "polls") {
			if err := r.follow(t.Context(), t.Context()); err != nil && (passes == nil || !passes(err)) {
				rt.Fatalf("follow: %v", err)
			}
			if rapid.Bool().Draw(rt, "baseline") {
				for r.baseline(t.Context(), t.Context()) {
				}
			}
		}
		calm = true
		l.now++
		if l.lags < 0 { // a clock that is ahead is waited for, and so is the next deep reading
			l.now -= 2 * l.lags
			r.deep = deepRead{}
		}
		err := r.follow(t.Context(), t.Context())
		if err != nil && passes != nil && passes(err) {
			err = r.follow(t.Context(), t.Context())
		}
		if err != nil {
			rt.Fatalf("follow: %v", err)
		}
		for moved := true; moved; {
			moved = r.baseline(t.Context(), t.Context()) || passes != nil && r.base.clear() > 0
		}
		if r.pending(t.Context()) {
			rt.Fatalf("the baseline did not end: %q", r.status().Notes)
		}
		s.holds(rt, l)
	})
}

func TestAListIsAskedByKeysetAndNeverByPageNumbers(t *testing.T) {
	l, s := newList(), newSink(t)
	for range 5 {
		l.create(90)
		l.now++
	}
	r := newReader(l, s)
	r.mustFollow(t)
	r.mustBaseline(t)
	for _, q := range l.requests {
		if q.Page > 1 {
			t.Errorf("asked for page %d of %v", q.Page, q.Filters)
		}
	}
	s.holds(t, l)
}

func TestASecondWithThousandsOfRows(t *testing.T) {
	for name, refuse := range map[string]bool{"by ids": false, "by pages, if ids cannot be sorted": true} {
		t.Run(name, func(t *testing.T) {
			l, s := newList(), newSink(t)
			l.create(1)
			r := newReader(l, s)
			r.mustFollow(t)
			l.now = 50
			l.create(1234)
			if refuse {
				l.refuses["id"] = true
				l.stable = true // else page numbers make no sense
			}
			l.now = 51
			l.create(2)
			r.mustFollow(t)
			s.holds(t, l)
			if got := s.standing.Marks[schemas.Live].Cursor; !got.Equal(at(51)) {
				t.Errorf("the cursor is %s, want %s", got, at(51))
			}
		})
	}
}

func TestASecondWhosePagesRepeatIsAnErrorAndNoProgress(t *testing.T) {
	l, s := newList(), newSink(t)
	l.create(1)
	r := newReader(l, s)
	r.mustFollow(t)
	l.now = 50
	l.create(300)
	l.refuses["id"], l.stable, l.firstPageOnly = true, true, true
	err := r.follow(t.Context(), t.Context())
	if err == nil || !strings.Contains(err.Error(), "pages repeat") {
		t.Errorf("got %v, want the repetition named", err)
	}
	if got := s.standing.Marks[schemas.Live].Cursor; got.After(at(50)) {
		t.Errorf("the cursor is %s, past what was read", got)
	}
}

func TestAFullSecondThatStandsStillIsNotReadAgainByEveryPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := newList(), newSink(t)
		l.create(1)
		r := newReader(l, s)
		r.mustFollow(t)
		l.now = 50
		l.create(2000)
		l.now = 52
		r.mustFollow(t)
		r.mustFollow(t) // the look-back once more, since the cursor has moved far
		before := len(l.requests)
		time.Sleep(5 * time.Second)
		l.edit(7)
		r.mustFollow(t)
		if got := len(l.requests) - before; got > 4 {
			t.Errorf("the poll took %d requests, want 4 at most", got)
		}
		s.holds(t, l)
		// A value that changes under its stamp does not show in the count; it is found when the look-back is read whole.
		l.rows[9].version++
		time.Sleep(deepEvery)
		r.mustFollow(t)
		s.holds(t, l)
	})
}

func TestRowsThatShowLateAreMetInTheLookBack(t *testing.T) {
	l, s := newList(), newSink(t)
	l.create(3)
	r := newReader(l, s)
	r.mustFollow(t)
	l.now = 200
	l.create(1)
	l.rows[5] = &row{created: 210, updated: 210, visible: 320}
	l.now = 315
	l.create(1) // becomes 6: rows has 5 already
	r.mustFollow(t)
	if _, ok := s.seen["5"]; ok {
		t.Fatal("a row was seen before it shows")
	}
	l.now = 320
	r.mustFollow(t)
	s.holds(t, l)
}

func TestTheLookBackFollowsTheLateness(t *testing.T) {
	l, s := newList(), newSink(t)
	l.create(1)
	r := newReader(l, s)
	r.mustFollow(t)
	s.late = 90 * time.Second
	r.mustFollow(t)
	s.late = 0
	r.mustFollow(t)
	if got, want := s.standing.Marks[schemas.Live].Lookback, 3*time.Minute; got != want {
		t.Errorf("the look-back is %s, want %s", got, want)
	}
	from := l.requests[len(l.requests)-1].Filters[0].Value
	if want := schemas.FormatStamp(at(-180)); from != want {
		t.Errorf("asked from %s, want %s", from, want)
	}
}

func TestTheOpeningLookTakesTheNewestAndAllOfItsSecond(t *testing.T) {
	for name, spoil := range map[string]func(*list){
		"plain":                               func(*list) {},
		"the direction in `order` is ignored": func(l *list) { l.ignoresOrder = true },
	} {
		t.Run(name, func(t *testing.T) {
			l, s := newList(), newSink(t)
			l.create(40)
			l.now = 9
			l.create(150)
			spoil(l)
			r := newReader(l, s)
			r.mustFollow(t)
			first := s.pages[0]
			ids := map[schemas.ID]bool{}
			for _, rec := range first.Records {
				if rec.Stamp.Equal(at(9)) {
					ids[rec.ID] = true
				}
			}
			if !first.Opening || !first.Began.Equal(at(9)) || len(ids) != 150 {
				t.Errorf("opening %v, began %s, %d rows of its second; want all 150", first.Opening, first.Began, len(ids))
			}
		})
	}
}

func TestAShortListThatIgnoresEverySortIsRead(t *testing.T) {
	l, s := newList(), newSink(t)
	for range 30 {
		l.create(1)
		l.now++
	}
	l.ascending = true
	r := newReader(l, s)
	r.mustFollow(t)
	r.mustBaseline(t)
	s.holds(t, l)
	if !s.standing.Began.Equal(at(29)) {
		t.Errorf("began at %s, want the newest stamp", s.standing.Began)
	}
}

func TestAnEmptyListIsOpenedAndComplete(t *testing.T) {
	l, s := newList(), newSink(t)
	r := newReader(l, s)
	r.mustFollow(t)
	r.mustBaseline(t)
	l.now = 5
	l.create(1)
	r.mustFollow(t)
	s.holds(t, l)
	if began := s.standing.Began; began.After(at(0)) || began.Before(at(0).Add(-time.Hour)) {
		t.Errorf("began at %s, want a little before the API's own time: what is created from now on is new", began)
	}
}

func TestAFailureMovesNothing(t *testing.T) {
	boom := errors.New("the sink fails")
	server := &cliniko.Error{Kind: cliniko.Server, Path: "/patients", Status: 502}
	for name, fail := range map[string]func(*list, *sink){
		"the second request": func(l *list, _ *sink) { l.failures = []error{nil, server} },
		"the second page":    func(_ *list, s *sink) { s.fail = []error{nil, boom} },
	} {
		t.Run(name, func(t *testing.T) {
			l, s := newList(), newSink(t)
			l.create(1)
			r := newReader(l, s)
			r.mustFollow(t)
			for l.now = 10; l.now < 14; l.now++ {
				l.create(80)
			}
			fail(l, s)
			if err := r.follow(t.Context(), t.Context()); !errors.Is(err, boom) && !errors.Is(err, server) {
				t.Fatalf("got %v", err)
			}
			r.mustFollow(t)
			s.holds(t, l)
		})
	}
}

func TestTheBaselineResumesWhereItStopped(t *testing.T) {
	l, s := newList(), newSink(t)
	for range 20 {
		l.create(70)
		l.now += 200
	}
	r := newReader(l, s)
	r.mustFollow(t)
	l.failures = make([]error, 10)
	l.failures = append(l.failures, &cliniko.Error{Kind: cliniko.Server, Status: 500})
	for r.baseline(t.Context(), t.Context()) {
	}
	if !r.pending(t.Context()) {
		t.Fatal("it ended before its end")
	}
	before := len(l.requests)
	r = newReader(l, s) // another process
	r.mustFollow(t)
	r.mustBaseline(t)
	s.holds(t, l)
	if got := len(l.requests) - before; got > 14 { // of 20 pages and the live list
		t.Errorf("the second process took %d requests", got)
	}
}

func TestASingletonIsReadWhole(t *testing.T) {
	l, s := newList(), newSink(t)
	spec, _ := schemas.Lookup(schemas.Edition2017, "settings")
	r := newResource(&Config{
		Account: "northside", Source: l, Sink: s, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()),
	}, spec, staggered{every: 60})
	r.poll(t.Context(), t.Context())
	if st := r.status(); st.Baseline != "complete" || st.LastError != "" || len(s.seen) != 1 || !s.pages[0].Opening {
		t.Fatalf("after the first look: %+v, %d records", st, len(s.seen))
	}
	l.object++
	l.failures = []error{&cliniko.Error{Kind: cliniko.Forbidden, Path: "/settings", Status: 403}}
	r.poll(t.Context(), t.Context())
	if st := r.status(); !strings.Contains(st.LastError, "403") {
		t.Errorf("a user who may not see it: %+v", st)
	}
	r.readers[0].following.clear()
	r.poll(t.Context(), t.Context())
	if got, want := s.seen["settings"], `{"name":"version 1"}`; got != want {
		t.Errorf("the sink has %s, want %s", got, want)
	}
}
