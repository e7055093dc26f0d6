package poller

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// An import or a bulk edit gives thousands of rows one stamp. Such a second is read by ids, which is a keyset again:
// rows that leave the second meanwhile shift nothing. Its end is open at the next second and not closed at this one,
// in case the API keeps fractions that it does not show.

// second reads all rows stamped with the second at which w begins. It hands each page to take. Unless w is deep, it
// leaves out a second that was read whole and has as many rows as then.
func (r *reader) second(ctx context.Context, w window, take func(*cliniko.Page) error) error {
	err := r.secondByID(ctx, w, take)
	var refused *cliniko.Error
	if errors.Is(err, errUnordered) || errors.As(err, &refused) && refused.Kind == cliniko.Refused {
		return r.secondByPages(ctx, w, take)
	}
	return err
}

func (r *reader) within(w window) cliniko.Query {
	return cliniko.Query{
		Lane: w.lane, PerPage: pageSize,
		Filters: []cliniko.Filter{
			cliniko.At(r.feed.Stamp, ">=", w.from),
			cliniko.At(r.feed.Stamp, "<", w.from.Add(time.Second)),
		},
	}
}

func (r *reader) secondByID(ctx context.Context, w window, take func(*cliniko.Page) error) error {
	var last schemas.ID
	total := 0
	for {
		q := r.within(w)
		q.Sort = "id"
		if last != "" {
			q.Filters = append(q.Filters, cliniko.Filter{Field: "id", Op: ">", Value: string(last)})
		}
		page, err := r.list(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Records {
			if !idAfter(page.Records[i].ID, last) {
				return errUnordered
			}
			last = page.Records[i].ID
		}
		if err := take(&page); err != nil {
			return err
		}
		if q.Filters[len(q.Filters)-1].Field != "id" { // the first page
			total = page.Total
			if !w.deep && r.whole == (wholeSecond{w.from, total}) {
				return nil
			}
		}
		if !holdsMore(&page) || len(page.Records) == 0 {
			if w.over {
				r.whole = wholeSecond{w.from, total}
			}
			return nil
		}
	}
}

// idAfter compares two ids as the API orders them: as whole numbers, however large.
func idAfter(id, last schemas.ID) bool {
	a, b := strings.TrimLeft(string(id), "0"), strings.TrimLeft(string(last), "0")
	if len(a) != len(b) {
		return len(a) > len(b)
	}
	return a > b
}

// secondTries is how often a second is read anew because it changed meanwhile.
const secondTries = 5

// secondByPages is for a list that cannot be sorted by id. Page numbers hold still only while nobody leaves the second
// and equal stamps keep their order, so it counts: the reading is complete when it met as many ids as the API counts.
func (r *reader) secondByPages(ctx context.Context, w window, take func(*cliniko.Page) error) error {
	for range secondTries {
		seen := make(map[schemas.ID]bool)
		total := 0
		for n := 1; ; n++ {
			q := r.within(w)
			q.Sort, q.Page = r.feed.Stamp, n
			page, err := r.list(ctx, q)
			if err != nil {
				return err
			}
			if page.Total < 0 {
				return errors.New("a second with more rows than a page, in a list that does not count them")
			}
			before := len(seen)
			for i := range page.Records {
				seen[page.Records[i].ID] = true
			}
			if err := take(&page); err != nil {
				return err
			}
			total = page.Total - len(page.Bad)
			if len(seen) >= total {
				return nil
			}
			if len(seen) == before {
				break // a page that brings nothing new: past the end, or the same under every number
			}
		}
	}
	return fmt.Errorf("the second %s could not be read whole: its pages repeat", schemas.FormatStamp(w.from))
}
