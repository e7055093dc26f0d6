package clinikotest

import (
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A merge archives the duplicate, with the survivor's name on it where the edition has a field for it; the children
// move, and the survivor does not change.
func TestMergedPatientsLeaveTheirChildren(t *testing.T) {
	for _, edition := range []Edition{Edition2017, Edition2025} {
		s, c, clock := open(t, Options{Edition: edition})
		double, survivor, other := c.Create("patients"), c.Create("patients"), c.Create("patients")
		alert := c.Create("medical_alerts", Fields{"patient": RefTo("patients", double)})
		booked := c.Create("appointments", Fields{"patient": RefTo("patients", double)})
		foreign := c.Create("medical_alerts", Fields{"patient": RefTo("patients", other)})
		before, _ := c.Record("patients", survivor)
		clock.Advance(time.Minute)
		if !c.Merge(double, survivor) || c.Merge(double, survivor) || c.Merge(survivor, survivor) || c.Merge(survivor, double) {
			t.Error("patients are merged once, and into one that is there")
		}
		raw, _ := c.AnyRecord("patients", double)
		m := members(t, raw)
		if got := string(m["merged_with_patient"]); (edition == Edition2025) != strings.Contains(got, "/patients/"+string(survivor)) {
			t.Errorf("%s: got %s", edition, got)
		}
		if merged := string(m["merged_at"]); c.State("patients", double) != StateArchived ||
			(edition == Edition2025) != (merged == `"2027-03-27T10:01:00Z"`) {
			t.Errorf("%s: got %s", edition, raw)
		}
		for resource, id := range map[schemas.Resource]schemas.ID{"medical_alerts": alert, "appointments": booked} {
			if now, _ := c.Related(resource, id, "patient"); now != survivor || !c.UpdatedAt(resource, id).Equal(clock.Now()) {
				t.Errorf("%s: got patient %s, stamp %v", resource, now, c.UpdatedAt(resource, id))
			}
		}
		if now, _ := c.Related("medical_alerts", foreign, "patient"); now != other {
			t.Error("another patient's alert has moved")
		}
		if after, _ := c.Record("patients", survivor); string(after) != string(before) {
			t.Errorf("the survivor has changed: %s", after)
		}
		if resp, _ := get(t, s, "/patients/"+string(double)); resp.StatusCode != 404 {
			t.Errorf("got %d", resp.StatusCode)
		}
	}
}

// Erasing a patient takes everything with it that hangs on it, to the last line of an invoice, and nothing else.
func TestErasedPatientsTakeEverythingAlong(t *testing.T) {
	for _, edition := range []Edition{Edition2017, Edition2025} {
		for _, stubs := range []bool{false, true} {
			s, c, clock := open(t, Options{Edition: edition, ErasedStubs: stubs, RequestsPerMinute: -1})
			c.Populate(SmallClinic())
			patient := c.IDs("patients")[0]
			about := Fields{"patient": RefTo("patients", patient)}
			c.Create("medical_alerts", about)
			c.Create("invoice_items", Fields{"invoice": RefTo("invoices", c.Create("invoices", about))})
			c.Create("appointments", about)
			if edition == Edition2025 {
				c.Create("signatures", Fields{"patient_form": RefTo("patient_forms", c.Create("patient_forms", about))})
				c.Create("relationships", Fields{"related_patient": about["patient"]})
			}
			c.Archive("patients", patient) // it is erased from there too
			before := map[schemas.Resource]int{}
			for _, r := range c.Resources() {
				before[r] = len(c.IDs(r))
			}
			clock.Advance(time.Minute)
			if !c.Erase(patient) || c.Erase(patient) {
				t.Error("a patient is erased once")
			}
			for _, r := range c.Resources() {
				for _, id := range c.AllIDs(r) {
					raw, _ := c.AnyRecord(r, id)
					if strings.Contains(string(raw), "/patients/"+string(patient)+`"`) && (!stubs || r != "patients") {
						t.Errorf("%s %s is left: %s", edition, r, raw)
					}
				}
			}
			gone := []schemas.Resource{"medical_alerts", "invoices", "invoice_items", "appointments"}
			if edition == Edition2025 {
				gone = append(gone, "bookings", "individual_appointments", "signatures", "patient_forms", "relationships")
			}
			for _, r := range gone {
				if len(c.IDs(r)) >= before[r] {
					t.Errorf("%s: all %s are still there", edition, r)
				}
			}
			if len(c.IDs("taxes")) != before["taxes"] || len(c.IDs("patients")) != before["patients"] {
				t.Error("something else is gone")
			}
			want := map[bool]State{false: StateGone, true: StateDeleted}[stubs]
			if got := c.State("patients", patient); got != want {
				t.Errorf("%s: got %v, want %v", edition, got, want)
			}
			if resp, _ := get(t, s, "/patients/"+string(patient)+"/medical_alerts"); resp.StatusCode != 404 {
				t.Errorf("%s: below nobody: got %d", edition, resp.StatusCode)
			}
			if stubs && (c.EditField("patients", patient) != nil || c.Archive("patients", patient)) {
				t.Error("a stub was edited")
			}
			checkErased(t, s, edition, stubs)
		}
	}
}

// checkErased says that stubs, and nothing else of what was erased, are where the deleted are shown.
func checkErased(t *testing.T, s *Server, edition Edition, stubs bool) {
	t.Helper()
	var l listing
	if edition == Edition2017 {
		patients := feed(t, s, "/patients/deleted")
		if len(patients.Rows) != bit(stubs) {
			t.Errorf("got %s", patients.Rows)
		}
		l = feed(t, s, "/medical_alerts/deleted")
	} else {
		l = list(t, s, "medical_alerts", "q[]", "deleted_at:?")
	}
	if (len(l.Rows) > 0) != stubs {
		t.Errorf("%s: got %d stubs", edition, len(l.Rows))
	}
	for _, raw := range l.Rows {
		if m := members(t, raw); len(m) != 2 || m["id"] == nil || string(m["deleted_at"]) != `"2027-03-27T10:01:00Z"` {
			t.Errorf("got %s", raw)
		}
	}
}

// Archiving a patient hides none of its children.
func TestArchivedPatientsKeepTheirChildren(t *testing.T) {
	s, c, _ := open(t, Options{})
	patient := c.Create("patients")
	alert := c.Create("medical_alerts", Fields{"patient": RefTo("patients", patient)})
	c.Archive("patients", patient)
	below := idsAt(t, s, "/patients/"+string(patient)+"/medical_alerts", "medical_alerts")
	if got := ids(t, s, "medical_alerts"); got != string(alert) || below != string(alert) {
		t.Errorf("got %s, and %s below the patient", got, below)
	}
}

// idsAt are the ids of a list at a path.
func idsAt(t *testing.T, s *Server, path, key string) string {
	t.Helper()
	_, body := get(t, s, path)
	l := parseListing(t, key, body)
	return l.ids(t)
}
