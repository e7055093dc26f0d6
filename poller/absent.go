package poller

import (
	"context"
	"fmt"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// absences are the known records that the last complete walk did not meet, and since when. One absence proves little: a
// parent may have moved from one list to another between two requests. They are remembered by the process alone, so
// that a restart costs a walk more. The zero value is ready; it is for one goroutine at a time.
type absences struct {
	first map[schemas.ID]time.Time // our clock
	said  bool                     // that there are too many
}

func (a *absences) note(id schemas.ID) {
	if a.first == nil {
		a.first = make(map[schemas.ID]time.Time)
	}
	if a.first[id].IsZero() {
		a.first[id] = time.Now()
	}
}

// due says that id was missed first at t or before.
func (a *absences) due(id schemas.ID, t time.Time) bool {
	first, missed := a.first[id]
	return missed && !first.After(t)
}

func (a *absences) forget(id schemas.ID) { delete(a.first, id) }

// keep forgets all of which absent does not hold.
func (a *absences) keep(absent func(schemas.ID) bool) {
	maps.DeleteFunc(a.first, func(id schemas.ID, _ time.Time) bool { return !absent(id) })
}

// since are those that were missed first at t or before, by rising id.
func (a *absences) since(t time.Time) []schemas.ID {
	return rising(func(yield func(schemas.ID) bool) {
		for id := range a.first {
			if a.due(id, t) && !yield(id) {
				return
			}
		}
	})
}

// tooMany says that so many of the known records are missing that it is more likely a right that was taken away: above
// the limit of a sweep nothing is told, and that is said once, until there are fewer or an operator accepts it.
func (r *reader) tooMany(known int) bool {
	missing := len(r.absent.first)
	too := float64(missing) > max(fewGone, r.limit*float64(known)) && !r.accepted.Load()
	if too && !r.absent.said {
		r.log.Error(fmt.Sprintf("so many records are gone at once that nothing is told of them: find out why, then let it through with "+
			"\"cliniko-bridge sweep --accept %s\"", r.spec.Resource), zap.Int("gone", missing))
	}
	r.absent.said = too
	held := 0
	if too {
		held = missing
	}
	r.sweeping(func(s *SweepStatus) { s.Held, s.Last, s.Trouble = held, time.Now().UTC(), "" })
	return too
}

// known are the ids of all known records.
func (r *reader) known(ctx context.Context) ([]schemas.ID, error) {
	shown, hidden, err := r.inventory.Known(ctx, r.spec.Resource)
	return append(shown, hidden...), err
}
