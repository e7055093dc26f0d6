package clinikotest

import (
	"slices"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// WithStates adds to the days of l what hides records: appointments are cancelled and the cancellation is undone,
// patients and others are archived and brought back, some are deleted softly and some for good, practitioners leave
// and return, duplicates are merged. About one thing in six is of this kind. It returns l. Call it before the first
// Step.
func (l *Live) WithStates() *Live {
	l.does = append(slices.Clone(l.does), []habit{
		{8, func(l *Live) { l.hide("appointments", StateCancelled) }},
		{4, func(l *Live) { l.show("appointments", StateCancelled) }},
		{4, func(l *Live) { l.hide("patients", StateArchived) }},
		{2, func(l *Live) { l.show("patients", StateArchived) }},
		{3, (*Live).hideAny},
		{1, (*Live).showAny},
		{2, func(l *Live) { l.hide(pick(l.rng, softly), StateDeleted) }},
		{2, func(l *Live) { l.drop(pick(l.rng, removable)) }},
		{1, func(l *Live) { l.hide("practitioners", StateInactive) }},
		{1, func(l *Live) { l.show("practitioners", StateInactive) }},
		{1, (*Live).merge},
	}...)
	return l
}

var (
	softly    = []schemas.Resource{"medical_alerts", "invoices", "invoice_items", "appointments"}
	removable = []schemas.Resource{"taxes", "practitioner_reference_numbers", "medical_alerts", "appointments", "invoice_items"}
)

// hide puts a random live record into a state. A clinic keeps a few of everything: the last three stay.
func (l *Live) hide(resource schemas.Resource, state State) {
	if id, ok := l.spare(resource); ok {
		l.c.put(resource, id, state, true)
	}
}

// show takes a random record out of a state.
func (l *Live) show(resource schemas.Resource, state State) {
	if id, ok := l.c.randomIn(resource, state, l.rng.IntN); ok {
		l.c.put(resource, id, state, false)
	}
}

// put enters or leaves a state.
func (c *Clinic) put(resource schemas.Resource, id schemas.ID, state State, enter bool) {
	set := stateNames[state.String()]
	switch {
	case set == cancelled && enter:
		c.Cancel(resource, id)
	case set == cancelled:
		c.Uncancel(resource, id)
	case enter:
		c.enter(resource, id, set, nil)
	default:
		c.leave(resource, id, set, nil)
	}
}

func (l *Live) hideAny() { l.hide(l.anyArchivable(), StateArchived) }
func (l *Live) showAny() { l.show(l.anyArchivable(), StateArchived) }

// anyArchivable is a resource that can be archived.
func (l *Live) anyArchivable() schemas.Resource {
	return pick(l.rng, slices.DeleteFunc(l.c.Resources(), func(r schemas.Resource) bool {
		return !slices.Contains(l.c.States(r), StateArchived) || r == "bookings"
	}))
}

func (l *Live) drop(resource schemas.Resource) {
	if id, ok := l.spare(resource); ok {
		l.c.Remove(resource, id)
	}
}

func (l *Live) merge() {
	if id, ok := l.spare("patients"); ok {
		l.c.Merge(id, l.some("patients"))
	}
}

// spare is a live record that may go.
func (l *Live) spare(resource schemas.Resource) (schemas.ID, bool) {
	if len(l.c.IDs(resource)) <= 3 {
		return "", false
	}
	return l.c.random(resource, l.rng)
}

// randomIn is any record that is in a state.
func (c *Clinic) randomIn(resource schemas.Resource, state State, intN func(int) int) (schemas.ID, bool) {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	var in []*row
	for _, r := range l.order {
		if r.shown >= 0 && r.now().hidden != 0 && r.now().hidden.state() == state {
			in = append(in, r)
		}
	}
	if len(in) == 0 {
		return "", false
	}
	return in[intN(len(in))].id, true
}
