package poller

import (
	"context"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A nested resource is a list of records for each parent. Its rows have ids and stamps, and no list shows those that are
// gone: a record that two walks did not meet, and that is not at its own address either, is.

// nestedStep reads the list of the next parent to its end.
func (r *reader) nestedStep(stop, work context.Context, w *walk) error {
	p := w.parents[0]
	w.list.feed.Path = r.below(p.id)
	err := r.readAll(stop, work, w.list, w.lane, func(rows *cliniko.Page) error {
		if err := r.stands(work, w); err != nil {
			return err
		}
		if rows.Rows() > 0 {
			page := r.walkPage(w, rows.Records, w.after)
			page.Bad = rows.Bad
			if _, err := r.accept(work, page); err != nil {
				return err
			}
		}
		for i := range rows.Records {
			w.seen[rows.Records[i].ID] = true
		}
		for i := range rows.Bad {
			w.seen[rows.Bad[i].ID] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if w.first {
		err := r.step.take(stop, func() error {
			if err := r.stands(work, w); err != nil {
				return err
			}
			_, err := r.accept(work, r.walkPage(w, nil, p.id))
			return err
		})
		if err != nil {
			return err
		}
		w.after = p.id
	}
	w.through, w.tries, w.parents = w.through+1, 0, w.parents[1:]
	r.left(w)
	return nil
}

// conclude looks for records that are gone, at the end of a walk that has read every parent.
func (r *reader) conclude(stop, work context.Context, w *walk) error {
	if r.inventory == nil {
		return nil
	}
	known, err := r.known(work)
	if err != nil {
		return err
	}
	r.absent.keep(func(id schemas.ID) bool { return !w.seen[id] })
	for _, id := range known {
		if !w.seen[id] {
			r.absent.note(id)
		}
	}
	if r.tooMany(len(known)) {
		return nil
	}
	for _, id := range r.absent.since(w.began.Add(-r.confirmAfter)) {
		if err := r.search(stop, work, id, w.lane); err != nil {
			return err
		}
	}
	return nil
}

// search asks for a record by its own address, where hidden ones would show, and tells that it is gone if it is not there.
func (r *reader) search(stop, work context.Context, id schemas.ID, lane cliniko.Lane) error {
	if err := r.source.Reserve(stop, lane); err != nil {
		return err
	}
	return r.step.take(stop, func() error {
		if err := r.know(work); err != nil {
			return err
		}
		q := cliniko.Query{Path: itemPath(r.spec.Item, id), Filters: parseFilters(r.spec.Lift), Lane: lane, Paid: true}
		_, _, err := r.source.Get(work, q)
		r.metrics.requests.WithLabelValues(lane.String(), outcome(err)).Inc()
		switch {
		case err == nil:
			r.absent.forget(id)
			r.log.Warn("a record is there, and no list shows it", zap.String("id", string(id)))
			return nil
		case !is(err, cliniko.NotFound):
			if is(err, cliniko.Forbidden) {
				return nil // that proves nothing
			}
			return err
		}
		page := r.page(&cliniko.Page{}, r.standing.Marks[schemas.Live])
		page.Gone = []schemas.ID{id}
		if _, err := r.accept(work, page); err != nil {
			return err
		}
		r.absent.forget(id)
		return nil
	})
}
