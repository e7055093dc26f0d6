package poller

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A picky list refuses some of the queries. It knows no filter but those on updated_at and the id: the others go by.
type picky struct {
	*list
	refuse func(cliniko.Query) error
	asked  []cliniko.Query
}

func (p *picky) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	p.asked = append(p.asked, q)
	if err := p.refuse(q); err != nil {
		return cliniko.Page{}, err
	}
	q.Filters = slices.DeleteFunc(slices.Clone(q.Filters), func(f cliniko.Filter) bool {
		return f.Field != "updated_at" && f.Field != "id"
	})
	return p.list.List(ctx, q)
}

// pickyResource is the patients of an edition, on such a list.
func pickyResource(t *testing.T, edition schemas.Edition, refuse func(cliniko.Query) error) (*resource, *picky, *sink) {
	t.Helper()
	source, s := &picky{list: newList(), refuse: refuse}, newSink(t)
	spec, _ := schemas.Lookup(edition, "patients")
	return newResource(&Config{
		Account: "northside", Source: source, Sink: s, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()),
	}, spec, staggered{every: 60}), source, s
}

// A side list that is not there any more rests by itself: the resource's own list is followed as before.
func TestASideListThatIsGoneStopsNothingElse(t *testing.T) {
	r, source, s := pickyResource(t, schemas.Edition2017, func(q cliniko.Query) error {
		if strings.HasSuffix(q.Path, "/archived") {
			return &cliniko.Error{Kind: cliniko.NotFound, Path: q.Path, Status: 404}
		}
		return nil
	})
	source.create(3)
	for range 12 {
		source.now++
		source.create(1)
		r.poll(t.Context(), t.Context())
		r.further.Wait()
	}
	s.holds(t, source.list)
	if got := r.status().LastError; got != "" {
		t.Errorf("the resource's own list is said to fail: %s", got)
	}
	archived := 0
	for _, q := range source.asked {
		if q.Path == "/patients/archived" {
			archived++
		}
	}
	if archived != 1 {
		t.Errorf("the list that is gone was asked for %d times in a moment, want once", archived)
	}
}

// A filter that was documented and does not work is left out from then on, and the list is followed without it.
func TestAListThatRefusesItsOwnFiltersIsReadWithoutThem(t *testing.T) {
	lifts := func(q cliniko.Query) bool {
		return slices.ContainsFunc(q.Filters, func(f cliniko.Filter) bool { return f.Field == "archived_at" })
	}
	r, source, s := pickyResource(t, schemas.Edition2025, func(q cliniko.Query) error {
		if lifts(q) {
			return &cliniko.Error{Kind: cliniko.Refused, Path: q.Path, Status: 400}
		}
		return nil
	})
	source.create(150)
	own := r.readers[0]
	for range 5 {
		source.now++
		source.create(1)
		own.mustFollow(t)
	}
	own.mustBaseline(t)
	s.holds(t, source.list)
	refused := 0
	for _, q := range source.asked {
		if lifts(q) {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("the filter was sent %d times, want once", refused)
	}
}

// A row that makes the API fail, whatever page it is on, is reported; the list is read up to the page that has it, nothing
// is skipped, and all is read once the API is mended.
func TestARowThatMakesTheListFailIsReportedAndNothingIsSkipped(t *testing.T) {
	const poisoned = 157
	mended := false
	r, source, s := pickyResource(t, schemas.Edition2017, func(cliniko.Query) error { return nil })
	source.create(1)
	own := r.readers[0]
	own.mustFollow(t)
	for range 300 {
		source.now++
		source.create(1)
	}
	source.refuse = func(q cliniko.Query) error {
		page, _ := source.list.List(t.Context(), q)
		for _, rec := range page.Records {
			if rec.ID == "157" && !mended {
				return &cliniko.Error{Kind: cliniko.Server, Path: q.Path, Status: 500}
			}
		}
		return nil
	}
	for range 12 {
		own.following.clear() // as if it had waited
		own.poll(t.Context(), t.Context())
	}
	if got := r.status().LastError; !strings.Contains(got, "500") {
		t.Errorf("the status says %q of it", got)
	}
	cursor := s.standing.Marks[schemas.Live].Cursor
	if !cursor.Before(source.record(poisoned).Stamp) || cursor.Before(source.record(poisoned-leastRows).Stamp) {
		t.Errorf("the cursor is at %s, want it within %d rows before %s", cursor, leastRows, source.record(poisoned).Stamp)
	}
	mended = true
	own.mustFollow(t)
	s.holds(t, source.list)
	if got := cursor; !s.standing.Marks[schemas.Live].Cursor.After(got) {
		t.Errorf("the cursor stands still at %s", got)
	}
}

// A resource that the key's user may not see, or which fails, keeps no other from being polled on its schedule.
func TestAResourceThatFailsStopsNoOther(t *testing.T) {
	for name, failure := range map[string]*cliniko.Error{
		"403": {Kind: cliniko.Forbidden, Path: "/users", Status: 403},
		"500": {Kind: cliniko.Server, Path: "/users", Status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuarded(10 * time.Millisecond)
				g.lists["/users"] = newList()
				for range 1000 {
					g.lists["/users"].failures = append(g.lists["/users"].failures, failure)
				}
				all := sinks{"patients": {sink: newSink(t)}, "users": {sink: newSink(t)}}
				var specs []schemas.Spec
				for _, r := range []schemas.Resource{"users", "patients"} {
					spec, _ := schemas.Lookup(schemas.Edition2017, r)
					spec.Feeds = spec.Feeds[:1]
					specs = append(specs, spec)
				}
				p, err := New(Config{
					Account: "northside", Source: g, Sink: all, Specs: specs, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()),
					Schedules: map[schemas.Resource]string{"patients": "@every 10s", "users": "@every 10s"},
				})
				if err != nil {
					t.Fatal(err)
				}
				run(t, p, 10*time.Minute)
				all["patients"].holds(t, g.lists["/patients"])
				if n := len(g.asked["/patients"]); n < 58 {
					t.Errorf("the patients were asked for %d times in ten minutes", n)
				}
				if n := len(all["users"].pages); n != 0 {
					t.Errorf("%d pages of users were accepted", n)
				}
			})
		})
	}
}
