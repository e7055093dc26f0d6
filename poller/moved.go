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
// next sweep. handed are those that this sweep has read a moment ago: of them the list can tell nothing but what is older, if it lags
// behind the one that showed them.
func (s *sweep) moved(stop, work context.Context, gone []schemas.ID, handed map[schemas.ID]bool) error {
	if len(s.readers) == 1 && len(s.spec.Lift) == 0 {
		return nil // the list hides nothing
	}
	shown, _, err := s.inventory.Known(work, s.spec.Resource)
	if err != nil {
		return err
	}
	not := make(map[schemas.ID]bool, len(gone))
	for _, id := range gone {
		not[id] = true
	}
	shown = slices.DeleteFunc(shown, func(id schemas.ID) bool { return not[id] })
	if !allNumbers(shown) {
		return nil
	}
	slices.SortFunc(shown, byNumber)
	feed := s.spec.Feeds[0]
	feed.Filters = nil
	c := s.countOf([]*reader{{resource: s.resource, feed: feed, lane: cliniko.LaneSweep}}, len(shown))
	c.sides, c.unseen, c.handed = s.listings()[1:], true, handed
	if err := c.compare(stop, work, span{ours: shown}, -1); !errors.Is(err, errUncounted) {
		return err
	}
	return nil // too much is on its way
}
