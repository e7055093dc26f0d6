package clinikotest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// An account that goes over to the later edition keeps its records: ids, stamps, states and what both editions know; new
// records get ids of their own, and the old clinic stays as it is.
func TestAnAccountGoesOverToAnotherEdition(t *testing.T) {
	_, c, clock := open(t, Options{})
	patient := c.Create("patients", Fields{"first_name": "Ada", "occupation": "Lighthouse keeper"})
	archived := c.Create("patients")
	appointment := c.Create("appointments", Fields{"patient": RefTo("patients", patient)})
	practitioner := c.Create("practitioners")
	clock.Advance(time.Minute)
	c.Deactivate(practitioner)
	c.Archive("patients", archived)
	c.Cancel("appointments", appointment)
	c.Remove("patients", c.Create("patients"))

	other := c.As(Options{Edition: Edition2025, Now: clock.Now, BaseURL: "https://api.au9.cliniko.com/v1"})
	if got, want := other.AllIDs("patients"), c.AllIDs("patients"); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("the patients are %v, want %v", got, want)
	}
	for _, name := range []string{"first_name", "occupation"} {
		was, _ := c.Field("patients", patient, name)
		if got, _ := other.Field("patients", patient, name); string(got) != string(was) {
			t.Errorf("%s is %s, want %s", name, got, was)
		}
	}
	if got, want := other.UpdatedAt("patients", patient), c.UpdatedAt("patients", patient); !got.Equal(want) {
		t.Errorf("its stamp is %v, want %v", got, want)
	}
	if got := other.State("patients", archived); got != StateArchived {
		t.Errorf("the archived patient is %s", got)
	}
	if got := other.State("practitioners", practitioner); got != StateInactive {
		t.Errorf("the inactive practitioner is %s", got)
	}
	for _, resource := range []schemas.Resource{"individual_appointments", "appointments"} {
		if got := other.State(resource, appointment); got != StateCancelled {
			t.Errorf("the appointment in %s is %s", resource, got)
		}
	}
	raw, _ := other.AnyRecord("individual_appointments", appointment)
	var row struct {
		ID          string    `json:"id"`
		CancelledAt time.Time `json:"cancelled_at"`
		Patient     struct {
			Links struct{ Self string }
		}
	}
	if err := json.Unmarshal(raw, &row); err != nil {
		t.Fatal(err)
	}
	if row.ID != string(appointment) || !row.CancelledAt.Equal(start.Add(time.Minute)) ||
		row.Patient.Links.Self != "https://api.au9.cliniko.com/v1/patients/"+string(patient) {
		t.Errorf("got %s", raw)
	}
	if id := other.Create("patients"); c.State("patients", id) != StateNone {
		t.Errorf("the new patient %s is in both", id)
	}
}
