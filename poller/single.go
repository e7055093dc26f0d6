package poller

import (
	"context"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A singleton is one object, such as the settings of an account. It has no id, no stamp and no list: it is read whole by
// each poll and known by the resource's own name, "settings/settings". Whether it changed is for the sink to see.

// single reads the object.
func (r *reader) single(stop, work context.Context) error {
	return r.wrap(r.step.take(stop, func() error {
		if err := r.know(work); err != nil {
			return err
		}
		raw, _, err := r.source.Get(work, cliniko.Query{Path: r.feed.Path, Lane: r.lane})
		r.metrics.requests.WithLabelValues(r.lane.String(), outcome(err)).Inc()
		if err != nil {
			return err
		}
		opening := !r.standing.Opened
		page := r.page(&cliniko.Page{Records: []schemas.Record{{ID: schemas.ID(r.spec.Resource), Raw: raw}}, Total: 1}, schemas.Mark{})
		page.Opening = opening
		if _, err := r.accept(work, page); err != nil {
			return err
		}
		return r.settled(work)
	}), time.Time{})
}

// settled marks the baseline of what is read whole: the first look was all of it. The caller holds step.
func (r *reader) settled(ctx context.Context) error {
	if r.standing.Marks[schemas.Baseline].Done {
		return nil
	}
	_, err := r.accept(ctx, schemas.Page{Feed: r.feed.Name, Baseline: true, Mark: schemas.Mark{Done: true}})
	return err
}
