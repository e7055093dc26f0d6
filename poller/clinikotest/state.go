package clinikotest

import "slices"

// A State is what a record is in. Where it is in several, the later one of this list counts.
type State int

// The states.
const (
	StateNone      State = iota // there never was such a record, or it is not visible yet
	StateLive                   // the plain list shows it
	StateInactive               // a practitioner who no longer works here
	StateCancelled              // by the patient or the practice; can be undone
	StateArchived               // what the application calls deleting since 2018; can be undone
	StateDeleted                // what the API calls deleted: hidden, and a stub or the whole record is left
	StateGone                   // removed for good: no list and no address shows it
)

func (s State) String() string {
	names := []string{"none", "live", "inactive", "cancelled", "archived", "deleted", "gone"}
	return names[s]
}

// A stateSet is a set of the states that hide a record.
type stateSet uint8

const (
	inactive stateSet = 1 << iota
	cancelled
	archived
	deleted
	erased // deleted with all that it held: a stub, which only the deleted show
)

var stateNames = map[string]stateSet{
	"inactive": inactive, "cancelled": cancelled, "archived": archived, "deleted": deleted,
}

// columns are the fields that tell of each state, as far as a resource has them. cancellation_time is of 2017.
var columns = []struct {
	state stateSet
	names []string
}{
	{cancelled, []string{"cancelled_at", "cancellation_time"}},
	{archived, []string{"archived_at"}},
	{deleted, []string{"deleted_at"}},
	{inactive, []string{"active"}},
}

// column is the field of r that tells of one state, "" if none does.
func (r *resource) column(state stateSet) string {
	for _, c := range columns {
		for _, name := range c.names {
			if c.state == state && r.has(name) {
				return name
			}
		}
	}
	return ""
}

// stateOf is the state that a column tells of, 0 if it is no such column.
func stateOf(column string) stateSet {
	for _, c := range columns {
		if slices.Contains(c.names, column) {
			return c.state
		}
	}
	return 0
}

// hiding is what hides v from the plain list: its fields say so, or, where the resource has no field for it, a mark.
func (r *resource) hiding(v *version) stateSet {
	set := v.marks
	for _, c := range columns {
		if r.hides&c.state == 0 {
			continue
		}
		f := v.field(r.column(c.state))
		switch {
		case c.state == inactive:
			if f != nil && string(f.value) == "false" {
				set |= inactive
			}
		case !f.null():
			set |= c.state
		}
	}
	return set
}

// state is the one that counts.
func (set stateSet) state() State {
	switch {
	case set&(deleted|erased) != 0:
		return StateDeleted
	case set&archived != 0:
		return StateArchived
	case set&cancelled != 0:
		return StateCancelled
	case set&inactive != 0:
		return StateInactive
	default:
		return StateLive
	}
}
