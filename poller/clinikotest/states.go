package clinikotest

import (
	"fmt"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Each of these acts puts a record into a state or takes it out, at the time at which the clinic's clock stands. They
// say whether they did: not if there is no such record, or if nothing would change. A state that the resource does not
// have in this edition is a mistake in the test and panics; see States. Whether updated_at moves is
// Options.QuietStates.

// Archive hides a record as the application does when somebody "deletes" it.
func (c *Clinic) Archive(resource schemas.Resource, id schemas.ID) bool {
	return c.enter(resource, id, archived, nil)
}

// Unarchive brings an archived record back.
func (c *Clinic) Unarchive(resource schemas.Resource, id schemas.ID) bool {
	return c.leave(resource, id, archived, nil)
}

// Cancel cancels an appointment or an attendee, with a reason.
func (c *Clinic) Cancel(resource schemas.Resource, id schemas.ID) bool {
	return c.enter(resource, id, cancelled, Fields{
		"cancellation_reason": 10, "cancellation_reason_description": "Feeling better", "cancellation_note": "By telephone",
	})
}

// Uncancel undoes a cancellation, as staff can.
func (c *Clinic) Uncancel(resource schemas.Resource, id schemas.ID) bool {
	return c.leave(resource, id, cancelled, Fields{
		"cancellation_reason": nil, "cancellation_reason_description": "", "cancellation_note": nil,
	})
}

// SoftDelete gives a record a deleted_at. What is shown of it then is Options.Stubs.
func (c *Clinic) SoftDelete(resource schemas.Resource, id schemas.ID) bool {
	return c.enter(resource, id, deleted, nil)
}

// Undelete brings a deleted record back, as the vendor's support can.
func (c *Clinic) Undelete(resource schemas.Resource, id schemas.ID) bool {
	return c.leave(resource, id, deleted, nil)
}

// Deactivate makes a practitioner inactive.
func (c *Clinic) Deactivate(practitioner schemas.ID) bool {
	return c.enter("practitioners", practitioner, inactive, nil)
}

// Activate makes an inactive practitioner active again.
func (c *Clinic) Activate(practitioner schemas.ID) bool {
	return c.leave("practitioners", practitioner, inactive, nil)
}

// States are the states, beside live and gone, that records of a resource can be in.
func (c *Clinic) States(resource schemas.Resource) []State {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	var states []State
	for _, s := range []stateSet{inactive, cancelled, archived, deleted} {
		if l.res.hides&s != 0 {
			states = append(states, s.state())
		}
	}
	return states
}

// State is what a record is in now.
func (c *Clinic) State(resource schemas.Resource, id schemas.ID) State {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	switch r := l.rows[id]; {
	case r == nil:
		return StateNone
	case r.removed:
		return StateGone
	case r.shown < 0:
		return StateNone
	default:
		return r.now().hidden.state()
	}
}

// AllIDs are the ids of all records that are visible in some way, whatever their state, in the order of creation.
// Those of StateNone and StateGone are not among them.
func (c *Clinic) AllIDs(resource schemas.Resource) []schemas.ID {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	var ids []schemas.ID
	for _, r := range l.order {
		if r.shown >= 0 {
			ids = append(ids, r.id)
		}
	}
	return ids
}

// AnyRecord is the record's JSON whatever its state, in full, even where a list shows a stub of it. ok is false if it
// is gone, is not visible yet, or never was.
func (c *Clinic) AnyRecord(resource schemas.Resource, id schemas.ID) (raw []byte, ok bool) {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	r := l.live(id)
	if r == nil || r.shown < 0 {
		return nil, false
	}
	return append([]byte(nil), c.encoded(r.now())...), true
}

// enter puts a record into a state, with further fields as far as it has them.
func (c *Clinic) enter(resource schemas.Resource, id schemas.ID, state stateSet, with Fields) bool {
	l, r, now := c.openRow(resource, id)
	defer c.mu.Unlock()
	l.mustHide(state)
	if r == nil || r.latest().hidden&(state|erased) != 0 {
		return false
	}
	var since any = stamp(now)
	if state == inactive {
		since = false // what the field active says
	}
	c.turn(l, r, r.latest().marks|state, l.res.stateFields(state, since, with), now)
	return true
}

// leave takes a record out of a state.
func (c *Clinic) leave(resource schemas.Resource, id schemas.ID, state stateSet, with Fields) bool {
	l, r, now := c.openRow(resource, id)
	defer c.mu.Unlock()
	l.mustHide(state)
	if r == nil || r.latest().hidden&state == 0 || r.latest().hidden&erased != 0 {
		return false
	}
	var since any
	if state == inactive {
		since = true
	}
	c.turn(l, r, r.latest().marks&^state, l.res.stateFields(state, since, with), now)
	return true
}

func (l *collection) mustHide(state stateSet) {
	if l.res.hides&state == 0 {
		panic(fmt.Sprintf("clinikotest: no record of %s is ever %s", l.res.name, state.state()))
	}
}

// stateFields are the column of a state and those of with, as far as r has them.
func (r *resource) stateFields(state stateSet, since any, with Fields) Fields {
	fields := Fields{}
	for name, value := range with {
		if r.has(name) {
			fields[name] = value
		}
	}
	if column := r.column(state); column != "" {
		fields[column] = since
	}
	return fields
}

// turn gives r a version with other marks and fields. The marks of states that have a column are dropped: the column
// tells. c.mu is held.
func (c *Clinic) turn(l *collection, r *row, marks stateSet, fields Fields, now int64) {
	for _, column := range columns {
		if l.res.column(column.state) != "" {
			marks &^= column.state
		}
	}
	updated := now
	if c.opts.QuietStates {
		updated = r.latest().updated
	}
	all, _ := changed(r.latest().fields, fields)
	c.finish(l, r, &version{fields: all, marks: marks, updated: updated, shownAt: now}, now)
}
