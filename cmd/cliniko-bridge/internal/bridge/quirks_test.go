package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// followed is a bridge that has met all that exists of some resources of a clinic.
func followed(t *testing.T, clinic *clinikotest.Clinic, resources ...string) *follower {
	t.Helper()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	server := publishertest.Start(t, publishertest.Options{})
	var schedules strings.Builder
	for _, r := range resources {
		fmt.Fprintf(&schedules, "  %s: {schedule: \"@every 3s\"}\n", r)
	}
	b := start(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [%s]}
nats: {url: %q}
data_dir: %q
resources:
%s`, clinic.Key(), api.URL, strings.Join(resources, ", "), server.URL(), t.TempDir(), schedules.String()))
	within(t, time.Minute, "the baseline", func() bool { return complete(b) })
	return &follower{t: t, bridge: b, js: server.JetStream(t)}
}

// Whether it moves a record's updated_at that it goes into a state is not known. Where the state has a column of its own,
// it is told all the same.
func TestAStateThatMovesNoStampIsTold(t *testing.T) {
	c := clinikotest.New(clinikotest.Options{Edition: clinikotest.Edition2025, QuietStates: true, RequestsPerMinute: -1})
	c.Populate(clinikotest.Sizes{"patients": 5, "appointments": 5, "practitioners": 1, "businesses": 1, "appointment_types": 1})
	f := followed(t, c, "patients", "individual_appointments")
	patients, appointments := c.IDs("patients"), c.IDs("individual_appointments")
	c.Archive("patients", patients[0])
	c.Cancel("individual_appointments", appointments[0])
	c.Archive("individual_appointments", appointments[1])
	c.SoftDelete("individual_appointments", appointments[2])
	f.wants(
		"patients archived "+string(patients[0]), "individual_appointments cancelled "+string(appointments[0]),
		"individual_appointments archived "+string(appointments[1]), "individual_appointments deleted "+string(appointments[2]),
	)
}

// What is done to one record is told of that record, and of others only if they changed: archiving a patient hides none of
// its children, archiving an attendee leaves its booking alone, and a merge archives the one patient and moves its children
// to the other, which stays as it is.
func TestWhatHappensToOneRecordIsToldOfThatOneAlone(t *testing.T) {
	c := clinikotest.New(clinikotest.Options{Edition: clinikotest.Edition2025, RequestsPerMinute: -1})
	c.Populate(clinikotest.Sizes{"patients": 4, "practitioners": 1, "businesses": 1, "appointment_types": 1})
	patients := c.IDs("patients")
	child := func(resource schemas.Resource, patient schemas.ID) schemas.ID {
		return c.Create(resource, clinikotest.Fields{"patient": clinikotest.RefTo("patients", patient)})
	}
	archived, duplicate, survivor := patients[0], patients[1], patients[2]
	child("medical_alerts", archived)
	moves := child("medical_alerts", duplicate)
	child("medical_alerts", survivor)
	appointment := child("individual_appointments", patients[3])
	attendee := c.Create("attendees", clinikotest.Fields{
		"patient": clinikotest.RefTo("patients", patients[3]), "booking": clinikotest.RefTo("bookings", appointment),
	})
	f := followed(t, c, "patients", "medical_alerts", "individual_appointments", "attendees")
	c.Archive("patients", archived)
	c.Archive("attendees", attendee)
	c.Merge(duplicate, survivor)
	f.wants(
		"patients archived "+string(archived), "attendees archived "+string(attendee),
		"patients archived "+string(duplicate), "medical_alerts updated "+string(moves),
	)
}
