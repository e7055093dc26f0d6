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
	minLookback = schemas.MinLookback
	maxLookback = time.Hour
)

// Where the look-back holds more than a page, to read all of it in every poll would cost what fresh changes need. It
// is then read whole once in deepEvery, or when the cursor has moved by a quarter of it, and passed over in between.
// Once it was read whole at a time when nothing can show late in it any more, it is left alone until the cursor moves.
const deepEvery = 30 * time.Second

type deepRead struct {
	at      time.Time // our clock
	cursor  time.Time // where it stood
	over    time.Time // from when on, by the API's clock, nothing can show late up to the cursor
	date    time.Time // the API's clock at its first page
	crowded bool      // it took more than a page
	settled bool      // it ended, and by the API's clock it had begun when the look-back was over
}

// wholeSecond is a second with more rows than a page, and how many it had when all of it was read. It had passed by
// then: while it lasts, a row can change and keep its stamp, and the count stands still.
type wholeSecond struct {
	stamp time.Time
	total int
	sure  bool // it had passed even if the API's Date runs ahead of its stamps; else it is read once more when that is so
}

// clockLead is how far the Date header may be ahead of the clock that sets the stamps.
const clockLead = time.Minute

// poll follows the feed from its cursor to now.
func (r *reader) poll(stop, work context.Context) {
	defer r.survive(&r.following)
	if stop.Err() != nil || !r.following.due() {
		return
	}
	if r.walks() {
		r.laterWalk(stop, work)
		return
	}
	read := r.follow
	if r.spec.Shape == schemas.Singleton {
		read = r.single
	}
	err := read(stop, work)
	r.settle(stop, &r.following, err)
	if err == nil && r.live() {
		r.came(time.Now().UTC())
	}
}

func (r *reader) follow(stop, work context.Context) error {
	w, ready, err := r.begin(stop, work)
	if !ready {
		return r.wrap(err, w.from)
	}
	for more := true; more && err == nil && stop.Err() == nil; {
		w, more, err = r.take(stop, work, w)
	}
	r.end(err)
	return r.wrap(err, w.from)
}

// begin opens the feed if need be and says from where to read. A further feed is not ready until the resource is open.
func (r *reader) begin(stop, work context.Context) (w window, ready bool, err error) {
	w.from, w.lane = epoch, r.lane
	err = r.step.take(stop, func() error {
		if err := r.know(work); err != nil {
			return err
		}
		if !r.standing.Opened && !r.live() {
			return nil
		}
		if _, opened := r.standing.Marks[r.feed.Name]; !opened {
			if err := r.open(work); err != nil {
				return err
			}
		}
		w, ready = r.window(), true
		return nil
	})
	return w, ready && err == nil, err
}

// window is what the next poll reads, and whether it reads the look-back whole. The caller holds step.
func (r *reader) window() window {
	mark := r.standing.Marks[r.feed.Name]
	lookback := min(max(mark.Lookback, minLookback), maxLookback)
	w := window{from: later(mark.Cursor.Add(-lookback), epoch), lane: r.lane}
	still := r.deep.cursor.Equal(mark.Cursor)
	switch {
	case still && r.deep.settled && r.deep.crowded:
		w.from = mark.Cursor.Add(time.Second)
	case still && r.deep.settled:
	case time.Since(r.deep.at) >= deepEvery || mark.Cursor.Sub(r.deep.cursor) >= lookback/4:
		w.deep = true
		r.deep = deepRead{at: time.Now(), cursor: mark.Cursor, over: mark.Cursor.Add(lookback)}
	}
	return w
}

// end takes note that a poll is over. A deep reading that failed is made again.
func (r *reader) end(err error) {
	if err != nil {
		r.deep = deepRead{}
		return
	}
	r.deep.settled = !r.deep.date.IsZero() && r.deep.date.After(r.deep.over)
}

// take reads one step of the window and moves the cursor with it. A lane that may have to wait waits before it takes its
// turn, so that what is more urgent does not wait behind it.
func (r *reader) take(stop, work context.Context, w window) (rest window, more bool, err error) {
	if w.lane != cliniko.LaneLive {
		if err := r.source.Reserve(stop, w.lane); err != nil {
			return w, false, err
		}
		w.paid = true
	}
	err = r.step.take(stop, func() error {
		rest, more, err = r.takeStep(work, w)
		return err
	})
	return rest, more, err
}

func (r *reader) takeStep(ctx context.Context, w window) (window, bool, error) {
	if err := r.know(ctx); err != nil {
		return w, false, err
	}
	if _, open := r.standing.Marks[r.feed.Name]; !open {
		return w, false, nil // the store was lost meanwhile; the next poll opens the feed anew
	}
	rest, more, err := r.advance(ctx, w, func(p *cliniko.Page, upTo time.Time) error {
		mark := r.standing.Marks[r.feed.Name]
		if p.Rows() > 0 {
			mark.Cursor = later(mark.Cursor, notAhead(upTo, p.Date, mark.Horizon))
		}
		if w.deep && r.deep.date.IsZero() {
			r.deep.date = p.Date
		}
		out, err := r.accept(ctx, r.page(p, mark))
		if err == nil && out.Late > 0 {
			r.metrics.late.Observe(out.Late.Seconds())
			r.widen(out.Late)
		}
		return err
	})
	if err == nil && more {
		if w.deep {
			r.deep.crowded = true
		} else {
			rest.from = later(rest.from, r.standing.Marks[r.feed.Name].Cursor) // over the look-back, to what is fresh
		}
	}
	return rest, more, err
}

// notAhead is t, or date, the API's clock, if that is earlier: one row stamped in the future, by a server whose clock was
// wrong for a moment, must not hide what comes until then. If the newest stamp was ahead at the first look already, the
// two clocks have nothing to do with one another, and date says nothing.
func notAhead(t, date, horizon time.Time) time.Time {
	if date.IsZero() || !t.After(date) || horizon.After(date.Add(skew)) {
		return t
	}
	return date
}

// widen makes the look-back follow a lateness that was seen. It is committed with the next page.
func (r *reader) widen(late time.Duration) {
	mark := r.standing.Marks[r.feed.Name]
	mark.Lookback = min(max(mark.Lookback, 2*late.Round(time.Second)), maxLookback)
	r.standing.Marks[r.feed.Name] = mark
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
