package poller

import (
	"context"
	"errors"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// open takes the first look at a resource that the sink does not know: the newest records, newest first. The newest
// stamp is where "from now on" begins. It is taken from the records and not from a clock, since no clock is known to
// agree with the one that sets the stamps. All records of that very second are in the opening page, so that one
// stamped alike and met later is known to have come after it. The caller holds step.
func (r *reader) open(ctx context.Context) error {
	page, err := r.newest(ctx)
	if err != nil {
		return err
	}
	opening := schemas.Page{Opening: true, Feed: schemas.Live, Records: page.Records, Total: max(page.Total, 0)}
	if n := len(page.Records); n > 0 {
		opening.Began = page.Records[0].UpdatedAt
		if oldest := page.Records[n-1].UpdatedAt; oldest.Equal(opening.Began) && holdsMore(&page) {
			w := window{from: opening.Began, lane: cliniko.LaneLive, deep: true}
			err = r.second(ctx, w, func(p *cliniko.Page) error {
				opening.Records = append(opening.Records, p.Records...)
				return nil
			})
			if err != nil {
				return err
			}
		}
		opening.Mark.Cursor = opening.Began
	}
	return r.accept(ctx, opening)
}

// newest reads the first page, newest first. The direction has two spellings, and which of them an edition takes is
// not told by any source: `order` is deprecated in 2025, and a column with its direction is first described later.
func (r *reader) newest(ctx context.Context) (cliniko.Page, error) {
	q := cliniko.Query{Lane: cliniko.LaneLive, Sort: r.feed.Stamp, Desc: true, PerPage: pageSize}
	page, err := r.list(ctx, q)
	if e, ok := errors.AsType[*cliniko.Error](err); err != nil && (!ok || e.Kind != cliniko.Refused) {
		return page, err
	}
	if err == nil && inReverse(page.Records) {
		return page, nil
	}
	q.Sort, q.Desc = r.feed.Stamp+":desc", false
	if page, err = r.list(ctx, q); err != nil {
		return page, err
	}
	if !inReverse(page.Records) {
		return page, errUnordered
	}
	return page, nil
}

func inReverse(records []schemas.Record) bool {
	var before time.Time
	for i := range records {
		if i > 0 && records[i].UpdatedAt.After(before) {
			return false
		}
		before = records[i].UpdatedAt
	}
	return true
}
