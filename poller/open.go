package poller

import (
	"context"
	"errors"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// open takes the first look at a feed that the sink does not know: the newest records, newest first. The newest
// stamp is where "from now on" begins. It is taken from the records and not from a clock, since no clock is known to
// agree with the one that sets the stamps. All records of that very second are in the opening page, so that one
// stamped alike and met later is known to have come after it. The caller holds step.
func (r *reader) open(ctx context.Context) error {
	page, err := r.newest(ctx)
	if err != nil {
		return err
	}
	opening := r.page(&page, schemas.Mark{})
	opening.Opening, opening.First = !r.standing.Opened, true
	if n := len(page.Records); n > 0 {
		opening.Began = page.Records[0].Stamp
		if oldest := page.Records[n-1].Stamp; oldest.Equal(opening.Began) && r.holdsMore(&page) {
			w := window{from: opening.Began, lane: r.lane, deep: true}
			err = r.second(ctx, w, func(p *cliniko.Page) error {
				opening.Records = append(opening.Records, p.Records...)
				opening.Bad = append(opening.Bad, p.Bad...)
				return nil
			})
			if err != nil {
				return err
			}
		}
		opening.Mark = schemas.Mark{Cursor: opening.Began, Horizon: opening.Began}
	} else if !page.Date.IsZero() {
		opening.Began = page.Date.UTC().Add(-skew).Truncate(time.Second)
	}
	if _, err = r.accept(ctx, opening); err == nil {
		r.expect(page.Total)
	}
	return err
}

// skew is how far the clock of the Date header may be from the one that sets the stamps. Where a list is empty at the
// first look, the header is all there is: an old record that comes back into it later, from the archive, is no newcomer.
const skew = 5 * time.Minute

// newest reads the first page, newest first. The direction has two spellings, and which of them an edition takes is
// not told by any source: `order` is deprecated in 2025, and a column with its direction is first described later. If
// neither does, the newest records are searched for.
func (r *reader) newest(ctx context.Context) (cliniko.Page, error) {
	for _, q := range []cliniko.Query{
		{Lane: r.lane, Sort: r.feed.Stamp, Desc: true},
		{Lane: r.lane, Sort: r.feed.Stamp + ":desc"},
	} {
		if r.unsorted {
			break
		}
		if !r.live() { // the same list by another stamp (2025) has rows without that stamp, too
			q.Filters = []cliniko.Filter{cliniko.At(r.feed.Stamp, ">=", epoch)}
		}
		page, err := r.descending(ctx, q)
		if !refused(err) && !errors.Is(err, errUnordered) {
			return page, err
		}
	}
	return r.latest(ctx)
}

// descending asks for a first page that is to have the newest records, newest first. A full page of one stamp could as
// well be the oldest of a list that ignores the direction: then there are later rows, and the same page comes again.
func (r *reader) descending(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	var only time.Time // the one stamp of the page before
	for {
		page, err := r.list(ctx, q)
		if err != nil {
			return page, err
		}
		if !r.holdsMore(&page) { // it is the whole list, in whatever order
			newestFirst(&page)
			return page, nil
		}
		if !inReverse(page.Records) {
			return page, errUnordered
		}
		n := len(page.Records)
		if n == 0 || page.Records[0].Stamp.After(page.Records[n-1].Stamp) {
			return page, nil
		}
		stamp := page.Records[0].Stamp
		if stamp.Equal(only) {
			return page, errUnordered
		}
		only = stamp
		later, _, err := r.ask(ctx, window{from: stamp.Add(time.Second), lane: r.lane})
		if err != nil || later.Rows() == 0 {
			return page, err
		}
	}
}

func inReverse(records []schemas.Record) bool {
	for i := 1; i < len(records); i++ {
		if records[i].Stamp.After(records[i-1].Stamp) {
			return false
		}
	}
	return true
}
