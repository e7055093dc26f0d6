package poller

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

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
		raw, err := r.object(work)
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

// A lesser is the state of an object that is read from its feed's fallback. The zero value is one that is read in full.
type lesser struct {
	full  bool      // the object has been read in full, since the process started or since a 403
	until time.Time // our clock; the fallback is read until then, and the object itself tried again. Zero while it is not
}

// object asks for the object, or for the lesser form of it while the key's role may see no more. When the role is given
// the right, the record has more fields one day: an update of it, as their loss is when the right is taken away. One 403
// after the object was seen in full is no such loss yet: it has been answered by mistake, for minutes (cliniko-api
// issue 116). The caller holds step.
func (r *reader) object(ctx context.Context) ([]byte, error) {
	if time.Now().Before(r.lesser.until) {
		return r.get(ctx, r.feed.Fallback)
	}
	raw, err := r.get(ctx, r.feed.Path)
	if e, ok := errors.AsType[*cliniko.Error](err); !ok || e.Kind != cliniko.Forbidden || r.feed.Fallback == "" {
		if err == nil {
			if !r.lesser.until.IsZero() {
				r.log.Info("the key may see all of it again", zap.String("path", r.feed.Path))
			}
			r.lesser = lesser{full: true}
		}
		return raw, err
	}
	if r.lesser.full {
		r.lesser.full = false
		return nil, err
	}
	if r.lesser.until.IsZero() {
		r.log.Warn("the key may not see all of it; the public part is followed instead",
			zap.String("path", r.feed.Path), zap.String("instead", r.feed.Fallback))
	}
	r.lesser.until = time.Now().Add(asideWait)
	return r.get(ctx, r.feed.Fallback)
}

// get asks for the object. One that is all rows of a list is read page by page: {"services":[…]}.
func (r *reader) get(ctx context.Context, path string) ([]byte, error) {
	if r.feed.Key != "" {
		rows, _, err := r.pages(ctx, ctx, r.lane, path, r.feed.Key, nil)
		return rowsObject(r.feed.Key, rows), err
	}
	raw, _, err := r.source.Get(ctx, cliniko.Query{Path: path, Lane: r.lane})
	r.metrics.requests.WithLabelValues(r.lane.String(), outcome(err)).Inc()
	return raw, err
}

// settled marks the baseline of what is read whole: the first look was all of it. The caller holds step.
func (r *reader) settled(ctx context.Context) error {
	if r.standing.Marks[schemas.Baseline].Done {
		return nil
	}
	_, err := r.accept(ctx, schemas.Page{Feed: r.feed.Name, Baseline: true, Mark: schemas.Mark{Done: true}})
	return err
}
