package schemas

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// stateFields are the fields that tell a state, wherever a resource has them.
var stateFields = []struct {
	field string
	state State
}{
	{"archived_at", ArchivedState},
	{"cancelled_at", CancelledState},
	{"cancellation_time", CancelledState}, // 2017; where both stand, cancelled_at is the one
	{"deleted_at", DeletedState},
}

// read fills the spec with what an edition's line says: "@every 10s; lists archived deleted". The fields are there
// already.
func (s *Spec) read(how string) error {
	clauses := strings.Split(how, ";")
	s.Schedule = clauses[0]
	s.Shape = Collection
	s.Item = "/" + string(s.Resource) + "/{id}"
	s.Feeds = []Feed{{Name: Live, Path: "/" + string(s.Resource), Key: string(s.Resource), Stamp: "updated_at"}}
	for _, f := range stateFields {
		if _, known := s.States[f.state]; slices.Contains(s.Fields, f.field) && !known {
			if s.States == nil {
				s.States = map[State]string{}
			}
			s.States[f.state] = f.field
		}
	}
	for _, clause := range clauses[1:] {
		words := strings.Fields(clause)
		if len(words) == 0 {
			return errors.New("an empty clause")
		}
		if err := s.clause(words[0], words[1:]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) clause(word string, args []string) error {
	live := &s.Feeds[0]
	switch {
	case word == "off" && len(args) == 0:
		s.Off = true
	case word == "no_item" && len(args) == 0:
		s.Item = ""
	case word == "lists" && len(args) > 0:
		for _, state := range args {
			s.Feeds = append(s.Feeds, sideList(*live, state))
		}
	case word == "lifts" && len(args) > 0:
		s.lift(args)
	case word == "nested" && len(args) == 1:
		s.Shape, s.Parent = Nested, Resource(args[0])
		live.Path = "/" + args[0] + "/{id}" + live.Path
	case word == "per_parent" && len(args) == 2:
		s.Shape, s.Parent, s.Item = PerParent, Resource(args[0]), args[1]
		*live = Feed{Name: Live, Path: args[1]}
	case word == "singleton" && (len(args) == 1 || len(args) == 2):
		s.Shape, s.Item = Singleton, ""
		*live = Feed{Name: Live, Path: args[0]}
		if len(args) == 2 {
			live.Key = args[1]
		}
	case word == "fallback" && len(args) == 1 && s.Shape == Singleton:
		live.Fallback = args[0]
	case word == "slots" && len(args) == 1:
		s.Shape, s.Item = Slots, ""
		*live = Feed{Name: Live, Path: args[0], Key: live.Key}
	default:
		return fmt.Errorf("%s with %d words is no clause", word, len(args))
	}
	return nil
}

// sideList is a list under a path of its own. The deleted lists are ordered by deleted_at and know no updated_at.
func sideList(live Feed, state string) Feed {
	f := Feed{Name: state, Path: live.Path + "/" + state, Key: live.Key, Stamp: live.Stamp, Implies: State(state)}
	switch state {
	case "inactive":
		f.Implies = ArchivedState
	case "deleted":
		f.Stamp = "deleted_at"
	}
	return f
}

// lift has the live feed show the hidden states too, and adds a feed for each state, ordered by the state's own
// column: nobody has documented that a record which goes into a state moves its updated_at. A filter on a column lifts
// what the column hides, so each such feed lifts the other states alone.
func (s *Spec) lift(states []string) {
	live := &s.Feeds[0]
	for _, state := range states {
		s.Lift = append(s.Lift, state+"_at:*")
	}
	live.Filters = s.Lift
	for i, state := range states {
		s.Feeds = append(s.Feeds, Feed{
			Name: state, Path: live.Path, Key: live.Key, Stamp: state + "_at", Implies: State(state),
			Filters: slices.Delete(slices.Clone(s.Lift), i, i+1),
		})
	}
}
