package poller

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// list is a Source: one list of the API, in memory, that can move between any two requests.
type list struct {
	rng  *rand.Rand // orders equal stamps anew with each request, since the API does not say how it does
	rows map[int]*row
	now  int
	// before, if non-nil, is called before each request is answered.
	before func(n int)
	// failures, if not empty, are what the next requests are answered with.
	failures []error
	// refuses are sort fields that are answered with 400.
	refuses map[string]bool
	// ascending says that the list ignores a direction.
	ascending bool
	// ignoresSort says that the list comes by created_at and id, whatever sort it is asked for.
	ignoresSort bool
	// lags is how many seconds the Date header is behind the stamps; noDate says that there is none.
	lags   int
	noDate bool
	// ignoresOrder says that the list takes a direction in `sort` alone.
	ignoresOrder bool
	// stable says that equal stamps keep their order, by id.
	stable bool
	// firstPageOnly says that the first page comes under every number.
	firstPageOnly bool
	noTotal       bool
	requests      []cliniko.Query
	object        int // the version of the one object that Get gives
}

type row struct {
	created, updated int
	visible          int // not before this second
	version          int
}

func newList() *list {
	return &list{rng: rand.New(rand.NewPCG(1, 2)), rows: make(map[int]*row), refuses: make(map[string]bool)}
}

func at(n int) time.Time { return time.Unix(1_800_000_000+int64(n), 0).UTC() }

func (l *list) create(n int) {
	for range n {
		l.rows[len(l.rows)+1] = &row{created: l.now, updated: l.now, visible: l.now}
	}
}

func (l *list) edit(id int) {
	r := l.rows[id]
	r.updated, r.version = l.now, r.version+1
}

func (l *list) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	if l.before != nil {
		l.before(len(l.requests))
	}
	l.requests = append(l.requests, q)
	if ctx.Err() != nil {
		return cliniko.Page{}, ctx.Err()
	}
	if len(l.failures) > 0 {
		err := l.failures[0]
		if l.failures = l.failures[1:]; err != nil {
			return cliniko.Page{}, err
		}
	}
	if l.refuses[q.Sort] {
		return cliniko.Page{}, &cliniko.Error{Kind: cliniko.Refused, Path: q.Path, Status: 400}
	}
	var ids []int
	selected := l.selects(q.Filters)
	for id, r := range l.rows {
		if r.visible <= l.now && selected(id, r) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if l.ignoresSort {
		slices.SortStableFunc(ids, func(a, b int) int { return l.rows[a].created - l.rows[b].created })
		q.Sort, q.Desc = "", false
	} else if !l.stable {
		l.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		c := 0
		switch q.Sort {
		case "id":
			c = a - b
		case "updated_at", "updated_at:desc":
			c = l.rows[a].updated - l.rows[b].updated
		}
		if (q.Desc && !l.ignoresOrder || q.Sort == "updated_at:desc") && !l.ascending {
			c = -c
		}
		return c
	})
	if l.firstPageOnly {
		q.Page = 1
	}
	from := min(max(q.Page-1, 0)*q.PerPage, len(ids))
	page := cliniko.Page{Total: len(ids), Next: len(ids) > from+q.PerPage, Date: at(l.now - l.lags)}
	if l.noDate {
		page.Date = time.Time{}
	}
	if l.noTotal {
		page.Total = -1
	}
	for _, id := range ids[from:min(from+q.PerPage, len(ids))] {
		page.Records = append(page.Records, l.record(id))
	}
	return page, nil
}

func (l *list) Get(context.Context, cliniko.Query) ([]byte, time.Time, error) {
	if len(l.failures) > 0 {
		err := l.failures[0]
		if l.failures = l.failures[1:]; err != nil {
			return nil, time.Time{}, err
		}
	}
	return fmt.Appendf(nil, `{"name":"version %d"}`, l.object), at(l.now), nil
}

func (l *list) Reserve(context.Context, cliniko.Lane) error { return nil }

func (l *list) record(id int) schemas.Record {
	r := l.rows[id]
	return schemas.Record{
		ID: schemas.ID(strconv.Itoa(id)), CreatedAt: at(r.created), UpdatedAt: at(r.updated), Stamp: at(r.updated),
		Raw: fmt.Appendf(nil, `{"id":%d,"version":%d}`, id, r.version),
	}
}

// selects tells of each row whether all filters hold.
func (l *list) selects(filters []cliniko.Filter) func(id int, r *row) bool {
	bounds := make([]int, len(filters)) // as ids and updated are
	for i, f := range filters {
		if f.Field == "id" {
			bounds[i], _ = strconv.Atoi(f.Value)
			continue
		}
		t, err := time.Parse(time.RFC3339, f.Value)
		if err != nil {
			panic(err)
		}
		bounds[i] = int(t.Sub(at(0)) / time.Second)
	}
	return func(id int, r *row) bool {
		for i, f := range filters {
			c := r.updated - bounds[i]
			if f.Field == "id" {
				c = id - bounds[i]
			}
			if ok := f.Op == ">=" && c >= 0 || f.Op == ">" && c > 0 || f.Op == "<" && c < 0 || f.Op == "<=" && c <= 0; !ok {
				return false
			}
		}
		return true
	}
}

// sink is a Sink that remembers the newest version of each record, and checks what it is given.
type sink struct {
	t        testing.TB
	standing schemas.Standing
	seen     map[schemas.ID]string
	fail     []error
	late     time.Duration
	pages    []schemas.Page
}

func newSink(tb testing.TB) *sink {
	tb.Helper()
	return &sink{t: tb, seen: make(map[schemas.ID]string), standing: schemas.Standing{Marks: map[string]schemas.Mark{}}}
}

func (s *sink) Standing(context.Context, schemas.Resource) (schemas.Standing, error) {
	st := s.standing
	st.Marks = map[string]schemas.Mark{}
	maps.Copy(st.Marks, s.standing.Marks)
	return st, nil
}

func (s *sink) Accept(_ context.Context, page schemas.Page) (schemas.Outcome, error) {
	if len(s.fail) > 0 {
		err := s.fail[0]
		if s.fail = s.fail[1:]; err != nil {
			return schemas.Outcome{}, err
		}
	}
	if page.Opening == s.standing.Opened {
		s.t.Errorf("an opening page: %v, for a resource that is open: %v", page.Opening, s.standing.Opened)
	}
	if page.Opening {
		s.standing.Opened, s.standing.Began = true, page.Began
	}
	name := page.MarkName()
	if was, ok := s.standing.Marks[name]; ok {
		page.Mark.Horizon = was.Horizon
	}
	if was := s.standing.Marks[name]; page.Mark.Cursor.Before(was.Cursor) {
		s.t.Errorf("the mark of %s went back from %s to %s", page.Feed, was.Cursor, page.Mark.Cursor)
	}
	for _, rec := range page.Records {
		s.seen[rec.ID] = string(rec.Raw)
	}
	s.standing.Marks[name] = page.Mark
	s.standing.Tracked = len(s.seen)
	s.pages = append(s.pages, page)
	return schemas.Outcome{Late: s.late, Tracked: len(s.seen)}, nil
}

func (s *sink) Renew(context.Context, schemas.Resource) error {
	if len(s.fail) > 0 {
		err := s.fail[0]
		if s.fail = s.fail[1:]; err != nil {
			return err
		}
	}
	for name, mark := range s.standing.Marks {
		if strings.HasPrefix(name, schemas.Baseline) {
			delete(s.standing.Marks, name)
		} else {
			mark.Horizon = mark.Cursor
			s.standing.Marks[name] = mark
		}
	}
	return nil
}

// holds fails the test unless the sink has the last version of every row of l.
func (s *sink) holds(t interface{ Fatalf(string, ...any) }, l *list) {
	for id := range l.rows {
		rec := l.record(id)
		if got, want := s.seen[rec.ID], string(rec.Raw); got != want {
			t.Fatalf("row %d: the sink has %q, the list %q", id, got, want)
		}
	}
}

func newReader(l Source, s Sink) *reader {
	spec, _ := schemas.Lookup(schemas.Edition2017, "patients")
	r := newResource(&Config{
		Account: "northside", Source: l, Sink: s, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()),
	}, spec, staggered{every: 60})
	return r.readers[0]
}
