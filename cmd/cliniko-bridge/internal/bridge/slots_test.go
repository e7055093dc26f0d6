package bridge

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// In both editions: a slot that is booked or freed is told of its diary, a diary that comes or goes is told, and the slots
// that pass with the clock, or come into sight with a new day, are not.
func TestAvailableTimesAreFollowed(t *testing.T) {
	for edition, names := range map[clinikotest.Edition]struct {
		appointments schemas.Resource
		start, end   string
	}{
		clinikotest.Edition2017: {"appointments", "appointment_start", "appointment_end"},
		clinikotest.Edition2025: {"individual_appointments", "starts_at", "ends_at"},
	} {
		t.Run(string(edition), func(t *testing.T) {
			t.Parallel()
			// A Monday, ten in the morning at the clinic. Its clock moves when the test says so.
			monday := time.Date(2027, 3, 29, 0, 0, 0, 0, time.UTC)
			var passed atomic.Int64
			began := time.Now()
			clinic := clinikotest.New(clinikotest.Options{
				Edition: edition, RequestsPerMinute: -1,
				Now: func() time.Time { return monday.Add(time.Since(began) + time.Duration(passed.Load())) },
			})
			clinic.Populate(clinikotest.Sizes{"patients": 3})
			online := clinikotest.Fields{"show_in_online_bookings": true}
			business := clinic.Create("businesses", online)
			who, other := clinic.Create("practitioners", online), clinic.Create("practitioners", online)
			kind := clinic.Create("appointment_types", online, clinikotest.Fields{"duration_in_minutes": 30})
			diary := func(practitioner schemas.ID) string { return fmt.Sprintf("%s-%s-%s", business, practitioner, kind) }
			js := below(t, clinic, "available_times")

			var want []string
			tell := func(verb schemas.Verb, practitioner schemas.ID) {
				want = append(want, fmt.Sprintf("%s %s", verb, diary(practitioner)))
				wantEvents(t, js, want)
			}
			book := func(practitioner schemas.ID, day, hour int) schemas.ID {
				at := time.Date(2027, 3, 29+day, hour-10, 0, 0, 0, time.UTC)
				return clinic.Create(names.appointments, clinikotest.Fields{
					"practitioner": clinikotest.RefTo("practitioners", practitioner), "business": clinikotest.RefTo("businesses", business),
					names.start: schemas.FormatStamp(at), names.end: schemas.FormatStamp(at.Add(30 * time.Minute)),
				})
			}
			first := book(who, 2, 11)
			tell(schemas.Updated, who)
			passed.Store(int64(3 * time.Hour))
			clinic.Cancel(names.appointments, first)
			tell(schemas.Updated, who)
			passed.Store(int64(27 * time.Hour))
			book(other, 3, 14)
			tell(schemas.Updated, other)
			clinic.Assign(who, "appointment_types", kind, false)
			tell(schemas.Deleted, who)
			clinic.Assign(who, "appointment_types", kind, true)
			tell(schemas.Restored, who)
			third := clinic.Create("practitioners", online)
			tell(schemas.Created, third)
		})
	}
}
