package diff

import (
	"encoding/json"
	"errors"
	"maps"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// state is what the store holds of a resource beside its records, as JSON.
type state struct {
	// Revision rises with every commit, so that no two states are equal bytes.
	Revision uint64 `json:"revision"`
	// Began is as in schemas.Standing.
	Began time.Time `json:"began"`
	// Stream is the stream sequence of the resource's last event that the store knows: all up to it are committed.
	Stream uint64 `json:"stream"`
	// Floor is below every sequence that is given to a record without one. It is 0 until a store is begun anew beside
	// a stream that has dropped messages: then the records' last sequences cannot be known, but none is above the
	// stream's own.
	Floor uint64 `json:"floor,omitempty"`
	// High is how high Floor and Stream together stood at the most; see high.
	High uint64 `json:"high,omitempty"`
	// Rebuilt tells of a state that was made from the stream, because the store had none.
	Rebuilt rebuild   `json:"rebuilt,omitempty"`
	Oldest  time.Time `json:"oldest,omitzero"` // with Rebuilt: time of the first event that was there
	// Scheme is that of the records since the last baseline began; see shapeText.
	Scheme string `json:"scheme,omitempty"`
	// Generation counts the baselines that were begun anew.
	Generation int `json:"generation,omitempty"`
	// Forgotten is the generation below which the entries of the store count for nothing: see catching.forget.
	Forgotten int                     `json:"forgotten,omitempty"`
	Marks     map[string]schemas.Mark `json:"marks,omitempty"`
}

type rebuild string

const (
	rebuilding rebuild = "running" // the stream has not been read to its end
	rebuilt    rebuild = "done"
)

// parseState reads the bytes of a state; nil bytes are a resource that nobody has opened.
func parseState(b []byte) (state, error) {
	var st state
	if b == nil {
		return st, nil
	}
	if err := json.Unmarshal(b, &st); err != nil || st.Revision == 0 {
		return state{}, errors.New("the state in the store is damaged")
	}
	return st, nil
}

// next is the state as it is committed after st: a copy, one revision on.
func (st *state) next() state {
	n := *st
	n.Revision++
	n.High = st.high()
	n.Marks = maps.Clone(st.Marks)
	if n.Marks == nil {
		n.Marks = make(map[string]schemas.Mark)
	}
	return n
}

// high is a number that rises with every event of the resource and never falls, not even when the stream has lost them all or is
// made anew: of two states it tells which knows more.
func (st *state) high() uint64 { return max(st.High, st.Floor+st.Stream) }

func (st *state) bytes() []byte {
	b, _ := json.Marshal(st) // nothing in it cannot be encoded
	return b
}

func (st *state) standing(tracked int) schemas.Standing {
	return schemas.Standing{
		Opened: st.Revision > 0, Began: st.Began, Marks: maps.Clone(st.Marks), Tracked: tracked,
	}
}

// cameAfter tells whether a record that is unknown, created at t, came into being after the first look.
func (st *state) cameAfter(t time.Time) bool {
	switch {
	case t.IsZero():
		return false
	case t.Equal(st.Began):
		// What was created in the second of the first look and stood in the list then is known since the opening
		// page, so this came after it - unless the store was lost, and that knowledge with it.
		return st.Rebuilt == ""
	default:
		return t.After(st.Began)
	}
}
