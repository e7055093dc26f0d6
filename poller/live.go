package poller

import (
	"context"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The look-back is for rows that show late: stamped before the cursor, visible only after we had read past them. It
// begins at minLookback and follows what was seen: twice the greatest lateness.
const (
	minLookback = 2 * time.Minute
	maxLookback = time.Hour
)

// Where the look-back holds more than a page, to read all of it in every poll would cost what fresh changes need. It
// is then read whole once in deepEvery, or when the cursor has moved by a quarter of it, and skipped in between.
const deepEvery = 30 * time.Second

type deepRead struct {
	at     time.Time // our clock
	cursor time.Time
}

// wholeSecond is a second with more rows than a page, and how many it had when all of it was read. It had passed by
// then: while it lasts, a row can change and keep its stamp, and the count stands still.
type wholeSecond struct {
	stamp time.Time
	total int
}

// poll follows the resource from its cursor to now. It runs on the resource's schedule. Between two steps it looks
// whether it was asked to stop; a step that has begun runs on under work.
func (r *reader) poll(stop, work context.Context) {
	if stop.Err() != nil || !r.following.due() {
		return
	}
	err := r.follow(stop, work)
	r.settle(stop, &r.following, err)
	if err == nil {
		r.mu.Lock()
		r.shown.LastPoll, r.shown.LastError = time.Now().UTC(), ""
		r.mu.Unlock()
	}
}

func (r *reader) follow(stop, work context.Context) error {
	w, err := r.begin(stop, work)
	for more := err == nil; more && stop.Err() == nil; {
		w, more, err = r.live(stop, work, w)
		if err != nil {
			break
		}
	}
	if err != nil {
		r.deep = deepRead{}
	}
	return r.wrap(err, w.from)
}

// begin opens the resource if need be and says from where to read, and whether the look-back is to be read whole.
func (r *reader) begin(stop, work context.Context) (w window, err error) {
	err = r.step.take(stop, func() error {
		w, err = r.enter(work)
		return err
	})
	return w, err
}

func (r *reader) enter(ctx context.Context) (w window, err error) {
	if err := r.know(ctx); err != nil {
		return w, err
	}
	if !r.standing.Opened {
		if err := r.open(ctx); err != nil {
			return w, err
		}
	}
	mark := r.standing.Marks[schemas.Live]
	lookback := min(max(mark.Lookback, minLookback), maxLookback)
	w = window{from: later(mark.Cursor.Add(-lookback), epoch), lane: cliniko.LaneLive}
	w.deep = time.Since(r.deep.at) >= deepEvery || mark.Cursor.Sub(r.deep.cursor) >= lookback/4
	if w.deep {
		r.deep = deepRead{at: time.Now(), cursor: mark.Cursor}
	}
	return w, nil
}

// live reads one step of the live window and moves the cursor with it.
func (r *reader) live(stop, work context.Context, w window) (rest window, more bool, err error) {
	rest = w
	err = r.step.take(stop, func() error {
		rest, more, err = r.liveStep(work, w)
		return err
	})
	return rest, more, err
}

func (r *reader) liveStep(ctx context.Context, w window) (window, bool, error) {
	if err := r.know(ctx); err != nil {
		return w, false, err
	}
	rest, more, err := r.advance(ctx, w, func(p *cliniko.Page, upTo time.Time) error {
		mark := r.standing.Marks[schemas.Live]
		mark.Cursor = later(mark.Cursor, upTo)
		return r.accept(ctx, schemas.Page{Records: p.Records, Feed: schemas.Live, Mark: mark})
	})
	if err == nil && more && !w.deep {
		rest.from = later(rest.from, r.standing.Marks[schemas.Live].Cursor) // over the look-back, to what is fresh
	}
	return rest, more, err
}

// widen makes the look-back follow a lateness that was seen. It is committed with the next page.
func (r *reader) widen(late time.Duration) {
	mark := r.standing.Marks[schemas.Live]
	mark.Lookback = min(max(mark.Lookback, 2*late.Round(time.Second)), maxLookback)
	r.standing.Marks[schemas.Live] = mark
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
