package poller

import (
	"context"
	"slices"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// epoch is before every record.
var epoch = time.Unix(0, 0).UTC()

// A window is a stretch of a feed, by its stamp: from, included, up to until, excluded; a zero until is no end.
type window struct {
	from, until time.Time
	lane        cliniko.Lane
	paid        bool // the first request is paid for
	deep        bool // read again what was read whole before
	later       bool // rows with later stamps were seen
	over        bool // the second at which it begins has passed, by the API's clock: no row can be stamped with it anew

	// Of a window that is read in pieces, see unsorted.go: how wide they are, 0 if it is read as a whole, and the
	// latest end of a piece, if the window has none.
	width   time.Duration
	reached time.Time
}

// ask reads the first page of the window, oldest first, and tells whether the window holds more than that. The
// records come sorted by stamp, unless the list is unsorted and holds more. The caller holds step.
func (r *reader) ask(ctx context.Context, w window) (page cliniko.Page, more bool, err error) {
	q := cliniko.Query{Lane: w.lane, Paid: w.paid, Sort: r.sort()}
	q.Filters = append(q.Filters, cliniko.At(r.feed.Stamp, ">=", w.from))
	if !w.until.IsZero() {
		q.Filters = append(q.Filters, cliniko.At(r.feed.Stamp, "<", w.until))
	}
	if page, err = r.listSorted(ctx, q); err != nil {
		return page, false, err
	}
	more = r.holdsMore(&page)
	switch {
	case !more: // it is the whole window, in whatever order
		slices.SortStableFunc(page.Records, func(a, b schemas.Record) int { return a.Stamp.Compare(b.Stamp) })
	case before(page.Records, w.from):
		err = errUnfiltered
	case r.unsorted:
	case inOrder(page.Records):
		if !byCreation(page.Records) {
			r.disorder = 0
		}
	default:
		err = r.disordered()
	}
	return page, more, err
}

// holdsMore tells whether a list holds more rows than the page: it is full, or the API counts more.
func (r *reader) holdsMore(p *cliniko.Page) bool {
	rows := p.Rows()
	return rows > 0 && (rows >= r.asked || p.Total > rows || p.Next && p.Total < 0)
}

// inOrder tells whether records rise by stamp.
func inOrder(records []schemas.Record) bool {
	return slices.IsSortedFunc(records, func(a, b schemas.Record) int { return a.Stamp.Compare(b.Stamp) })
}

// before tells whether a record is stamped before from: the filter was ignored.
func before(records []schemas.Record, from time.Time) bool {
	return slices.ContainsFunc(records, func(rec schemas.Record) bool { return rec.Stamp.Before(from) })
}

// lastStamp is the last stamp on a page, from at least. A row that is no record may have one all the same.
func lastStamp(p *cliniko.Page, from time.Time) time.Time {
	for i := range p.Records {
		from = later(from, p.Records[i].Stamp)
	}
	for i := range p.Bad {
		from = later(from, p.Bad[i].Stamp)
	}
	return from
}

// advance reads one page of w, or, where a single second holds more than a page, all of that second. Each page goes
// to take, with the stamp up to which the window is read once the page is taken. It returns the window that is left;
// more says whether there may be anything in it.
//
// Why it skips nothing: every record stamped before the next window's from was in a page that was taken, or has moved
// to a later stamp since, which the next windows cover. What comes twice is for the sink to know. Of a list that does not
// sort, unsorted.go says the same.
func (r *reader) advance(ctx context.Context, w window, take func(p *cliniko.Page, upTo time.Time) error) (rest window, more bool, err error) {
	piece := w.piece()
	page, more, err := r.ask(ctx, piece)
	if err != nil {
		return w, false, err
	}
	w.paid = false
	last := lastStamp(&page, w.from)
	if w.width > 0 || more && (r.unsorted || !conclusive(page.Records, last)) {
		return r.fit(ctx, w, piece, &page, more, take)
	}
	if !more || last.After(w.from) {
		if err := take(&page, last); err != nil {
			return w, false, err
		}
		w.from = last
		return w, more, nil
	}
	// A full page, and all of it in the one second that we ask from: to ask again would bring the same.
	return r.crowded(ctx, w, page.Date, take)
}

// crowded reads the second at which w begins, which has more rows than a page, and goes on behind it. That takes
// several requests. While the second lasts, a row that was read can change once more and keep its stamp, so that it is
// left behind only by a reading that began when it was over: the API's clock is past it, or a later row exists.
// A second that may last still is left for the next poll to read again.
func (r *reader) crowded(ctx context.Context, w window, date time.Time, take func(*cliniko.Page, time.Time) error) (rest window, more bool, err error) {
	next := w
	next.from = w.from.Add(time.Second)
	w.over = date.Sub(w.from) >= 2*time.Second
	for {
		err := r.second(ctx, w, func(p *cliniko.Page) error { return take(p, w.from) })
		if err != nil {
			return w, false, err
		}
		if w.over {
			return next, true, nil
		}
		later, _, err := r.ask(ctx, next)
		if err != nil || later.Rows() == 0 {
			return w, false, err
		}
		w.over, w.later = true, true
	}
}
