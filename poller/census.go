package poller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A census compares what the API has of a resource with what is known, by counting: a list tells how many rows it has,
// and bounds on the id narrow it. Where the two numbers differ for a stretch of ids, the stretch is halved, until it is
// a page; a page is read and compared id by id. Equal numbers could hide one record that is gone beside one that was
// missed: what may have been missed lately is read before (reread.go), and no stretch of more than mostTrusted records is
// believed on its number alone.

const (
	leafSize    = 100 // records of ours in a stretch that is read rather than counted: a page
	mostTrusted = 5000
)

type census struct {
	*sweep
	listings []*reader // the lists that together show every record that is not deleted
	sides    []*reader // lists that are read where listings do not show what is known
	known    int
	// seen are the ids that were read, and absent those of ours that were not where they should have been.
	seen   map[schemas.ID]bool
	absent []schemas.ID
	spent  int                 // requests
	most   int                 // more requests than this cost more than to read all
	unseen bool                // what it finds could not have been seen by polling
	handed map[schemas.ID]bool // read by the census before this one, and not handed on again
}

// countOf begins a census of listings, which should show so many records.
func (s *sweep) countOf(listings []*reader, known int) *census {
	return &census{sweep: s, listings: listings, known: known, seen: make(map[schemas.ID]bool), most: 50 + known/mostRows}
}

// errUncounted says that the list cannot be counted by ids: it has no total, or refuses the filter or the sort.
var errUncounted = errors.New("the list cannot be counted")

// census returns the ids that are known and that no list shows. What the lists show and is not known it hands on. Its
// error is an *overLimitError if too many are missing; then it has stopped early.
func (s *sweep) census(stop, work context.Context) ([]schemas.ID, error) {
	if err := s.reread(stop, work); err != nil {
		return nil, err
	}
	shown, hidden, err := s.inventory.Known(work, s.spec.Resource)
	if err != nil {
		return nil, err
	}
	c := s.countOf(s.listings(), len(shown)+len(hidden))
	err = c.count(stop, work, shown, hidden)
	whole := errors.Is(err, errUncounted)
	if whole {
		c.absent = nil
		err = c.readAll(stop, work, slices.Concat(shown, hidden))
	}
	if err != nil {
		return nil, err
	}
	absent := slices.DeleteFunc(c.absent, func(id schemas.ID) bool { return c.seen[id] })
	if err := s.believable(len(absent), c.known); err != nil || whole {
		return absent, err
	}
	return absent, s.moved(stop, work, absent, c.seen)
}

// listings are readers of the lists that show all records but the deleted. They are the sweep's own.
func (s *sweep) listings() []*reader {
	var list []*reader
	for _, r := range s.readers {
		if r.live() || r.feed.Path != s.spec.Feeds[0].Path && r.feed.Implies != schemas.DeletedState {
			list = append(list, &reader{resource: s.resource, feed: s.undeleted(r.feed), lane: cliniko.LaneSweep})
		}
	}
	return list
}

// undeleted is a feed without the filter that makes it show deleted records.
func (s *sweep) undeleted(f schemas.Feed) schemas.Feed {
	f.Filters = slices.DeleteFunc(slices.Clone(f.Filters), func(text string) bool {
		field, _, _ := strings.Cut(text, ":")
		return field == s.spec.States[schemas.DeletedState]
	})
	return f
}

// count compares by numbers. A record that was archived a moment ago has left one list for another and we may not know
// yet: only lists that differ are looked into, together.
func (c *census) count(stop, work context.Context, shown, hidden []schemas.ID) error {
	if !allNumbers(shown) || !allNumbers(hidden) {
		return errUncounted
	}
	ours := slices.Concat(shown, hidden)
	whole := span{}
	if len(c.listings) == 2 {
		n, err := c.total(stop, work, c.listings[1:], whole)
		if err != nil {
			return err
		}
		if n == len(hidden) {
			c.listings, ours = c.listings[:1], shown
		}
	}
	slices.SortFunc(ours, byNumber)
	if len(ours) > leafSize {
		n, err := c.total(stop, work, c.listings, whole)
		if err != nil {
			return err
		}
		if err := c.believable(len(ours)-n, c.known); err != nil {
			return err
		}
	}
	for from := 0; from < len(ours) || from == 0; from += mostTrusted {
		to := min(from+mostTrusted, len(ours))
		piece := span{ours: ours[from:to]}
		if from > 0 {
			piece.after = ours[from-1]
		}
		if to < len(ours) {
			piece.to = ours[to-1]
		}
		if err := c.compare(stop, work, piece, -1); err != nil {
			return err
		}
	}
	return nil
}

// A span is a stretch of ids: above after, up to and including to; "" is no bound. ours are those of it that are known, in order.
type span struct {
	after, to schemas.ID
	ours      []schemas.ID
}

func (s span) filters() []cliniko.Filter {
	var list []cliniko.Filter
	if s.after != "" {
		list = append(list, cliniko.Filter{Field: "id", Op: ">", Value: string(s.after)})
	}
	if s.to != "" {
		list = append(list, cliniko.Filter{Field: "id", Op: "<=", Value: string(s.to)})
	}
	return list
}

// compare looks for what differs in a span of which the API has n records, -1 if that is not known yet.
func (c *census) compare(stop, work context.Context, s span, n int) error {
	if len(s.ours) <= leafSize {
		if n == len(s.ours) {
			return nil
		}
		return c.read(stop, work, s)
	}
	if n < 0 {
		var err error
		if n, err = c.total(stop, work, c.listings, s); err != nil {
			return err
		}
	}
	if n == len(s.ours) {
		return nil
	}
	mid := len(s.ours) / 2
	left, right := s, s
	left.to, left.ours = s.ours[mid-1], s.ours[:mid]
	right.after, right.ours = s.ours[mid-1], s.ours[mid:]
	had, err := c.total(stop, work, c.listings, left)
	if err != nil {
		return err
	}
	if err := c.compare(stop, work, left, had); err != nil {
		return err
	}
	return c.compare(stop, work, right, n-had) // what the list lost or gained meanwhile, the next sweep finds
}

// total is how many records listings have in a span.
func (c *census) total(stop, work context.Context, listings []*reader, s span) (int, error) {
	sum := 0
	for _, r := range listings {
		page, err := c.ask(stop, work, r, cliniko.Query{Filters: s.filters(), PerPage: 1})
		if err != nil {
			return 0, err
		}
		if page.Total < 0 {
			return 0, errUncounted
		}
		sum += page.Total
	}
	return sum, nil
}

// read reads the rows of a span and compares them with ours.
func (c *census) read(stop, work context.Context, s span) error {
	for _, r := range c.listings {
		if err := c.readList(stop, work, r, s); err != nil {
			return err
		}
	}
	before := len(c.absent)
	for _, id := range s.ours {
		if !c.seen[id] {
			c.absent = append(c.absent, id)
		}
	}
	if len(c.absent) == before {
		return nil
	}
	for _, r := range c.sides {
		if err := c.readList(stop, work, r, s); err != nil {
			return err
		}
	}
	return nil
}

// readList reads one list's rows by ids. Each page is handed on in the turn in which it was asked for.
func (c *census) readList(stop, work context.Context, r *reader, s span) error {
	for more := true; more; {
		if err := r.source.Reserve(stop, cliniko.LaneSweep); err != nil {
			return err
		}
		err := r.step.take(stop, func() error {
			if err := r.know(work); err != nil {
				return err
			}
			page, err := c.ask(stop, work, r, cliniko.Query{Filters: s.filters(), Sort: "id", PerPage: mostRows, Paid: true})
			if err != nil {
				return err
			}
			last, err := lastID(&page, s.after)
			if err != nil {
				return errUncounted // it is not sorted as it was asked to be
			}
			r.asked = mostRows
			if more = r.holdsMore(&page); more && last == s.after {
				return errUnreadable
			}
			s.after = last
			return c.hand(work, r, &page)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ask sends one request with the list's own filters.
func (c *census) ask(stop, work context.Context, r *reader, q cliniko.Query) (cliniko.Page, error) {
	if err := stop.Err(); err != nil {
		return cliniko.Page{}, err
	}
	if c.spent++; c.spent > c.most {
		return cliniko.Page{}, errUncounted // the numbers differ everywhere
	}
	q.Path, q.Key, q.Stamp, q.Lane = r.feed.Path, r.feed.Key, r.feed.Stamp, cliniko.LaneSweep
	q.Filters = append(parseFilters(r.feed.Filters), q.Filters...)
	page, err := r.source.List(work, q)
	r.metrics.requests.WithLabelValues(q.Lane.String(), outcome(err)).Inc()
	if e, ok := errors.AsType[*cliniko.Error](err); ok && e.Kind == cliniko.Refused {
		return page, errUncounted
	}
	return page, err
}

// hand takes note of what was read, and hands it on. The caller holds the turn.
func (c *census) hand(ctx context.Context, r *reader, p *cliniko.Page) error {
	for i := range p.Records {
		c.seen[p.Records[i].ID] = true
	}
	for i := range p.Bad {
		c.seen[p.Bad[i].ID] = true
	}
	p.Records = slices.DeleteFunc(p.Records, func(rec schemas.Record) bool { return c.handed[rec.ID] })
	missed, err := c.sweep.hand(ctx, r, p)
	if !c.unseen {
		c.status.Missed += missed
	}
	c.sweep.count()
	return err
}

// readAll reads the lists whole, as a baseline does, and compares the ids.
func (c *census) readAll(stop, work context.Context, ours []schemas.ID) error {
	for _, r := range c.listings {
		err := c.walk(stop, work, r, window{from: epoch}, func(p *cliniko.Page) error { return c.hand(work, r, p) })
		if err != nil {
			return err
		}
		if r.plain {
			return fmt.Errorf("the list %s refuses a filter, so that hidden records cannot be told from gone ones", r.feed.Path)
		}
	}
	for _, id := range ours {
		if !c.seen[id] {
			c.absent = append(c.absent, id)
		}
	}
	return nil
}

func allNumbers(ids []schemas.ID) bool {
	return !slices.ContainsFunc(ids, func(id schemas.ID) bool { return strings.Trim(string(id), "0123456789") != "" })
}

// byNumber orders ids as the API does.
func byNumber(a, b schemas.ID) int {
	switch {
	case idAfter(a, b):
		return 1
	case idAfter(b, a):
		return -1
	default:
		return 0
	}
}
