package clinikotest

import (
	"slices"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// In such days, records go into every state and come back from it, some for good, and a patient is merged.
func TestDaysWithStatesHoldEverything(t *testing.T) {
	for _, edition := range []Edition{Edition2017, Edition2025} {
		_, c, clock := open(t, Options{Edition: edition})
		c.Populate(SmallClinic())
		live := NewLive(c, 1).WithStates()
		entered, left := map[State]bool{}, map[State]bool{}
		was := map[string]State{}
		look := func() {
			for _, r := range []schemas.Resource{"appointments", "patients", "practitioners", "medical_alerts", "taxes"} {
				for _, id := range slices.Concat(c.AllIDs(r), c.ids(r)) {
					now, key := c.State(r, id), string(r)+"/"+string(id)
					if before, known := was[key]; known && before != now {
						entered[now], left[before] = true, true
					}
					was[key] = now
				}
			}
		}
		for range 60 {
			live.Step(20)
			clock.Advance(time.Minute)
			look()
		}
		for _, state := range []State{StateCancelled, StateArchived, StateInactive, StateDeleted, StateGone} {
			if !entered[state] {
				t.Errorf("%s: nothing became %v", edition, state)
			}
		}
		for _, state := range []State{StateCancelled, StateArchived, StateInactive} {
			if !left[state] {
				t.Errorf("%s: nothing came back from %v", edition, state)
			}
		}
		if edition == Edition2025 && !slices.ContainsFunc(c.AllIDs("patients"), func(id schemas.ID) bool {
			raw, _ := c.AnyRecord("patients", id)
			return string(members(t, raw)["merged_at"]) != "null"
		}) {
			t.Error("nobody was merged")
		}
	}
}

// ids are those of every row that there ever was.
func (c *Clinic) ids(resource schemas.Resource) []schemas.ID {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	var all []schemas.ID
	for id := range l.rows {
		all = append(all, id)
	}
	return all
}

// Without it, nothing leaves its list.
func TestDaysHideNothingUnlessAsked(t *testing.T) {
	_, c, _ := open(t, Options{Edition: Edition2025})
	c.Populate(Sizes{"patients": 10, "appointments": 10})
	NewLive(c, 1).Step(400)
	for _, r := range c.Resources() {
		if len(c.IDs(r)) != len(c.ids(r)) {
			t.Errorf("%s: %d of %d are listed", r, len(c.IDs(r)), len(c.ids(r)))
		}
	}
}
