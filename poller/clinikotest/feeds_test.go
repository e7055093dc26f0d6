package clinikotest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// feed asks for a side list, which must come.
func feed(t *testing.T, s *Server, path string, params ...string) listing {
	t.Helper()
	resp, body := get(t, s, path, params...)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %q: %d %s", path, params, resp.StatusCode, body)
	}
	key := strings.Split(path, "/")
	return parseListing(t, key[len(key)-2], body)
}

// The side lists of 2017 show exactly what their state hides, and the lists below a parent show its part of it.
func TestSideListsShowWhatIsHidden(t *testing.T) {
	s, c, _ := open(t, Options{RequestsPerMinute: -1})
	patient, business, practitioner := c.Create("patients"), c.Create("businesses"), c.Create("practitioners")
	about := Fields{
		"patient": RefTo("patients", patient), "business": RefTo("businesses", business),
		"practitioner": RefTo("practitioners", practitioner),
	}
	elsewhere := Fields{
		"patient": RefTo("patients", "1"), "business": RefTo("businesses", "1"), "practitioner": RefTo("practitioners", "1"),
	}
	for _, test := range []struct {
		resource schemas.Resource
		state    State
		path     string
		under    []string
	}{
		{"appointments", StateDeleted, "/appointments/deleted", []string{"businesses", "practitioners", "patients"}},
		{"appointments", StateCancelled, "/appointments/cancelled", []string{"businesses", "practitioners", "patients"}},
		{"invoices", StateDeleted, "/invoices/deleted", []string{"practitioners", "patients"}},
		{"medical_alerts", StateDeleted, "/medical_alerts/deleted", []string{"patients"}},
	} {
		ours, theirs := c.Create(test.resource, about), c.Create(test.resource, elsewhere)
		live := c.Create(test.resource, about)
		acts[test.state].enter(c, test.resource, ours)
		acts[test.state].enter(c, test.resource, theirs)
		l := feed(t, s, test.path, "sort", "id")
		if got := l.ids(t); got != join(ours, theirs) || *l.Total != 2 {
			t.Errorf("%s: got %s, want %s", test.path, got, join(ours, theirs))
		}
		parents := map[string]schemas.ID{"businesses": business, "practitioners": practitioner, "patients": patient}
		for _, parent := range test.under {
			path := "/" + parent + "/" + string(parents[parent]) + test.path
			l := feed(t, s, path)
			if got := l.ids(t); got != string(ours) {
				t.Errorf("%s: got %s, want %s", path, got, ours)
			}
			_, body := get(t, s, strings.TrimSuffix(path, test.path[strings.LastIndexByte(test.path, '/'):]))
			below := parseListing(t, string(test.resource), body)
			if got := below.ids(t); got != string(live) {
				t.Errorf("%s below %s: got %s, want %s", test.resource, parent, got, live)
			}
		}
		c.Remove(test.resource, live)
		c.Remove(test.resource, ours)
		c.Remove(test.resource, theirs)
	}
	invoice := c.Create("invoices")
	item := c.Create("invoice_items", Fields{"invoice": RefTo("invoices", invoice)})
	c.SoftDelete("invoice_items", item)
	for _, path := range []string{"/invoice_items/deleted", "/invoice/" + string(invoice) + "/invoice_items/deleted"} {
		l := feed(t, s, path)
		if got := l.ids(t); got != string(item) {
			t.Errorf("%s: got %s", path, got)
		}
	}
	c.Archive("patients", patient)
	l := feed(t, s, "/patients/archived")
	if got := l.ids(t); got != string(patient) {
		t.Errorf("got %s", got)
	}
	c.Deactivate(practitioner)
	for _, path := range []string{"/practitioners/inactive", "/businesses/" + string(business) + "/practitioners/inactive"} {
		l := feed(t, s, path)
		if got := l.ids(t); got != string(practitioner) {
			t.Errorf("%s: got %s", path, got)
		}
	}
	for _, path := range []string{"/contacts/deleted", "/patients/cancelled", "/patients/inactive", "/taxes/deleted", "/invoice", "/invoices/inactive"} {
		if resp, _ := get(t, s, path); resp.StatusCode != 404 {
			t.Errorf("%s: got %d", path, resp.StatusCode)
		}
	}
}

// What is cancelled and deleted is among the deleted alone.
func TestTheDeletedAreInOneFeed(t *testing.T) {
	s, c, _ := open(t, Options{})
	id := c.Create("appointments")
	c.Cancel("appointments", id)
	c.SoftDelete("appointments", id)
	l, m := feed(t, s, "/appointments/cancelled"), feed(t, s, "/appointments/deleted")
	if len(l.Rows) != 0 || len(m.Rows) != 1 || c.State("appointments", id) != StateDeleted {
		t.Errorf("got %d cancelled, %d deleted", len(l.Rows), len(m.Rows))
	}
}

// In practice the lists of the deleted took deleted_at and id alone; as documented they take the filters of the plain
// list. The other side lists take those in any case, and not the columns of the states.
func TestSideListsTakeTheirOwnFilters(t *testing.T) {
	for _, documented := range []bool{false, true} {
		s, c, clock := open(t, Options{RequestsPerMinute: -1, DocumentedFeeds: documented})
		id := c.Create("patients")
		clock.Advance(time.Minute)
		c.SoftDelete("patients", id)
		for _, test := range []struct {
			path, q  string
			practice int // the status
			docs     int
		}{
			{"/patients/deleted", "deleted_at:>=2027-03-27T10:01:00Z", 200, 400},
			{"/patients/deleted", "id:=" + string(id), 200, 200},
			{"/patients/deleted", "updated_at:>=2027-03-27T10:00:00Z", 400, 200},
			{"/patients/deleted", "created_at:>=2027-03-27T10:00:00Z", 400, 200},
			{"/patients/deleted", "last_name:=Kowhai", 400, 200},
			{"/patients/archived", "updated_at:>=2027-03-27T10:00:00Z", 200, 200},
			{"/patients/archived", "archived_at:>=2027-03-27T10:00:00Z", 400, 400},
			{"/appointments/cancelled", "updated_at:>=2027-03-27T10:00:00Z", 200, 200},
			{"/practitioners/inactive", "user_id:=1", 200, 200},
		} {
			want := test.practice
			if documented {
				want = test.docs
			}
			resp, body := get(t, s, test.path, "q[]", test.q)
			if resp.StatusCode != want || (want == 400 && !strings.Contains(string(body), "This column is not searchable.")) {
				t.Errorf("documented %v, %s %s: got %d %s, want %d", documented, test.path, test.q, resp.StatusCode, body, want)
			}
		}
		if documented {
			continue
		}
		l := feed(t, s, "/patients/deleted", "q[]", "deleted_at:>2027-03-27T10:01:00Z")
		if len(l.Rows) != 0 {
			t.Errorf("got %s, deleted at that second", l.ids(t))
		}
		for sort, want := range map[string]int{"deleted_at": 200, "id": 200, "created_at": 200, "updated_at": 400, "last_name": 400} {
			if resp, _ := get(t, s, "/patients/deleted", "sort", sort); resp.StatusCode != want {
				t.Errorf("sorted by %s: got %d, want %d", sort, resp.StatusCode, want)
			}
		}
	}
}

// What is left of a deleted record is a whole row, an id with a time, or a link with a time. The oracle has the whole.
func TestStubsAreWhatTheOptionsSay(t *testing.T) {
	for _, edition := range []Edition{Edition2017, Edition2025} {
		for stubs, want := range map[Stubs]string{
			FullRows: "", IDStubs: `{"id":ID,"deleted_at":"2027-03-27T10:00:00Z"}`,
			LinkStubs: `{"deleted_at":"2027-03-27T10:00:00Z","links":{"self":"URL/medical_alerts/TEXT"}}`,
		} {
			s, c, _ := open(t, Options{Stubs: stubs, Edition: edition})
			id := c.Create("medical_alerts")
			c.SoftDelete("medical_alerts", id)
			raw, _ := c.AnyRecord("medical_alerts", id)
			if stubs == FullRows {
				want = string(raw)
			}
			spelled := string(members(t, raw)["id"])
			want = strings.NewReplacer("ID", spelled, "URL", s.URL, "TEXT", string(id)).Replace(want)
			var l listing
			if edition == Edition2017 {
				l = feed(t, s, "/medical_alerts/deleted")
			} else {
				l = list(t, s, "medical_alerts", "q[]", "deleted_at:?")
			}
			if len(l.Rows) != 1 || string(l.Rows[0]) != want {
				t.Errorf("%s %d: got %s, want %s", edition, stubs, l.Rows, want)
			}
		}
	}
}

// In 2025 the old paths answer 404, but for the inactive, unless the account still has them.
func TestOldPathsAreGone(t *testing.T) {
	for _, old := range []bool{false, true} {
		s, c, _ := open(t, Options{Edition: Edition2025, OldPaths: old, RequestsPerMinute: -1})
		c.Archive("patients", c.Create("patients"))
		c.Cancel("appointments", c.Create("appointments"))
		c.SoftDelete("invoices", c.Create("invoices"))
		c.Deactivate(c.Create("practitioners"))
		for path, still := range map[string]bool{
			"/patients/archived": old, "/individual_appointments/cancelled": old, "/appointments/cancelled": old,
			"/invoices/deleted": old, "/practitioners/inactive": true,
		} {
			resp, body := get(t, s, path)
			if want := map[bool]int{true: 200, false: 404}[still]; resp.StatusCode != want {
				t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
			}
			if still && !strings.Contains(string(body), `"total_entries":1`) {
				t.Errorf("%s: got %.200s", path, body)
			}
		}
	}
}

// /patient_cases/active are the cases that are not closed.
func TestActiveCasesAreAFeed(t *testing.T) {
	s, c, _ := open(t, Options{Edition: Edition2025})
	live := c.Create("patient_cases")
	c.Create("patient_cases", Fields{"closed": true})
	l := feed(t, s, "/patient_cases/active")
	if got := l.ids(t); got != string(live) {
		t.Errorf("got %s, want %s", got, live)
	}
}
