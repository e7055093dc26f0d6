package poller

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// baselineIdle is how long the baselines rest when none of them can go on.
const baselineIdle = time.Second

// baselines reads what was there before, one feed after the other, for as long as the poller runs: a baseline that is
// complete costs nothing, and is taken up again should the store have been put back. It takes one step at a time, so
// that live polling of the same resource waits for one request at most.
//
// After a restart it is not known how much is left. The next page of each feed tells, and so these come first, as soon
// as the feed's first poll has found where it stood.
func (p *Poller) baselines(stop, work context.Context) {
	for stop.Err() == nil {
		moved := p.countBaselines(stop, work)
		for i, res := range p.resources {
			p.pace.turn(i)
			for _, r := range res.readers {
				for r.baseline(stop, work) {
					moved = true
					p.tell(i)
					p.countBaselines(stop, work)
				}
			}
		}
		if !moved {
			p.pace.rest()
			if !rest(stop, baselineIdle) {
				return
			}
		}
	}
}

// countBaselines takes one step of each baseline of which it is not known yet how much is left.
func (p *Poller) countBaselines(stop, work context.Context) (moved bool) {
	for _, res := range p.resources {
		for _, r := range res.readers {
			moved = r.uncounted() && r.baseline(stop, work) || moved
		}
	}
	return moved
}

func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// baseline takes one step of the feed's baseline. It tells whether it did: not if there is none left, or it failed.
func (r *reader) baseline(stop, work context.Context) (moved bool) {
	if r.walks() {
		return r.firstWalk(stop, work) // a step of it: there may be thousands, and other baselines wait
	}
	defer r.survive(&r.base)
	if stop.Err() != nil || !r.base.due() || !r.pending(stop) {
		return false
	}
	// The wait for the budget comes before the turn, so that live polling does not wait behind it.
	var err error
	if !r.nothingBefore(stop) {
		err = r.source.Reserve(stop, cliniko.LaneBaseline)
	}
	if err == nil {
		err = r.step.take(stop, func() error { return r.baselineStep(work) })
	}
	r.settle(stop, &r.base, r.wrap(err, epoch))
	return err == nil
}

// pending tells whether the feed is open and its baseline is not complete.
func (r *reader) pending(stop context.Context) (pending bool) {
	_ = r.step.take(stop, func() error {
		if r.standing != nil {
			_, open := r.standing.Marks[r.feed.Name]
			pending = open && r.spec.Shape == schemas.Collection && !r.standing.Marks[schemas.BaselineOf(r.feed.Name)].Done
		}
		return nil
	})
	return pending
}

// nothingBefore says that the feed was empty at the first look, so that its baseline is complete without a request.
func (r *reader) nothingBefore(stop context.Context) (nothing bool) {
	_ = r.step.take(stop, func() error {
		nothing = r.standing != nil && r.standing.Marks[r.feed.Name].Horizon.IsZero()
		return nil
	})
	return nothing
}

// baselineStep reads one page. The baseline is all records stamped up to the horizon; those that change meanwhile
// leave it for live polling to meet. The caller holds step.
func (r *reader) baselineStep(ctx context.Context) error {
	if r.standing == nil {
		return nil // a poll has failed meanwhile
	}
	mark := r.standing.Marks[schemas.BaselineOf(r.feed.Name)]
	horizon := r.standing.Marks[r.feed.Name].Horizon
	w := window{from: later(mark.Cursor, epoch), until: horizon.Add(time.Second), lane: cliniko.LaneBaseline, paid: true}
	switch {
	case !w.until.After(w.from):
		return r.complete(ctx, w.from)
	case mark.After != "":
		return r.baselineWithin(ctx, w, mark)
	}
	w.deep, w.width = true, r.stride
	piece := w.piece()
	page, more, err := r.ask(ctx, piece)
	if err != nil {
		return err
	}
	w.paid = false
	mark.Cursor = lastStamp(&page, w.from)
	if w.width > 0 || more && (r.unsorted || !conclusive(page.Records, mark.Cursor)) {
		return r.baselinePiece(ctx, w, piece, &page, more, mark)
	}
	if more && !mark.Cursor.After(w.from) {
		mark.After = beforeAll // a full page, and all of it in one second: to ask again would bring the same
	}
	if err := r.takeBaseline(ctx, &page, mark); err != nil {
		return err
	}
	r.tookPage(&page, mark.Cursor, more)
	if more {
		return nil
	}
	return r.complete(ctx, mark.Cursor)
}

// baselinePiece takes a piece of a list that does not sort, see unsorted.go. How much is left is not known then: each
// answer counts its own stretch of time. The caller holds step.
func (r *reader) baselinePiece(ctx context.Context, w, piece window, page *cliniko.Page, more bool, mark schemas.Mark) error {
	rest, more, err := r.fit(ctx, w, piece, page, more, func(p *cliniko.Page, upTo time.Time) error {
		mark.Cursor = upTo
		err := r.takeBaseline(ctx, p, mark)
		if err == nil {
			r.took(p.Rows(), -1)
		}
		return err
	})
	if err != nil {
		return err
	}
	r.stride = rest.width
	if !more {
		return r.complete(ctx, rest.from)
	}
	if mark.Cursor = rest.from; r.standing.Marks[schemas.BaselineOf(r.feed.Name)].Cursor.Equal(mark.Cursor) {
		return nil
	}
	_, err = r.accept(ctx, schemas.Page{Feed: r.feed.Name, Baseline: true, Mark: mark})
	return err
}

// beforeAll is below every id.
const beforeAll schemas.ID = "0"

// baselineWithin reads one page of a second that has more rows than that, by ids, from the one it stopped at. Rows
// that get this stamp only now are live polling's, so that nothing is missed once the ids are at their end. w begins
// with the second. The caller holds step.
//
// A list that cannot be sorted by id is read by its pages, the whole second in one step.
func (r *reader) baselineWithin(ctx context.Context, w window, mark schemas.Mark) error {
	q := r.within(w)
	q.Sort, q.Paid = "id", w.paid
	q.Filters = append(q.Filters, cliniko.Filter{Field: "id", Op: ">", Value: string(mark.After)})
	page, err := r.list(ctx, q)
	last := mark.After
	if err == nil {
		last, err = lastID(&page, last)
	}
	next := schemas.Mark{Cursor: w.from.Add(time.Second)}
	switch {
	case unsorted(err):
		w.paid = false
		err := r.secondByPages(ctx, w, func(p *cliniko.Page) error { return r.takeBaseline(ctx, p, mark) })
		if err != nil {
			return err
		}
		_, err = r.accept(ctx, schemas.Page{Feed: r.feed.Name, Baseline: true, Mark: next})
		return err
	case err != nil:
		return err
	case r.holdsMore(&page) && last == mark.After:
		return errUnreadable
	case r.holdsMore(&page):
		next = mark
		next.After = last
	}
	err = r.takeBaseline(ctx, &page, next)
	if err == nil {
		r.tookWithin(&page)
	}
	return err
}

// takeBaseline hands a page of the baseline on. The caller holds step.
func (r *reader) takeBaseline(ctx context.Context, p *cliniko.Page, mark schemas.Mark) error {
	page := r.page(p, mark)
	page.Baseline = true
	_, err := r.accept(ctx, page)
	return err
}

func (r *reader) complete(ctx context.Context, upTo time.Time) error {
	_, err := r.accept(ctx, schemas.Page{Feed: r.feed.Name, Baseline: true, Mark: schemas.Mark{Cursor: upTo, Done: true}})
	if err == nil {
		told := []zap.Field{zap.String("feed", r.feed.Name)}
		if horizon := r.standing.Marks[r.feed.Name].Horizon; !horizon.IsZero() { // the side lists have none
			told = append(told, zap.Time("horizon", horizon))
		}
		r.log.Info("the baseline is complete", told...)
	}
	return err
}
