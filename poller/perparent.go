package poller

import (
	"context"
	"maps"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Of some resources each parent has one object or none: a patient's referral source, in 2017. It has no id and no stamp, and
// is known by its parent's id. A walk asks for it at each parent; those that are known of parents which no list shows any
// more are asked for as well. That an object is gone is seen by two walks in turn.

// objectsPerPage is how many parents are asked before what they have is handed on, and the walk's mark is moved.
const objectsPerPage = 50

// withKnown are the parents and those of which an object is known, by rising id.
func withKnown(parents []parent, known map[schemas.ID]bool) []parent {
	hidden := make(map[schemas.ID]bool, len(parents)+len(known))
	for id := range known {
		hidden[id] = false
	}
	for _, p := range parents {
		hidden[p.id] = p.hidden
	}
	all := make([]parent, 0, len(hidden))
	for _, id := range rising(maps.Keys(hidden)) {
		all = append(all, parent{id, hidden[id]})
	}
	return all
}

// objectsStep asks the next parents for their objects and hands on what they have. It keeps the turn for all of them, so
// that nothing comes between an answer and its commit; nobody else reads this resource.
func (r *reader) objectsStep(stop, work context.Context, w *walk) error {
	return r.step.take(stop, func() error {
		if err := r.stands(work, w); err != nil {
			return err
		}
		var found []schemas.Record
		var gone []schemas.ID
		var failed error
		n := 0
		for ; n < min(objectsPerPage, len(w.parents)) && stop.Err() == nil; n++ {
			p := w.parents[n]
			rec, err := r.ofParent(stop, work, w, p.id)
			if failed = err; err != nil && !is(err, cliniko.NotFound) {
				break
			}
			failed = nil
			if err == nil {
				found = append(found, rec)
			} else if r.goes(w, p) {
				gone = append(gone, p.id)
			}
			if err == nil && !w.first {
				r.absent.forget(p.id)
			}
		}
		if n == 0 {
			return failed
		}
		page := r.walkPage(w, found, w.parents[n-1].id)
		page.Gone = gone
		if _, err := r.accept(work, page); err != nil {
			return err
		}
		for _, id := range gone {
			r.absent.forget(id)
		}
		w.after, w.through, w.tries, w.parents = w.parents[n-1].id, w.through+n, 0, w.parents[n:]
		r.left(w)
		return failed
	})
}

func (r *reader) ofParent(stop, work context.Context, w *walk, id schemas.ID) (schemas.Record, error) {
	if r.spec.Shape == schemas.Slots {
		return r.freeSlots(stop, work, w, id)
	}
	raw, _, err := r.paid(stop, work, cliniko.Query{Path: r.below(id), Lane: w.lane})
	return schemas.Record{ID: id, Raw: raw}, err
}

// paid asks for an object once the budget has room for it.
func (r *reader) paid(stop, work context.Context, q cliniko.Query) ([]byte, time.Time, error) {
	if err := r.source.Reserve(stop, q.Lane); err != nil {
		return nil, time.Time{}, err
	}
	q.Paid = true
	raw, date, err := r.source.Get(work, q)
	r.metrics.requests.WithLabelValues(q.Lane.String(), outcome(err)).Inc()
	return raw, date, err
}

// goes notes that a parent has no object, and says whether one that we know is gone by it. A hidden parent may hide its
// object as well, and proves nothing.
func (r *reader) goes(w *walk, p parent) bool {
	if w.first || !w.known[p.id] || p.hidden {
		return false
	}
	again := r.absent.due(p.id, w.began.Add(-r.confirmAfter))
	r.absent.note(p.id)
	return again && !w.quiet
}
