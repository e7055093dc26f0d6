package poller

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A reader reads one feed of a resource.
type reader struct {
	*resource
	feed schemas.Feed
	lane cliniko.Lane

	// plain says that the list refused the feed's own filters, so that it is asked without them. Guarded by step.
	plain bool
	// unsorted says that the list is not sorted by its stamp when it is asked to be, and disorder how many full pages in a
	// row were not; see unsorted.go. Guarded by step.
	unsorted bool
	disorder int
	stride   time.Duration // how wide the next piece of the baseline is, if it is read in pieces
	// deep and whole belong to the following of the feed; see live.go. Guarded by step.
	deep   deepRead
	whole  wholeSecond
	size   size
	asked  int    // rows asked for at last
	lesser lesser // of a single object; see single.go

	walk   *walk    // the first one, while it is under way; owned by the baselines
	absent absences // what later walks have not met; owned by poll, which never runs twice at once

	progress progress // of the feed's baseline; guarded by mu

	notes notes // guarded by resource.mu

	following, base backoff // of the feed and of its baseline: a heavy old page must not slow what is fresh
}

// live says that the feed is the resource's own list.
func (r *reader) live() bool { return r.feed.Name == schemas.Live }

// list asks for one page. The caller holds step.
func (r *reader) list(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	q.Path, q.Key, q.Stamp = r.feed.Path, r.feed.Key, r.feed.Stamp
	q.PerPage = r.size.rows()
	r.asked = q.PerPage
	full := q
	full.Filters = r.filters(q.Filters)
	page, err := r.send(ctx, full)
	if refused(err) && len(full.Filters) > len(q.Filters) {
		// What an edition documents, an account need not take (cliniko-api issue 376). Better less than nothing. If it is
		// something else that is refused, it is so without them.
		q.Paid = false
		refusal := err
		if page, err = r.send(ctx, q); err == nil {
			r.plain = true
			r.metrics.fallbacks.WithLabelValues(string(r.spec.Resource), "filter").Inc()
			r.noteFilter()
			r.log.Warn("the list refuses a filter; what it hides is not seen this way", zap.String("feed", r.feed.Name), zap.Error(refusal))
		}
	}
	return page, err
}

// send sends one request, as it is.
func (r *reader) send(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	page, err := r.source.List(ctx, q)
	r.size.note(err)
	r.metrics.requests.WithLabelValues(q.Lane.String(), outcome(err)).Inc()
	return page, err
}

// filters are those of a query with the feed's own before them.
func (r *reader) filters(of []cliniko.Filter) []cliniko.Filter {
	if r.plain {
		return of
	}
	return append(parseFilters(r.feed.Filters), of...)
}

// parseFilters reads filters as the catalogue has them: "archived_at:*".
func parseFilters(texts []string) []cliniko.Filter {
	list := make([]cliniko.Filter, 0, len(texts)+2)
	for _, text := range texts {
		field, op, _ := strings.Cut(text, ":")
		list = append(list, cliniko.Filter{Field: field, Op: op})
	}
	return list
}

// page is what of p goes to the sink.
func (r *reader) page(p *cliniko.Page, mark schemas.Mark) schemas.Page {
	return schemas.Page{
		Feed: r.feed.Name, Records: p.Records, Bad: p.Bad, Mark: mark, Total: max(p.Total, 0), Date: p.Date,
		Implies: r.feed.Implies,
	}
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
		r.noteEnd(b, nil, nil)
		if failures := b.clear(); failures > 0 {
			r.log.Info("polling goes on", zap.String("feed", r.feed.Name), zap.Int("failures", failures))
		}
		return
	}
	if stop.Err() != nil {
		return // asked to stop: no failure
	}
	class := outcome(err)
	var e *cliniko.Error
	if !errors.As(err, &e) {
		class = ClassInternal // the sink
	}
	r.metrics.failures.WithLabelValues(string(r.spec.Resource), class).Inc()
	news := b.fail(class, e)
	if news {
		r.log.Warn("a poll did not come through; nothing is lost, it is tried again", zap.String("feed", r.feed.Name),
			zap.String("class", class), zap.Error(err))
	}
	r.noteEnd(b, err, e)
	if r.main(b) {
		r.mu.Lock()
		r.shown.LastError, r.shown.FailureClass = err.Error(), class
		r.mu.Unlock()
	}
	if news && r.doubt != nil && e != nil && (e.Kind == cliniko.NotFound || e.Kind == cliniko.Refused) {
		r.doubt(r.spec.Resource)
	}
}

// survive ends a panic: it is a failure like another, and neither the process nor the resource dies of it. Its value
// may hold anything and is left out.
func (r *reader) survive(b *backoff) {
	if recover() != nil {
		b.fail("panic", nil)
		r.log.Error("a poll panicked", zap.String("feed", r.feed.Name), zap.ByteString("stack", debug.Stack()))
	}
}

// Pages that are not what was asked for. Reading on from them could skip records.
var (
	errUnordered  = errors.New("the list is not sorted as it was asked to be")
	errUnfiltered = errors.New("the list is not filtered as it was asked to be")
)

// errMoved is a list that changed too much while its newest records were looked for. It is asked again.
var errMoved = errors.New("the list moved while its newest records were looked for")

// errUnreadable is a page of which no row says where it stands, so that there is no way past it.
var errUnreadable = errors.New("a page without a single row that can be read")

func (r *reader) wrap(err error, from time.Time) error {
	if err == nil {
		return nil
	}
	name := string(r.spec.Resource)
	if !r.live() {
		name += " (" + r.feed.Name + ")"
	}
	if from.IsZero() {
		return fmt.Errorf("poll %s/%s: %w", r.account, name, err)
	}
	return fmt.Errorf("poll %s/%s since %s: %w", r.account, name, schemas.FormatStamp(from), err)
}

// is says that err is an answer of the API of that kind.
func is(err error, kind cliniko.Kind) bool {
	e, ok := errors.AsType[*cliniko.Error](err)
	return ok && e.Kind == kind
}

// itemPath is the address of one record.
func itemPath(item string, id schemas.ID) string { return strings.Replace(item, "{id}", string(id), 1) }
