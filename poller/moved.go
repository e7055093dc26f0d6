package poller

import (
	"context"
	"errors"
	"slices"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// moved looks for records that went into a state or came back from one, and whose updated_at did not move with it: if no
// list orders them by the time of that, no list of news shows them, and the number of all records is as it was. But the list
// shows more or less records by itself, without the filters that lift states and without its side lists, than
// are known to be in none. What is found so was not missed by polling, which cannot see it.
//
// gone are those that no list shows. The number is trusted whole: a record that went as quietly hides one that came, until the
// next sweep.
func (s *sweep) moved(stop, work context.Context, gone []schemas.ID) error {
	if len(s.readers) == 1 && len(s.spec.Lift) == 0 {
		return nil // the list hides nothing
	}
	shown, _, err := s.inventory.Known(work, s.spec.Resource)
	if err != nil {
		return err
	}
	shown = slices.DeleteFunc(shown, func(id schemas.ID) bool { return slices.Contains(gone, id) })
	if !allNumbers(shown) {
		return nil
	}
	slices.SortFunc(shown, byNumber)
	feed := s.spec.Feeds[0]
	feed.Filters = nil
	c := s.countOf([]*reader{{resource: s.resource, feed: feed, lane: cliniko.LaneSweep}}, len(shown))
	c.sides, c.unseen = s.listings()[1:], true
	if err := c.compare(stop, work, span{ours: shown}, -1); !errors.Is(err, errUncounted) {
		return err
	}
	return nil // too much is on its way
}
