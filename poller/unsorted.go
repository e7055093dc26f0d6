package poller

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A list that refuses to be sorted by its stamp, or does not care, gives the records of a window in an order of its own
// (by created_at, say its docs), and the first page of many says nothing of the others. It is read in pieces instead: a stretch
// of time that is narrow enough for all of its records to come in one answer.
//
// Why that skips nothing: every piece was read complete, in a single answer or by crowded, and each begins where the one before
// ended. A record moves to later stamps alone: from a piece that was read it comes into one that was not, or it is
// stamped after the reading, where the next poll begins. A piece that has an end ends at a second to which the stamps' clock had
// come before it was asked for (reached), so that no record is stamped into it afterwards. The last piece of a window without
// end has none either, so that no clock decides how far is read, and the cursor is, as everywhere, the greatest stamp that was
// committed. An answer without a Date costs a few requests more, and no record.

// disorderly is how many full pages in a row have to come in another order than was asked for until the list is taken for
// one that does not sort. One may be somebody's on the way: a cache that knows the path alone.
const disorderly = 2

// sort is what the list is asked to be sorted by, "" if it does not do that.
func (r *reader) sort() string {
	if r.unsorted {
		return ""
	}
	return r.feed.Stamp
}

// listSorted asks for one page in the order of q.Sort, and for the same without it if that is refused and is the reason. The
// caller holds step.
func (r *reader) listSorted(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	page, err := r.list(ctx, q)
	if q.Sort == "" || !refused(err) {
		return page, err
	}
	q.Sort, q.Paid = "", false
	page, without := r.list(ctx, q)
	if without == nil {
		r.unsort("refuses to be sorted", err)
	}
	return page, without
}

// disordered notes a full page that came in another order than was asked for. It returns errUnordered, or nil if the list is
// now taken for one that does not sort, for which the page is as good as any.
func (r *reader) disordered() error {
	if r.disorder++; r.disorder < disorderly {
		return errUnordered
	}
	r.unsort("does not come sorted", errUnordered)
	return nil
}

// unsort is for as long as the process runs: the next one finds out again, by one request.
func (r *reader) unsort(does string, why error) {
	r.unsorted = true
	r.noteSort(does)
	r.metrics.fallbacks.WithLabelValues(string(r.spec.Resource), "sort").Inc()
	r.log.Warn("the list "+does+"; it is read window by window", zap.String("feed", r.feed.Name), zap.String("sort", r.feed.Stamp), zap.Error(why))
}

func refused(err error) bool {
	e, ok := errors.AsType[*cliniko.Error](err)
	return ok && e.Kind == cliniko.Refused
}

// conclusive tells whether a full page that rises by stamp, up to last, shows that no other record of the window is stamped before
// last. A list that does not sort, where records rise by created_at, gives such a page by chance as long as nothing on it
// was edited but its last record: then those that come after that one can be stamped before it.
func conclusive(records []schemas.Record, last time.Time) bool {
	return len(records) == 0 || !byCreation(records) || !last.After(records[len(records)-1].CreatedAt)
}

// byCreation tells whether records rise by created_at, as in a list that does not sort.
func byCreation(records []schemas.Record) bool {
	return slices.IsSortedFunc(records, func(a, b schemas.Record) int { return a.CreatedAt.Compare(b.CreatedAt) })
}

// piece is what of w is asked for at once: all of it, until that was too much for one answer.
func (w window) piece() window {
	p := w
	if w.width == 0 {
		return p
	}
	end := w.from.Add(w.width)
	switch {
	case w.until.IsZero() && !end.After(w.reached), end.Before(w.until):
		p.until = end
	}
	return p
}

// fit takes a piece of w that was read, if the page is all of it, and makes the next one as wide as it should be. It
// returns what is left of w, as advance does.
func (r *reader) fit(ctx context.Context, w, piece window, page *cliniko.Page, more bool, take func(*cliniko.Page, time.Time) error) (window, bool, error) {
	last, end := lastStamp(page, w.from), piece.until
	switch {
	case !more:
		if err := take(page, last); err != nil {
			return w, false, err
		}
		if end.Equal(w.until) {
			w.from = last
			return w, false, nil
		}
		w.width = r.wider(end.Sub(w.from), page.Rows())
		w.from = end
		if !r.unsorted {
			w.width = 0 // it was doubt about one page
		}
		return w, true, nil
	case beyond(page.Records, end):
		return w, false, errUnfiltered
	case !last.After(w.from) || end.Equal(w.from.Add(time.Second)):
		if w.until.IsZero() {
			w.width = 0 // what comes after such a second is mostly little
		}
		return r.crowded(ctx, w, page.Date, take)
	case end.IsZero():
		w.reached = reached(page.Date, last, w.from)
		end = w.reached
	}
	w.width = max(end.Sub(w.from)/2, time.Second).Truncate(time.Second)
	return w, true, nil
}

// reached is a time after from to which the clock that sets the stamps has come: by the API's clock, which may be a little ahead
// of it, or else by a stamp that it has set.
func reached(date, last, from time.Time) time.Time {
	if sure := date.Add(-skew); sure.After(from) {
		return sure
	}
	return last
}

// wider is how wide the next piece has to be to hold seven tenths of a page, if one of d has so many rows: few enough that it
// seldom holds too many. It is twice d at most, and a second at least. Halving what is too wide and this, over 20,000
// records, cost a request for 40 (office hours) to 65 of them (evenly); shares of total_entries instead of halves cost more.
func (r *reader) wider(d time.Duration, rows int) time.Duration {
	aim := float64(r.asked) * 0.7
	return max(time.Duration(float64(d)*min(aim/float64(max(rows, 1)), 2)), time.Second).Truncate(time.Second)
}

// beyond tells whether a record is stamped at or after until: the filter was ignored.
func beyond(records []schemas.Record, until time.Time) bool {
	return !until.IsZero() && slices.ContainsFunc(records, func(rec schemas.Record) bool { return !rec.Stamp.Before(until) })
}
