package diff

import (
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A stateSet is the states that a record is in at once: an appointment may be cancelled and archived. None is live.
type stateSet uint8

// The states in the order in which they are told if a record went into several of them between two looks.
const (
	cancelled stateSet = 1 << iota
	archived
	deleted
	// gone comes with deleted: no list said so, the record was searched for and not found.
	gone

	stateCount = 3 // that a record can tell
)

var stateVerbs = [stateCount]schemas.Verb{schemas.Cancelled, schemas.Archived, schemas.Deleted}

// stateBit is the set of one state; live is none.
func stateBit(s schemas.State) stateSet {
	switch s {
	case schemas.CancelledState:
		return cancelled
	case schemas.ArchivedState:
		return archived
	case schemas.DeletedState:
		return deleted
	default:
		return 0
	}
}

// verbState is the state that a verb says its record went into.
func verbState(v schemas.Verb) stateSet {
	for i, verb := range stateVerbs {
		if v == verb {
			return 1 << i
		}
	}
	return 0
}

// verbs are the verbs of the states in s, in order.
func (s stateSet) verbs() []schemas.Verb {
	var out []schemas.Verb
	for i, verb := range stateVerbs {
		if s&(1<<i) != 0 {
			out = append(out, verb)
		}
	}
	return out
}

// A stateField is a top-level field that tells a state: it is null or empty while the record is not in it.
type stateField struct {
	name string
	bit  int // of the stateSet
}

func stateFields(states map[schemas.State]string) []stateField {
	var out []stateField
	for i, s := range [stateCount]schemas.State{schemas.CancelledState, schemas.ArchivedState, schemas.DeletedState} {
		if name := states[s]; name != "" {
			out = append(out, stateField{name, i})
		}
	}
	return out
}

// states are what the fields of one record tell: the states it is in, and since when, by the API's clock; zero if that
// is not a time.
type states struct {
	set   stateSet
	since [stateCount]time.Time
}

// note takes what one field tells, given its canonical value.
func (s *states) note(f stateField, canonical []byte) {
	switch canonical[0] {
	case 'z', 'f':
		return
	case 's':
		text := canonical[2:] // behind the kind and a length of one byte
		if len(text) == 0 {
			return // examples of the API show "" for a time that is not set
		}
		if t, err := time.Parse(time.RFC3339, string(text)); err == nil {
			s.since[f.bit] = t.UTC().Truncate(time.Second)
		}
	}
	s.set |= 1 << f.bit
}
