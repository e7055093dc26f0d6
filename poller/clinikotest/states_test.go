package clinikotest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// acts are the pairs of acts for each state, for any resource that has it.
var acts = map[State]struct {
	enter, leave func(*Clinic, schemas.Resource, schemas.ID) bool
}{
	StateArchived:  {(*Clinic).Archive, (*Clinic).Unarchive},
	StateCancelled: {(*Clinic).Cancel, (*Clinic).Uncancel},
	StateDeleted:   {(*Clinic).SoftDelete, (*Clinic).Undelete},
	StateInactive: {
		func(c *Clinic, _ schemas.Resource, id schemas.ID) bool { return c.Deactivate(id) },
		func(c *Clinic, _ schemas.Resource, id schemas.ID) bool { return c.Activate(id) },
	},
}

// Every state of every resource hides a record from the list and from its own address, and leaving the state brings it
// back. The stamp moves, unless the options say that it does not.
func TestEveryStateHidesAndLetsGo(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		for _, edition := range []Edition{Edition2017, Edition2025} {
			s, c, clock := open(t, Options{Edition: edition, QuietStates: quiet, RequestsPerMinute: -1})
			for _, r := range c.Resources() {
				for _, state := range c.States(r) {
					id := c.Create(r)
					at := "/" + string(r) + "/" + string(id)
					if r == "referral_sources" {
						patient, _ := c.Related(r, id, "patient")
						at = "/patients/" + string(patient) + "/referral_source"
					}
					made := c.UpdatedAt(r, id)
					clock.Advance(time.Minute)
					if !acts[state].enter(c, r, id) || acts[state].enter(c, r, id) {
						t.Errorf("%s %s: it must enter %v once", edition, r, state)
					}
					_, shown := c.Record(r, id)
					raw, ok := c.AnyRecord(r, id)
					listed := slices.Contains(strings.Fields(ids(t, s, r)), string(id))
					resp, _ := get(t, s, at)
					if shown || listed || resp.StatusCode != 404 || !ok || c.State(r, id) != state || !slices.Contains(c.AllIDs(r), id) {
						t.Errorf("%s %s %v: shown %v, listed %v, %d, %v", edition, r, state, shown, listed, resp.StatusCode, c.State(r, id))
					}
					want := clock.Now()
					if quiet {
						want = made
					}
					if got := string(members(t, raw)["updated_at"]); got != `"`+schemas.FormatStamp(want)+`"` {
						t.Errorf("%s %s %v: got stamp %s, want %v", edition, r, state, got, want)
					}
					if !acts[state].leave(c, r, id) || acts[state].leave(c, r, id) {
						t.Errorf("%s %s: it must leave %v once", edition, r, state)
					}
					if resp, _ := get(t, s, at); resp.StatusCode != 200 || c.State(r, id) != StateLive {
						t.Errorf("%s %s: it does not come back from %v: %d", edition, r, state, resp.StatusCode)
					}
				}
			}
		}
	}
}

// ids are those that a list shows, all pages of a small one.
func ids(t *testing.T, s *Server, resource schemas.Resource, q ...string) string {
	t.Helper()
	params := []string{"per_page", "100", "sort", "id"}
	for _, f := range q {
		params = append(params, "q[]", f)
	}
	l := list(t, s, resource, params...)
	return l.ids(t)
}

// What an oracle says of records that are not there.
func TestStatesOfWhatIsNotThere(t *testing.T) {
	_, c, clock := open(t, Options{})
	late := c.CreateLate("patients", time.Minute)
	gone := c.Create("patients")
	c.Remove("patients", gone)
	for id, want := range map[schemas.ID]State{"1": StateNone, late: StateNone, gone: StateGone} {
		if got := c.State("patients", id); got != want {
			t.Errorf("%s: got %v, want %v", id, got, want)
		}
		if _, ok := c.AnyRecord("patients", id); ok {
			t.Errorf("%s: there is a record", id)
		}
		if c.Archive("patients", id) && id != late {
			t.Errorf("%s was archived", id)
		}
	}
	clock.Advance(time.Hour)
	if got := c.State("patients", late); got != StateArchived { // an act brings out what it builds on
		t.Errorf("got %v", got)
	}
	if got := c.AllIDs("patients"); !slices.Equal(got, []schemas.ID{late}) {
		t.Errorf("got %v", got)
	}
}

// A state that a resource does not have is a mistake in the test.
func TestUnknownStatesAreMistakes(t *testing.T) {
	_, c, _ := open(t, Options{})
	id := c.Create("taxes")
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	c.Archive("taxes", id)
}

// In 2025 a filter on the column of a state lifts what it hides, in the list and at the record's own address; each
// filter lifts its own state alone.
func TestFiltersLiftWhatIsHidden(t *testing.T) {
	s, c, clock := open(t, Options{Edition: Edition2025, RequestsPerMinute: -1})
	name := map[schemas.ID]string{}
	for _, n := range []string{"live", "archived", "cancelled", "both", "deleted"} {
		name[c.Create("individual_appointments")] = n
	}
	of := func(n string) schemas.ID {
		for id, have := range name {
			if have == n {
				return id
			}
		}
		return ""
	}
	clock.Advance(time.Minute)
	c.Archive("individual_appointments", of("archived"))
	c.Cancel("individual_appointments", of("cancelled"))
	c.Archive("individual_appointments", of("both"))
	c.Cancel("individual_appointments", of("both"))
	c.SoftDelete("individual_appointments", of("deleted"))
	for _, test := range []struct{ want, q string }{
		{"live", ""},
		{"archived live", "archived_at:*"},
		{"cancelled live", "cancelled_at:*"},
		{"deleted live", "deleted_at:*"},
		{"archived both cancelled live", "archived_at:* cancelled_at:*"},
		{"archived both cancelled deleted live", "archived_at:* cancelled_at:* deleted_at:* updated_at:>=1970-01-01T00:00:00Z"},
		{"archived", "archived_at:?"},
		{"cancelled", "cancelled_at:?"},
		{"deleted", "deleted_at:?"},
		{"archived both", "archived_at:? cancelled_at:*"},
		{"live", "archived_at:!?"},
		{"cancelled", "cancelled_at:>=1970-01-01T00:00:00Z"}, // a range gives the cancelled only
		{"", "cancelled_at:>2027-03-27T10:01:00Z"},
		{"cancelled", "cancelled_at:<=2027-03-27T10:01:00Z"},
		{"live", "updated_at:>=1970-01-01T00:00:00Z"}, // and another range does not
	} {
		for _, resource := range []schemas.Resource{"individual_appointments", "bookings", "appointments"} {
			var got []string
			for id := range strings.FieldsSeq(ids(t, s, resource, strings.Fields(test.q)...)) {
				got = append(got, name[schemas.ID(id)])
			}
			slices.Sort(got)
			if !slices.Equal(got, strings.Fields(test.want)) {
				t.Errorf("%s %s: got %s, want %s", resource, test.q, got, test.want)
			}
		}
		var got []string // each at its own address
		for id, n := range name {
			params := []string{}
			for f := range strings.FieldsSeq(test.q) {
				if !strings.HasPrefix(f, "updated_at") {
					params = append(params, "q[]", f)
				}
			}
			resp, body := get(t, s, "/individual_appointments/"+string(id), params...)
			if raw, _ := c.AnyRecord("individual_appointments", id); resp.StatusCode == 200 && string(body) == string(raw) {
				got = append(got, n)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, strings.Fields(test.want)) {
			t.Errorf("one by one, %s: got %s, want %s", test.q, got, test.want)
		}
	}
	for _, q := range []string{"notes:=x", "updated_at:?"} { // a list takes the second
		if resp, _ := get(t, s, "/individual_appointments/"+string(of("live")), "q[]", q); resp.StatusCode != 400 {
			t.Errorf("%s at a record's address: got %d", q, resp.StatusCode)
		}
	}
}

// A supplier is archived without a column: no filter brings it back. A practitioner has active.
func TestStatesWithoutAColumn(t *testing.T) {
	s, c, _ := open(t, Options{Edition: Edition2025})
	supplier, practitioner, other := c.Create("product_suppliers"), c.Create("practitioners"), c.Create("practitioners")
	c.Archive("product_suppliers", supplier)
	c.EditField("product_suppliers", supplier)
	if resp, _ := get(t, s, "/product_suppliers", "q[]", "archived_at:*"); resp.StatusCode != 400 ||
		c.State("product_suppliers", supplier) != StateArchived {
		t.Errorf("got %d", resp.StatusCode)
	}
	c.Deactivate(practitioner)
	for q, want := range map[string]string{
		"active:=false": string(practitioner), "active:=true": string(other), "updated_at:*": string(other),
	} {
		if got := ids(t, s, "practitioners", q); got != want {
			t.Errorf("%s: got %s, want %s", q, got, want)
		}
	}
	if resp, _ := get(t, s, "/practitioners/"+string(practitioner), "q[]", "active:=false"); resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
}

// Where a field tells of the state, it alone does: an edit of it is as good as an act.
func TestFieldsTellOfTheState(t *testing.T) {
	_, c, _ := open(t, Options{})
	id := c.Create("patients")
	c.Archive("patients", id)
	c.Edit("patients", id, Fields{"archived_at": nil})
	if got := c.State("patients", id); got != StateLive {
		t.Errorf("got %v", got)
	}
	var states []State
	for _, v := range c.History("patients", id) {
		states = append(states, v.State)
	}
	if want := []State{StateLive, StateArchived, StateLive}; !slices.Equal(states, want) {
		t.Errorf("got %v, want %v", states, want)
	}
}

// A cancellation says why, and undone it says nothing.
func TestCancellationsHaveAReason(t *testing.T) {
	_, c, _ := open(t, Options{})
	id := c.Create("appointments")
	before, _ := c.Record("appointments", id)
	c.Cancel("appointments", id)
	after, _ := c.AnyRecord("appointments", id)
	want := []string{"cancellation_note", "cancellation_reason", "cancellation_time"}
	if got := differing(t, before, after); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	c.Uncancel("appointments", id)
	if again, _ := c.Record("appointments", id); string(again) != string(before) {
		t.Errorf("got %s, want %s", again, before)
	}
}
