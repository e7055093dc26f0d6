package poller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A reader reads one resource.
type reader struct {
	account  string
	spec     schemas.Spec
	feed     schemas.Feed
	source   Source
	sink     Sink
	log      *zap.Logger
	metrics  *Metrics
	schedule cron.Schedule
	entry    cron.EntryID

	// step is held from a request until what it brought is accepted, so that two readings of one resource are
	// accepted in the order in which they were made.
	step turn

	// standing is how far the resource was read, nil if it is not known. Guarded by step.
	standing *schemas.Standing
	// deep and whole belong to the live reading; see live.go.
	deep  deepRead
	whole wholeSecond

	following, base backoff // of live polling and of the baseline: a heavy old page must not slow what is fresh

	mu    sync.Mutex // guards shown
	shown Status
}

// Status is how one resource is doing, for people to read.
type Status struct {
	Resource  schemas.Resource
	Baseline  string // "pending", "running" or "complete"
	Tracked   int
	Remaining int       // records that the baseline has still to read; -1 if not known
	Cursor    time.Time // the API's clock
	LastPoll  time.Time // our clock; when the last poll that came through ended
	NextPoll  time.Time
	LastError string // of the last poll, "" if it came through
	Events    map[schemas.Verb]int
}

func (r *reader) status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.shown
	s.Resource = r.spec.Resource
	if s.Baseline == "" {
		s.Baseline = "pending"
	}
	s.Events = maps.Clone(s.Events)
	return s
}

// know makes sure that the standing is known. The caller holds step.
func (r *reader) know(ctx context.Context) error {
	if r.standing != nil {
		return nil
	}
	st, err := r.sink.Standing(ctx, r.spec.Resource)
	if err != nil {
		return err
	}
	if st.Marks == nil {
		st.Marks = make(map[string]schemas.Mark)
	}
	r.standing = &st
	r.show()
	return nil
}

// accept hands records on and remembers mark once they are safe. The caller holds step.
func (r *reader) accept(ctx context.Context, page schemas.Page) error {
	page.Resource = r.spec.Resource
	page.ReadAt = time.Now().UTC()
	out, err := r.sink.Accept(ctx, page)
	if err != nil {
		r.standing = nil
		return err
	}
	r.standing.Tracked = out.Tracked
	if page.Opening {
		r.standing = nil // the sink knows the rest of it
		return r.know(ctx)
	}
	r.standing.Marks[page.Feed] = page.Mark
	if page.Feed == schemas.Live && out.Late > 0 {
		r.metrics.late.Observe(out.Late.Seconds())
		r.widen(out.Late)
	}
	r.mu.Lock()
	for verb, n := range out.Events {
		if r.shown.Events == nil {
			r.shown.Events = make(map[schemas.Verb]int)
		}
		r.shown.Events[verb] += n
	}
	r.mu.Unlock()
	r.show()
	return nil
}

// show brings what Status tells up to the standing. The caller holds step.
func (r *reader) show() {
	r.mu.Lock()
	defer r.mu.Unlock()
	live, base := r.standing.Marks[schemas.Live], r.standing.Marks[schemas.Baseline]
	r.shown.Cursor = live.Cursor
	r.shown.Tracked = r.standing.Tracked
	switch {
	case base.Done:
		r.shown.Baseline = "complete"
	case r.standing.Opened:
		r.shown.Baseline = "running"
	}
}

// list asks for one page. The caller holds step.
func (r *reader) list(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	q.Path, q.Key, q.Stamp = r.feed.Path, r.feed.Key, r.feed.Stamp
	page, err := r.source.List(ctx, q)
	r.metrics.requests.WithLabelValues(q.Lane.String(), outcome(err)).Inc()
	if err != nil {
		return page, err
	}
	for _, bad := range page.Bad {
		r.metrics.badRows.WithLabelValues(string(r.spec.Resource)).Inc()
		r.log.Error("a row is no record and is set aside", zap.String("id", string(bad.ID)), zap.String("reason", bad.Reason))
	}
	return page, nil
}

// outcome is the label of a request's metric.
func outcome(err error) string {
	var e *cliniko.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e):
		return e.Kind.String()
	default:
		return "stopped"
	}
}

// settle takes note of how a reading ended: it counts, backs off, and logs the first of a row of failures, and its end.
func (r *reader) settle(stop context.Context, b *backoff, err error) {
	if err == nil {
		if failures := b.clear(); failures > 0 {
			r.log.Info("polling goes on", zap.Int("failures", failures))
		}
		return
	}
	if stop.Err() != nil {
		return // asked to stop: no failure
	}
	class := outcome(err)
	var e *cliniko.Error
	if !errors.As(err, &e) {
		class = "internal" // the sink
	}
	r.metrics.failures.WithLabelValues(string(r.spec.Resource), class).Inc()
	if b.fail(class, e) {
		r.log.Warn("a poll did not come through; nothing is lost, it is tried again", zap.String("class", class), zap.Error(err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown.LastError = err.Error()
}

// errUnordered is a page that is not what was asked for: a filter or the sort was ignored. Reading on from it could
// skip records.
var errUnordered = errors.New("the list is not sorted or filtered as it was asked to be")

func (r *reader) wrap(err error, from time.Time) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("poll %s/%s since %s: %w", r.account, r.spec.Resource, schemas.FormatStamp(from), err)
}
