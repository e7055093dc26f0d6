package poller

import (
	"cmp"
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A resource that lies below another one - a list, or one object, for each record of the parent - has no list that could
// be followed. It is read whole, parent by parent: a walk. The first walk is the baseline; it is made in the lowest lane,
// beside everything else, and goes on after a stop where it was (Mark.After). The later ones come on the resource's
// schedule. What happens meanwhile behind a walk is for the next one to see.
//
// What the first look is in a list, the beginning of the first walk is here: the API's clock (the Date of its answer, for
// there is no newest record to ask for) is where "from now on" begins.

// A walk is one reading of all parents.
type walk struct {
	first bool // it is the baseline
	lane  cliniko.Lane

	begun   bool
	began   time.Time // our clock
	date    time.Time // the API's clock as it began
	parents []parent  // those that are still to be read, by rising id
	after   schemas.ID
	over    bool

	through int // parents that were read
	passed  int // parents that were passed over, because they could not be read
	tries   int // failures of the parent at hand
	list    *reader
	seen    map[schemas.ID]bool // records that were met; of a nested resource alone
	known   map[schemas.ID]bool // records that were known as it began; of objects per parent alone
	plan    diaryPlan           // of free slots alone
	quiet   bool                // so many of them were missing in the walk before that nothing is told as gone
}

const (
	// triesPerParent is how often a parent is asked for in vain until the walk goes on without it: one list may fail for
	// weeks (cliniko-api issues 186, 271), and the others not.
	triesPerParent = 3
	// passedInVain is how many parents are passed over, with none read, until the resource rests as a whole.
	passedInVain = 10
)

// walks says that the resource is read parent by parent.
func (r *resource) walks() bool { return r.spec.Parent != "" || r.spec.Shape == schemas.Slots }

// firstWalk takes a step of the baseline, if it is not complete. It tells whether one was taken.
func (r *reader) firstWalk(stop, work context.Context) (moved bool) {
	defer r.survive(&r.base)
	if stop.Err() != nil || !r.base.due() {
		return false
	}
	done := false
	err := r.step.take(stop, func() error {
		if err := r.know(work); err != nil {
			return err
		}
		done = r.standing.Marks[schemas.Baseline].Done
		if r.standing.Opened {
			return nil
		}
		return r.openWalk(work)
	})
	if err == nil && done {
		r.walk = nil
		return false
	}
	if err == nil {
		if r.walk == nil {
			r.walk = &walk{first: true, lane: cliniko.LaneBaseline}
		}
		err = r.walkStep(stop, work, r.walk)
		if r.walk.over {
			r.walk = nil
		}
	}
	r.settle(stop, &r.base, r.wrap(err, time.Time{}))
	return err == nil
}

// openWalk opens the resource. The caller holds step.
func (r *reader) openWalk(ctx context.Context) error {
	spec, _ := schemas.Lookup(r.spec.Edition, cmp.Or(r.spec.Parent, "businesses"))
	page, _, err := r.beside(spec.Feeds[0]).ask(ctx, window{from: epoch, lane: r.lane})
	if err != nil {
		return err
	}
	began := page.Date
	if began.IsZero() {
		began = time.Now() // a server without a clock: there is none but ours
	}
	began = began.UTC().Truncate(time.Second)
	_, err = r.accept(ctx, schemas.Page{
		Feed: r.feed.Name, Opening: true, First: true, Began: began, Mark: schemas.Mark{Horizon: began},
	})
	return err
}

// laterWalk reads all parents once more, if the first walk is over. It tries until that has come through.
func (r *reader) laterWalk(stop, work context.Context) {
	w := &walk{lane: cliniko.LaneSide}
	if r.spec.Shape == schemas.PerParent {
		w.lane = cliniko.LaneSweep
	}
	if !r.walkDue(stop, work) {
		r.dueSince(time.Time{})
		return
	}
	r.dueSince(time.Now())
	for !w.over && stop.Err() == nil {
		if !r.following.due() {
			rest(stop, time.Second)
			continue
		}
		err := r.walkStep(stop, work, w)
		r.settle(stop, &r.following, r.wrap(err, time.Time{}))
		if err == nil && !w.over {
			r.dueSince(time.Now())
		}
		if err != nil && w.over {
			if errors.Is(err, errPutBack) {
				return
			}
			*w = walk{lane: w.lane}
		}
	}
}

// walkDue says that the first walk is over, and that this one was not made already by a process before us.
func (r *reader) walkDue(stop, work context.Context) (due bool) {
	err := r.step.take(stop, func() error {
		if err := r.know(work); err != nil {
			return err
		}
		mark, now := r.standing.Marks[schemas.Live], time.Now()
		made := r.spec.Shape == schemas.PerParent && mark.After == "" && !mark.Cursor.IsZero() &&
			now.After(mark.Cursor) && now.Before(r.schedule.Next(mark.Cursor))
		due = r.standing.Marks[schemas.Baseline].Done && !made
		return nil
	})
	r.settle(stop, &r.following, r.wrap(err, time.Time{}))
	return due
}

// walkStep begins the walk, or reads the next parent or some of them, or ends the walk. After an error the same step is
// taken again, unless the walk is over by it.
func (r *reader) walkStep(stop, work context.Context, w *walk) error {
	var err error
	switch {
	case !w.begun:
		return r.beginWalk(stop, work, w)
	case len(w.parents) == 0:
		return r.endWalk(stop, work, w)
	case r.spec.Shape == schemas.Nested:
		err = r.nestedStep(stop, work, w)
	default:
		err = r.objectsStep(stop, work, w)
	}
	return r.pass(w, err)
}

func (r *reader) beginWalk(stop, work context.Context, w *walk) error {
	w.began = time.Now()
	if r.spec.Shape != schemas.Nested && r.inventory != nil {
		known, err := r.known(work)
		if err != nil {
			return err
		}
		w.known = make(map[schemas.ID]bool, len(known))
		for _, id := range known {
			w.known[id] = true
		}
		w.quiet = !w.first && r.tooMany(len(known))
	}
	all, err := r.parents(stop, work, w)
	if err != nil {
		return err
	}
	if r.spec.Shape != schemas.Nested {
		all = withKnown(all, w.known)
	}
	return r.step.take(stop, func() error {
		if err := r.know(work); err != nil {
			return err
		}
		w.after = r.walkMark(w).After
		for _, p := range all {
			if w.after == "" || idAfter(p.id, w.after) {
				w.parents = append(w.parents, p)
			}
		}
		w.begun, w.seen, w.list = true, make(map[schemas.ID]bool), r.beside(r.feed)
		r.left(w)
		return nil
	})
}

// errPutBack ends a walk: the store does not stand where the walk has brought it, since it was put back or lost, or the
// baseline was begun anew. The next walk begins where the store stands.
var errPutBack = errors.New("the store was put back meanwhile")

// stands makes sure that the store is where the walk has brought it. The caller holds step.
func (r *reader) stands(ctx context.Context, w *walk) error {
	if err := r.know(ctx); err != nil {
		return err
	}
	if r.standing.Opened && r.standing.Marks[schemas.Baseline].Done == !w.first && r.walkMark(w).After == w.after {
		return nil
	}
	w.over = true
	return errPutBack
}

// walkMark is the mark that the walk moves. The caller holds step.
func (r *reader) walkMark(w *walk) schemas.Mark {
	if w.first {
		return r.standing.Marks[schemas.Baseline]
	}
	return r.standing.Marks[schemas.Live]
}

// walkPage is what the walk hands on, with its mark behind the parent after. The caller holds step.
func (r *reader) walkPage(w *walk, records []schemas.Record, after schemas.ID) schemas.Page {
	mark := r.walkMark(w)
	mark.After = after
	page := r.page(&cliniko.Page{Records: records}, mark)
	page.Baseline = w.first
	return page
}

// pass decides about a parent that could not be read: it is asked for again, or the walk goes on without it.
func (r *reader) pass(w *walk, err error) error {
	e, ok := errors.AsType[*cliniko.Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case cliniko.Network, cliniko.RateLimited, cliniko.Unauthorized:
		return err // it is not about this parent
	case cliniko.Forbidden, cliniko.NotFound, cliniko.Refused:
	default:
		if w.tries++; w.tries < triesPerParent {
			return err
		}
	}
	r.log.Debug("a parent is passed over", zap.String("id", string(w.parents[0].id)), zap.Error(err))
	w.passed, w.tries, w.parents = w.passed+1, 0, w.parents[1:]
	if w.through == 0 && (w.passed >= passedInVain || len(w.parents) == 0) {
		w.over = true
		return err
	}
	return nil
}

func (r *reader) endWalk(stop, work context.Context, w *walk) error {
	if !w.first && r.spec.Shape == schemas.Nested && w.passed == 0 {
		if err := r.conclude(stop, work, w); err != nil {
			return err
		}
	}
	return r.step.take(stop, func() error {
		if err := r.stands(work, w); err != nil {
			return err
		}
		page := r.walkPage(w, nil, "")
		if w.first {
			page.Mark.Done = true
		} else if r.spec.Shape == schemas.PerParent {
			page.Mark.Cursor = later(page.Mark.Cursor, w.date)
		}
		if _, err := r.accept(work, page); err != nil {
			return err
		}
		w.over = true
		if !w.first {
			r.accepted.Store(false)
		}
		r.came(time.Now().UTC())
		if w.first {
			r.log.Info("the baseline is complete", zap.Int("passed_over", w.passed))
		}
		return nil
	})
}

// left shows how many parents the first walk has still to read.
func (r *reader) left(w *walk) {
	if !w.first {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.left = len(w.parents)
}
