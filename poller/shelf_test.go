package poller

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// shelf is a Source and a Sink: the patients of an account in both editions, and what the bridge knows of them.
type shelf struct {
	t       testing.TB
	edition schemas.Edition

	mu     sync.Mutex // held while a request or a page is handled
	rows   map[int]schemas.State
	known  map[schemas.ID]schemas.State
	gone   []schemas.ID // told as deleted, in order
	missed []schemas.ID // told because the sweep found them

	requests int
	reserved int
	// before, if non-nil, is called before each request is answered; its error is the answer.
	before func(path string) error
	// noTotal and noID say that lists tell no total and take no filter on the id.
	noTotal, noID bool
	// off is added to every total.
	off int
	// now is where the cursors stand. From the start on they are far behind every record.
	now int
}

const shelfSize = 250

// newShelf has n patients, every tenth of them archived, and knows them all.
func newShelf(tb testing.TB, edition schemas.Edition, n int) *shelf {
	tb.Helper()
	s := &shelf{t: tb, edition: edition, now: 2_000_000, rows: make(map[int]schemas.State, n), known: make(map[schemas.ID]schemas.State, n)}
	for i := range n {
		state := schemas.LiveState
		if i%10 == 9 {
			state = schemas.ArchivedState
		}
		s.rows[i+1], s.known[shelfID(i+1)] = state, state
	}
	return s
}

// shelfID are ids past 2^53, so that a float would mix them up.
func shelfID(n int) schemas.ID { return schemas.ID(strconv.Itoa(9_007_199_254_740_992 + n)) }

func shelfStamp(n int) time.Time { return at(n / 7) }

func (s *shelf) answer(path string) error {
	s.requests++
	if s.before != nil {
		return s.before(path)
	}
	return nil
}

func (s *shelf) shows(q cliniko.Query, state schemas.State) bool {
	switch {
	case strings.HasSuffix(q.Path, "/archived"):
		return state == schemas.ArchivedState
	case strings.HasSuffix(q.Path, "/deleted"):
		return state == schemas.DeletedState
	}
	lifted := slices.ContainsFunc(q.Filters, func(f cliniko.Filter) bool { return f.Field == "archived_at" && f.Op == "*" })
	return state == schemas.LiveState || lifted && state == schemas.ArchivedState
}

func (s *shelf) List(_ context.Context, q cliniko.Query) (cliniko.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.answer(q.Path); err != nil {
		return cliniko.Page{}, err
	}
	var ids []int
	for id, state := range s.rows {
		if s.shows(q, state) && s.passes(id, q.Filters) {
			ids = append(ids, id)
		}
	}
	if s.noID && slices.ContainsFunc(q.Filters, func(f cliniko.Filter) bool { return f.Field == "id" }) {
		return cliniko.Page{}, &cliniko.Error{Kind: cliniko.Refused, Path: q.Path, Status: 400}
	}
	slices.Sort(ids)
	page := cliniko.Page{Total: len(ids) + s.off, Date: at(s.now)}
	if s.noTotal {
		page.Total = -1
	}
	page.Next = len(ids) > q.PerPage
	for _, id := range ids[:min(q.PerPage, len(ids))] {
		page.Records = append(page.Records, schemas.Record{
			ID: shelfID(id), CreatedAt: shelfStamp(id), UpdatedAt: shelfStamp(id), Stamp: shelfStamp(id), Raw: []byte("{}"),
		})
	}
	return page, nil
}

func (s *shelf) passes(id int, filters []cliniko.Filter) bool {
	for _, f := range filters {
		c := 0
		switch {
		case f.Field == "id" && len(f.Value) == len(shelfID(id)): // all are as long
			c = strings.Compare(string(shelfID(id)), f.Value)
		case f.Op == "*":
			continue
		default:
			t, err := time.Parse(time.RFC3339, f.Value)
			if err != nil {
				panic(err)
			}
			c = shelfStamp(id).Compare(t)
		}
		if ok := map[string]bool{">=": c >= 0, ">": c > 0, "<": c < 0, "<=": c <= 0, "=": c == 0}[f.Op]; !ok {
			return false
		}
	}
	return true
}

func (s *shelf) Get(_ context.Context, q cliniko.Query) ([]byte, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.answer(q.Path); err != nil {
		return nil, time.Time{}, err
	}
	for id, state := range s.rows {
		if strings.HasSuffix(q.Path, string(shelfID(id))) && s.shows(cliniko.Query{Path: "/patients", Filters: q.Filters}, state) {
			return []byte("{}"), at(0), nil
		}
	}
	return nil, time.Time{}, &cliniko.Error{Kind: cliniko.NotFound, Path: q.Path, Status: 404}
}

func (s *shelf) Reserve(ctx context.Context, _ cliniko.Lane) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved++
	return ctx.Err()
}

func (s *shelf) Standing(context.Context, schemas.Resource) (schemas.Standing, error) {
	st := schemas.Standing{Opened: true, Marks: map[string]schemas.Mark{}}
	for _, name := range []string{schemas.Live, "archived", "deleted"} {
		st.Marks[name] = schemas.Mark{Cursor: at(s.now)}
		st.Marks[schemas.BaselineOf(name)] = schemas.Mark{Done: true}
	}
	return st, nil
}

func (s *shelf) Accept(_ context.Context, page schemas.Page) (schemas.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !page.Swept {
		return schemas.Outcome{}, nil // a poll's
	}
	var out schemas.Outcome
	for _, rec := range page.Records {
		if _, known := s.known[rec.ID]; !known {
			s.missed = append(s.missed, rec.ID)
			s.known[rec.ID] = schemas.LiveState
			out.Missed++
		}
	}
	for _, id := range page.Gone {
		if _, known := s.known[id]; known {
			s.gone = append(s.gone, id)
			delete(s.known, id)
			out.Events = map[schemas.Verb]int{schemas.Deleted: len(page.Gone)}
		}
	}
	return out, nil
}

func (s *shelf) Renew(context.Context, schemas.Resource) error { return nil }

func (s *shelf) Known(context.Context, schemas.Resource) (shown, hidden []schemas.ID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, state := range s.known {
		if state == schemas.LiveState {
			shown = append(shown, id)
		} else {
			hidden = append(hidden, id)
		}
	}
	return shown, hidden, nil
}

// poller is one whose only resource is the shelf's.
func (s *shelf) poller(change func(*Config)) *Poller {
	spec, _ := schemas.Lookup(s.edition, "patients")
	spec.Schedule = "@every 24h"
	c := Config{
		Account: "northside", Source: s, Sink: s, Inventory: s, Specs: []schemas.Spec{spec}, Limit: 0.05,
		Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()),
	}
	if change != nil {
		change(&c)
	}
	p, err := New(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// sweep makes a sweep in a bubble, and returns how it ended and how long the bubble's clock took.
func (s *shelf) sweep(t *testing.T, accept bool) (status SweepStatus, took time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.t = t
		p := s.poller(func(c *Config) { c.Log = zap.NewNop() })
		start := time.Now()
		ctx := t.Context()
		p.sweep(ctx, ctx, order{resources: p.resources, accept: accept})
		status, took = *p.Status()[0].Sweep, time.Since(start)
	})
	return status, took
}

// tells fails the test unless exactly these were told as deleted.
func (s *shelf) tells(t *testing.T, ids ...int) {
	t.Helper()
	want := make([]string, len(ids))
	for i, id := range ids {
		want[i] = string(shelfID(id))
	}
	got := make([]string, len(s.gone))
	for i, id := range s.gone {
		got[i] = string(id)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("told as deleted: %v, want %v", got, want)
	}
}

// start runs p until the function that it returns is called.
func start(t *testing.T, p *Poller) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	return func() { cancel(); <-done }
}

func notAllowed(path string) error {
	return &cliniko.Error{Kind: cliniko.Forbidden, Path: path, Status: 403}
}
