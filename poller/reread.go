package poller

import (
	"context"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A number says nothing of a change that was missed in a record that is known. So before it counts, a sweep reads once
// more what every feed shows since the sweep before, up to where polling still looks by itself.

const (
	// rereadMargin is how much of what the sweep before has read is read again: rows may show late.
	rereadMargin = maxLookback
	// rereadFirst is how much is read if it is not known when the sweep before was.
	rereadFirst = 7 * 24 * time.Hour
)

func (s *sweep) reread(stop, work context.Context) error {
	var upTo time.Time
	s.sweeping(func(shown *SweepStatus) { upTo = shown.UpTo })
	for _, own := range s.readers {
		r := &reader{resource: s.resource, feed: own.feed, lane: cliniko.LaneSweep}
		var w window
		err := s.step.take(stop, func() error {
			if err := r.know(work); err != nil {
				return err
			}
			mark := r.standing.Marks[r.feed.Name]
			w.until, w.from = fresh(mark), mark.Cursor.Add(-rereadFirst)
			if !upTo.IsZero() {
				w.from = upTo.Add(-rereadMargin)
			}
			w.from = later(w.from, epoch)
			if r.live() {
				s.status.UpTo = mark.Cursor
			}
			r.plain = own.plain
			return nil
		})
		if err == nil && w.until.After(w.from) {
			err = s.walk(stop, work, r, w, func(p *cliniko.Page) error {
				missed, err := s.hand(work, r, p)
				s.status.Missed += missed
				s.count()
				return err
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fresh is the stamp from which on following the feed will come to a record by itself.
func fresh(mark schemas.Mark) time.Time { return mark.Cursor.Add(-max(mark.Lookback, minLookback)) }

// walk reads a window to its end. Each page goes to take in the turn in which it was asked for.
func (s *sweep) walk(stop, work context.Context, r *reader, w window, take func(*cliniko.Page) error) error {
	w.lane, w.deep = cliniko.LaneSweep, true
	for more := true; more; {
		if err := r.source.Reserve(stop, w.lane); err != nil {
			return err
		}
		w.paid = true
		err := r.step.take(stop, func() (err error) {
			if err := r.know(work); err != nil {
				return err
			}
			w, more, err = r.advance(work, w, func(p *cliniko.Page, _ time.Time) error { return take(p) })
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// hand hands on what was read, but for what is fresh, and returns how much of it was news. The caller holds the turn.
func (s *sweep) hand(ctx context.Context, r *reader, p *cliniko.Page) (missed int, err error) {
	mark, open := r.standing.Marks[r.feed.Name]
	if !open {
		return 0, nil // the store was lost meanwhile
	}
	old := make([]schemas.Record, 0, len(p.Records))
	for _, rec := range p.Records {
		if rec.Stamp.Before(fresh(mark)) {
			old = append(old, rec)
		}
	}
	if len(old) == 0 && len(p.Bad) == 0 {
		return 0, nil
	}
	out, err := r.accept(ctx, schemas.Page{Feed: r.feed.Name, Implies: r.feed.Implies, Mark: mark, Swept: true, Records: old, Bad: p.Bad})
	return out.Missed, err
}
