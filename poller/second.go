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
// leaves out a second that was read whole and has no more rows than then.
func (r *reader) second(ctx context.Context, w window, take func(*cliniko.Page) error) error {
	err := r.secondByID(ctx, w, take)
	if unsorted(err) {
		return r.secondByPages(ctx, w, take)
	}
	return err
}

// unsorted says that err is a list's way not to be sorted as it was asked to be.
func unsorted(err error) bool { return errors.Is(err, errUnordered) || refused(err) }

func (r *reader) within(w window) cliniko.Query {
	return cliniko.Query{
		Lane: w.lane,
		Filters: []cliniko.Filter{
			cliniko.At(r.feed.Stamp, ">=", w.from),
			cliniko.At(r.feed.Stamp, "<", w.from.Add(time.Second)),
		},
	}
}

func (r *reader) secondByID(ctx context.Context, w window, take func(*cliniko.Page) error) error {
	var last schemas.ID
	total, sure := 0, false
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
		was := last
		if last, err = lastID(&page, last); err != nil {
			return err
		}
		if err := take(&page); err != nil {
			return err
		}
		if q.Filters[len(q.Filters)-1].Field != "id" { // the first page
			total = page.Total
			sure = page.Date.Sub(w.from) > clockLead || w.later
			same := r.whole.stamp.Equal(w.from) && total >= 0 && total <= r.whole.total
			if !w.deep && same && (r.whole.sure || !sure) {
				r.whole.total = total // rows that left have later stamps now
				return nil
			}
		}
		if r.holdsMore(&page) && last == was {
			return errUnreadable
		}
		if !r.holdsMore(&page) {
			if w.over {
				r.whole = wholeSecond{w.from, total, sure}
			}
			return nil
		}
	}
}

// lastID is the last id on a page whose rows rise by id. A row that is no record may have one all the same.
func lastID(p *cliniko.Page, last schemas.ID) (schemas.ID, error) {
	for i := range p.Records {
		if !idAfter(p.Records[i].ID, last) {
			return last, errUnordered
		}
		last = p.Records[i].ID
	}
	for i := range p.Bad {
		if idAfter(p.Bad[i].ID, last) {
			last = p.Bad[i].ID
		}
	}
	return last, nil
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
// and equal stamps keep their order, so it counts: a reading is complete if the API counted the same on every page, and
// as many ids were met.
func (r *reader) secondByPages(ctx context.Context, w window, take func(*cliniko.Page) error) error {
	for range secondTries {
		whole, err := r.onePass(ctx, w, take)
		if whole || err != nil {
			return err
		}
	}
	return fmt.Errorf("the second %s could not be read whole: its pages repeat", schemas.FormatStamp(w.from))
}

func (r *reader) onePass(ctx context.Context, w window, take func(*cliniko.Page) error) (whole bool, err error) {
	seen := make(map[schemas.ID]bool)
	total, bad := 0, 0
	for n := 1; ; n++ {
		q := r.within(w)
		q.Sort, q.Page = r.sort(), n
		page, err := r.list(ctx, q)
		if err != nil {
			return false, err
		}
		if page.Total < 0 {
			return false, errors.New("a second with more rows than a page, in a list that does not count them")
		}
		if n == 1 {
			total = page.Total
		}
		before := len(seen) + bad
		for i := range page.Records {
			seen[page.Records[i].ID] = true
		}
		bad += len(page.Bad)
		if err := take(&page); err != nil {
			return false, err
		}
		switch {
		case page.Total != total:
			return false, nil // somebody left, and those behind slid up
		case len(seen)+bad >= total:
			return true, nil
		case len(seen)+bad == before:
			return false, nil // a page that brings nothing new: past the end, or the same under every number
		}
	}
}
