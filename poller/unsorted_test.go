package poller

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func (l *list) refuse(sorts ...string) {
	for _, s := range sorts {
		l.refuses[s] = true
	}
}

// A list that refuses the sort is read whole however it moves, whatever clock its header tells: one that is ahead, if not by
// more than a minute.
func TestAMovingListThatRefusesTheSortIsReadWhole(t *testing.T) {
	readWhole(t, func(rt *rapid.T, l *list) {
		l.refuse("updated_at", "updated_at:desc")
		l.noTotal = rapid.Bool().Draw(rt, "no total")
		l.noDate = rapid.Bool().Draw(rt, "no date")
		l.lags = rapid.SampledFrom([]int{0, 0, 7, 4000, -7, -50}).Draw(rt, "lags")
	}, func(err error) bool { return errors.Is(err, errMoved) })
}

// The same of a list that refuses to be sorted by id too, so that a crowded second is read by its pages.
func TestAMovingListThatRefusesEverySortIsReadWhole(t *testing.T) {
	readWhole(t, func(_ *rapid.T, l *list) {
		l.refuse("updated_at", "updated_at:desc", "id")
		l.stable = true // else page numbers make no sense
	}, func(err error) bool { return errors.Is(err, errMoved) || strings.Contains(err.Error(), "pages repeat") })
}

// The same of a list that pays no heed to any sort, and so gives pages that are in order by chance.
func TestAMovingListThatIgnoresTheSortIsReadWhole(t *testing.T) {
	readWhole(t, func(_ *rapid.T, l *list) { l.ignoresSort = true }, func(err error) bool {
		return errors.Is(err, errUnordered) || errors.Is(err, errMoved) || strings.Contains(err.Error(), "pages repeat")
	})
}

// A page of a list that ignores the sort is in order if its last record alone was edited. The next page then holds records
// that are stamped before that one.
func TestAPageThatIsInOrderByChanceSkipsNothing(t *testing.T) {
	l, s := newList(), newSink(t)
	l.ignoresSort = true
	for range 250 {
		l.create(1)
		l.now++
	}
	l.now = 1000
	l.edit(100)
	r := newReader(l, s)
	for range 4 { // two pages that are out of order are errors; which ones come first is not the point
		_ = r.follow(t.Context(), t.Context())
		r.base.clear()
		for r.baseline(t.Context(), t.Context()) {
		}
	}
	if r.pending(t.Context()) {
		t.Fatal("the baseline did not end")
	}
	s.holds(t, l)
}

func TestAListThatIgnoresTheDirectionAloneIsSortedStill(t *testing.T) {
	l, s := newList(), newSink(t)
	for range 450 {
		l.create(1)
		l.now++
	}
	l.ascending = true
	r := newReader(l, s)
	r.mustFollow(t)
	r.mustBaseline(t)
	s.holds(t, l)
	if r.unsorted {
		t.Error("it was taken for a list that does not sort")
	}
	if !s.standing.Began.Equal(at(449)) {
		t.Errorf("began at %s, want the newest stamp", s.standing.Began)
	}
}

// The opening look at a list that cannot give its newest records first finds them all the same, whatever the clock of its
// header, and however many share their second: nothing older is told as new, and nothing newer as old.
func TestTheOpeningLookFindsTheNewestWithoutASort(t *testing.T) {
	for name, spoil := range map[string]func(*list){
		"a clock that agrees":    func(*list) {},
		"no clock":               func(l *list) { l.noDate = true },
		"a clock an hour behind": func(l *list) { l.lags = 3600 },
		"a clock a year ahead":   func(l *list) { l.lags = -365 * 86400 },
	} {
		for _, rows := range []int{1, 40, 350} {
			t.Run(name, func(t *testing.T) {
				l, s := newList(), newSink(t)
				l.refuse("updated_at", "updated_at:desc")
				l.stable = true // by created_at
				for range 200 {
					l.create(2)
					l.now += 3600
				}
				for range 300 { // so that a half of the time may hold more than a page
					l.create(1)
					l.now += 600
				}
				l.create(rows)
				spoil(l)
				newest := at(l.now)
				l.now += 3 * 86400 // at rest
				r := newReader(l, s)
				r.mustFollow(t)
				ids := map[schemas.ID]bool{}
				for _, rec := range s.pages[0].Records {
					if rec.Stamp.Equal(newest) {
						ids[rec.ID] = true
					}
				}
				if first := s.pages[0]; !first.Opening || !first.Began.Equal(newest) || len(ids) != rows {
					t.Errorf("opening %v, began %s with %d rows, want %s with %d", first.Opening, first.Began, len(ids), newest, rows)
				}
				if n := len(l.requests); n > 80 { // the search, and then what the look-back before a crowded second costs
					t.Errorf("it took %d requests", n)
				}
				r.mustBaseline(t)
				s.holds(t, l)
			})
		}
	}
}

// The baseline of a list without a sort costs a request for 35 records or more, where a sort gives a hundred: no search for
// each page. A poll with little news costs one request, as it does with a sort.
func TestWhatAListWithoutASortCosts(t *testing.T) {
	const rows = 20_000
	for name, pause := range map[string]func(*rand.Rand) int{
		"evenly":          func(rng *rand.Rand) int { return 1 + rng.IntN(9000) },
		"in working time": func(rng *rand.Rand) int { return []int{60, 60, 60, 60, 60, 60, 60, 60, 60, 50_000}[rng.IntN(10)] },
		"by the second":   func(rng *rand.Rand) int { return rng.IntN(2) },
	} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 1))
			l, s := newList(), newSink(t)
			l.refuse("updated_at", "updated_at:desc")
			for range rows {
				l.create(1)
				if rng.IntN(4) == 0 {
					l.edit(1 + rng.IntN(len(l.rows)))
				}
				l.now += pause(rng)
			}
			l.now += 600
			r := newReader(l, s)
			r.mustFollow(t)
			opening := len(l.requests)
			r.mustBaseline(t)
			s.holds(t, l)
			baseline := len(l.requests) - opening
			t.Logf("the opening look took %d requests, the baseline %d: one for %d records", opening, baseline, rows/baseline)
			if opening > 40 || baseline > rows/35 {
				t.Errorf("the opening look took %d requests, the baseline %d", opening, baseline)
			}
			before := len(l.requests)
			l.edit(7)
			r.mustFollow(t)
			if n := len(l.requests) - before; n != 1 {
				t.Errorf("a poll with one change took %d requests", n)
			}
		})
	}
}

// Days of changes, met after a stop, are read by live polling at the same price.
func TestALongStopWithoutASort(t *testing.T) {
	l, s := newList(), newSink(t)
	l.refuse("updated_at", "updated_at:desc")
	l.create(1)
	r := newReader(l, s)
	r.mustFollow(t)
	for range 5000 {
		l.now += 60
		l.create(1)
	}
	before := len(l.requests)
	r.mustFollow(t)
	s.holds(t, l)
	if n := len(l.requests) - before; n > 5000/35 {
		t.Errorf("it took %d requests", n)
	}
	if got := s.standing.Marks[schemas.Live].Cursor; !got.Equal(at(l.now)) {
		t.Errorf("the cursor is %s, want %s", got, at(l.now))
	}
}

// What a list refuses is found out once, told once, and not asked for again.
func TestARefusedSortIsToldOnceAndNotAskedForAgain(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	l, s := newList(), newSink(t)
	l.refuse("updated_at", "updated_at:desc", "id")
	l.stable = true
	r := newReader(l, s)
	reg := prometheus.NewRegistry()
	r.log, r.metrics = zap.New(core), NewMetrics(reg)
	l.create(300)
	l.now = 100
	r.mustFollow(t)
	r.mustBaseline(t)
	refused := 0
	for _, q := range l.requests {
		if q.Sort == "updated_at" && !q.Desc {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("the refused sort was asked for %d times, want once", refused)
	}
	if n := logs.FilterMessageSnippet("refuses to be sorted").FilterField(zap.String("feed", "live")).Len(); n != 1 || logs.Len() != n {
		t.Errorf("it was told %d times, want once and nothing else: %v", n, logs.All())
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0.0
	for _, f := range families {
		if f.GetName() == "cliniko_bridge_fallbacks_total" {
			counted += f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	if counted != 1 {
		t.Errorf("it was counted %v times", counted)
	}
	s.holds(t, l)
}

// One page out of order may be anybody's mistake: it is an error, and two in a row are a list that does not sort.
func TestOnePageOutOfOrderIsNoListWithoutASort(t *testing.T) {
	l, s := newList(), newSink(t)
	for range 300 {
		l.create(1)
		l.now++
	}
	for id := 300; id > 0; id-- { // the oldest was edited last
		l.edit(id)
		l.now++
	}
	r := newReader(l, s)
	for _, c := range []struct {
		ignores bool
		want    error
	}{{true, errUnordered}, {false, nil}, {true, errUnordered}, {true, nil}} {
		if r.unsorted {
			t.Error("one page out of order, and the list is taken for one that does not sort")
		}
		l.ignoresSort = c.ignores
		if _, _, err := r.ask(t.Context(), window{from: epoch}); !errors.Is(err, c.want) {
			t.Fatalf("the sort ignored: %v: got %v, want %v", c.ignores, err, c.want)
		}
	}
	if !r.unsorted {
		t.Error("two pages out of order, and the list is still taken for one that sorts")
	}
}

// Pages that are in order by chance do not speak for a list that ignores the sort: else it would fail for ever.
func TestAListThatIsInOrderAtItsBeginningIsFoundOut(t *testing.T) {
	l, s := newList(), newSink(t)
	l.create(1)
	r := newReader(l, s)
	r.mustFollow(t)
	l.ignoresSort = true
	for range 400 {
		l.now++
		l.create(1)
	}
	for id := 400; id > 250; id-- {
		l.now++
		l.edit(id)
	}
	_ = r.follow(t.Context(), t.Context())
	r.mustFollow(t)
	s.holds(t, l)
}

// freeList pays no heed to filters on the stamp with one of the operators.
type freeList struct {
	*list
	ignores string
}

func (f *freeList) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	q.Filters = slices.DeleteFunc(slices.Clone(q.Filters), func(f2 cliniko.Filter) bool { return f2.Op == f.ignores })
	return f.list.List(ctx, q)
}

// A list that ignores the filter cannot be read by any strategy: that is an error, and neither progress nor a switch.
func TestAListThatIgnoresTheFilterIsAnErrorAndNoProgress(t *testing.T) {
	for _, op := range []string{">=", "<"} {
		l, s := newList(), newSink(t)
		for range 300 {
			l.create(1)
			l.now++
		}
		f := &freeList{list: l}
		r := newReader(f, s)
		r.mustFollow(t)
		l.refuse("updated_at", "updated_at:desc")
		f.ignores = op
		l.now = 1000
		if op == "<" {
			for r.baseline(t.Context(), t.Context()) {
			}
			if !strings.Contains(strings.Join(r.status().Notes, "\n"), errUnfiltered.Error()) {
				t.Errorf("the baseline, without %q: got %q", op, r.status().Notes)
			}
		} else if err := r.follow(t.Context(), t.Context()); !errors.Is(err, errUnfiltered) {
			t.Errorf("a poll, without %q: got %v", op, err)
		}
		if got := s.standing.Marks[schemas.Live].Cursor; !got.Equal(at(299)) {
			t.Errorf("without %q: the cursor moved to %s", op, got)
		}
	}
}

// pickyList refuses every query that has a filter on a field.
type pickyList struct {
	*list
	field string
}

func (p *pickyList) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	if slices.ContainsFunc(q.Filters, func(f cliniko.Filter) bool { return f.Field == p.field }) {
		return cliniko.Page{}, &cliniko.Error{Kind: cliniko.Refused, Path: q.Path, Status: 400}
	}
	q.Filters = slices.DeleteFunc(slices.Clone(q.Filters), func(f cliniko.Filter) bool { return f.Op == "*" })
	return p.list.List(ctx, q)
}

// Of a list that refuses its own filter, the sort, or both, exactly that is left out which it refuses.
func TestWhatIsRefusedIsToldApart(t *testing.T) {
	for _, c := range []struct {
		filter, sort, ids bool
	}{{true, false, false}, {false, true, false}, {true, true, false}, {false, false, true}, {false, true, true}} {
		l, s := newList(), newSink(t)
		l.stable = true
		l.create(300)
		l.now = 100
		p := &pickyList{list: l}
		if c.filter {
			p.field = "archived_at"
		}
		if c.sort {
			l.refuse("updated_at", "updated_at:desc")
		}
		if c.ids {
			l.refuse("id")
		}
		r := newReader(p, s)
		r.feed.Filters = []string{"archived_at:*"}
		r.mustFollow(t)
		r.mustBaseline(t)
		s.holds(t, l)
		if r.plain != c.filter || r.unsorted != c.sort {
			t.Errorf("%+v: without the filter %v, without the sort %v", c, r.plain, r.unsorted)
		}
	}
}

// A second stamped later than a full page is never passed, wherever pieces end.
func TestWindowsAreCutAtWholeSecondsAndJoin(t *testing.T) {
	from := at(0)
	w := window{from: from, until: at(100), width: 30 * time.Second}
	for _, want := range []int{30, 60, 90, 100} {
		if got := w.piece().until; !got.Equal(at(want)) {
			t.Fatalf("a piece ends at %s, want %s", got, at(want))
		}
		w.from = w.piece().until
	}
	open := window{from: from, reached: at(50), width: 30 * time.Second}
	if got := open.piece().until; !got.Equal(at(30)) {
		t.Errorf("a piece ends at %s, want %s", got, at(30))
	}
	open.from = at(30)
	if got := open.piece().until; !got.IsZero() {
		t.Errorf("a piece ends at %s, to which no clock had come: want no end", got)
	}
}
