package poller

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A parent is a record of the API below which another resource lies.
type parent struct {
	id schemas.ID
	// hidden says that only a list of hidden records shows it: what is below it may be hidden as well.
	hidden bool
}

// parents reads which parents there are, the hidden among them and the deleted not, by rising id. They are read from the
// API by the keyset of their own lists, and not taken from the store: nobody need follow them.
func (r *reader) parents(stop, work context.Context, w *walk) ([]parent, error) {
	if r.spec.Shape == schemas.Slots {
		return r.diaries(stop, work, w)
	}
	spec, _ := schemas.Lookup(r.spec.Edition, r.spec.Parent)
	hidden := make(map[schemas.ID]bool)
	for _, feed := range spec.Feeds {
		if feed.Implies == schemas.DeletedState {
			continue
		}
		note := func(id schemas.ID) {
			if was, met := hidden[id]; id != "" && (!met || was) {
				hidden[id] = feed.Name != schemas.Live
			}
		}
		err := r.readAll(stop, work, r.beside(feed), w.lane, func(p *cliniko.Page) error {
			if w.date.IsZero() {
				w.date = p.Date
			}
			for i := range p.Records {
				note(p.Records[i].ID)
			}
			for i := range p.Bad {
				note(p.Bad[i].ID)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	list := make([]parent, 0, len(hidden))
	for _, id := range rising(maps.Keys(hidden)) {
		list = append(list, parent{id, hidden[id]})
	}
	return list, nil
}

// rising sorts ids as the API orders them.
func rising(ids func(func(schemas.ID) bool)) []schemas.ID {
	return slices.SortedFunc(ids, func(a, b schemas.ID) int {
		switch {
		case idAfter(a, b):
			return 1
		case idAfter(b, a):
			return -1
		default:
			return strings.Compare(string(a), string(b))
		}
	})
}

// beside is a reader of another list on behalf of the resource.
func (r *reader) beside(feed schemas.Feed) *reader {
	return &reader{resource: r.resource, feed: feed, lane: r.lane}
}

// below is the feed's address for one parent.
func (r *reader) below(id schemas.ID) string {
	return strings.Replace(r.feed.Path, "{id}", string(id), 1)
}

// readAll reads all of a list from its beginning and hands each page to take, which may be given a record twice. Each
// request is a step of its own, and take is called within it.
func (r *reader) readAll(stop, work context.Context, list *reader, lane cliniko.Lane, take func(*cliniko.Page) error) error {
	win := window{from: epoch, lane: lane, deep: true}
	for more := true; more; {
		if err := r.source.Reserve(stop, lane); err != nil {
			return err
		}
		win.paid = true
		err := r.step.take(stop, func() (err error) {
			win, more, err = list.advance(work, win, func(p *cliniko.Page, _ time.Time) error { return take(p) })
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
