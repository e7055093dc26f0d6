package poller

import (
	"context"
	"slices"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// latest finds the newest records of a list that cannot give them first, for the opening look: the last stretch of time that
// has records, and few enough for one answer, or a single second. It halves the time between the newest record that it has
// seen and now, as the API's Date tells it. That header is a first guess alone, and so is our clock where there is none: what
// ends the search is that nothing is stamped later, and not that a clock says so.
//
// It costs some ten requests, thirty at most, once for each feed; a list of one page costs one.
func (r *reader) latest(ctx context.Context) (cliniko.Page, error) {
	page, more, err := r.ask(ctx, window{from: epoch, lane: r.lane})
	newestFirst(&page)
	if err != nil || !more {
		return page, err
	}
	total := page.Total
	none := page.Date // nothing is stamped so or later, as far as is known
	if none.IsZero() {
		none = time.Now().UTC()
	}
	some := epoch // a record is stamped so or later
	for {
		if len(page.Records) > 0 {
			some = page.Records[0].Stamp
		}
		if !none.After(some) {
			none = some.Add(skew)
		}
		from := some.Add(max(none.Sub(some)/2, time.Second)).Truncate(time.Second)
		page, more, err = r.ask(ctx, window{from: from, lane: r.lane})
		newestFirst(&page)
		switch {
		case err != nil:
			return page, err
		case len(page.Records) > 0 && !more:
			page.Total = total
			return page, nil
		case len(page.Records) > 0:
			// The newest are among them, or later still.
		case from.After(some.Add(time.Second)):
			none = from
		default:
			page, err = r.lastSecond(ctx, some)
			page.Total = total
			return page, err
		}
	}
}

// lastSecond is the first page of a second with more records than that, which no other comes after.
func (r *reader) lastSecond(ctx context.Context, second time.Time) (cliniko.Page, error) {
	page, _, err := r.ask(ctx, window{from: second, until: second.Add(time.Second), lane: r.lane})
	if err == nil && len(page.Records) == 0 {
		return page, errMoved
	}
	return page, err
}

func newestFirst(p *cliniko.Page) {
	slices.SortStableFunc(p.Records, func(a, b schemas.Record) int { return b.Stamp.Compare(a.Stamp) })
}
