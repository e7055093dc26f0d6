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

// baselines reads what was there before, one resource after the other, until all are complete. It takes one step at a
// time, so that live polling of the same resource waits for one request at most.
func (p *Poller) baselines(stop, work context.Context) {
	open := append([]*reader(nil), p.readers...)
	for len(open) > 0 && stop.Err() == nil {
		left, moved := open[:0], false
		for _, r := range open {
			done, did := r.baseline(stop, work)
			moved = moved || did
			if !done {
				left = append(left, r)
			}
		}
		open = left
		if !moved && !rest(stop, baselineIdle) {
			return
		}
	}
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

// baseline reads the resource's baseline to its end, or to the first failure. It tells whether the baseline is complete
// and whether any step was taken. It waits for live polling to open the resource.
func (r *reader) baseline(stop, work context.Context) (done, moved bool) {
	for stop.Err() == nil && r.base.due() {
		var ready bool
		err := r.step.take(stop, func() (err error) {
			done, ready, err = r.baselineStep(work)
			return err
		})
		if err != nil {
			r.settle(stop, &r.base, r.wrap(err, epoch))
			return false, moved
		}
		r.settle(stop, &r.base, nil)
		if done {
			return true, true
		}
		if !ready {
			return false, moved
		}
		moved = true
	}
	return false, moved
}

// baselineStep reads one page. The baseline is all records stamped up to the horizon; those that change meanwhile
// leave it for live polling to meet. The caller holds step.
func (r *reader) baselineStep(ctx context.Context) (done, ready bool, err error) {
	if r.standing == nil || !r.standing.Opened {
		return false, false, nil
	}
	mark := r.standing.Marks[schemas.Baseline]
	if mark.Done {
		return true, true, nil
	}
	w := window{
		from: later(mark.Cursor, epoch), until: r.standing.Horizon.Add(time.Second), lane: cliniko.LaneBaseline, deep: true,
	}
	if !w.until.After(w.from) {
		return r.complete(ctx, w)
	}
	rest, more, err := r.advance(ctx, w, func(p *cliniko.Page, upTo time.Time) error {
		r.remaining(p)
		mark.Cursor = upTo
		return r.accept(ctx, schemas.Page{Records: p.Records, Feed: schemas.Baseline, Mark: mark, Total: max(p.Total, 0)})
	})
	if err != nil {
		return false, true, err
	}
	if !more {
		return r.complete(ctx, rest)
	}
	if mark.Cursor = rest.from; r.standing.Marks[schemas.Baseline] != mark {
		return false, true, r.accept(ctx, schemas.Page{Feed: schemas.Baseline, Mark: mark})
	}
	return false, true, nil
}

func (r *reader) complete(ctx context.Context, w window) (done, ready bool, err error) {
	err = r.accept(ctx, schemas.Page{Feed: schemas.Baseline, Mark: schemas.Mark{Cursor: w.from, Done: true}})
	if err != nil {
		return false, true, err
	}
	r.log.Info("the baseline is complete", zap.Time("horizon", r.standing.Horizon))
	return true, true, nil
}

func (r *reader) remaining(p *cliniko.Page) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown.Remaining = max(p.Total-p.Rows(), -1)
}
