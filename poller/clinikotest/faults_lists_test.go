package clinikotest

import (
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A filter or a sort that a list refuses is refused there alone, and the rest of the resource's lists pass.
func TestListsRefuseAFilterOrASort(t *testing.T) {
	s, c, _ := open(t, Options{Edition: Edition2025, RequestsPerMinute: -1})
	c.Create("patients")
	s.Inject(Rule{Fault: RefuseFilter("updated_at"), Resource: "patients"})
	s.Inject(Rule{Fault: RefuseSort("updated_at"), Resource: "patients"})
	s.Inject(Rule{Fault: RefuseSort("created_at"), Resource: "contacts"})
	for _, test := range []struct {
		resource, name, value string
		want                  int
	}{
		{"patients", "q[]", "updated_at:>=2027-03-27T10:00:00Z", 400},
		{"patients", "q[]", "created_at:>=2027-03-27T10:00:00Z", 200},
		{"patients", "sort", "updated_at:desc", 400},
		{"patients", "sort", "created_at", 200},
		{"patients", "page", "1", 200},
		{"contacts", "sort", "created_at", 400},
		{"contacts", "page", "1", 200}, // though that is how it is sorted
		{"taxes", "q[]", "updated_at:>=2027-03-27T10:00:00Z", 200},
		{"taxes", "sort", "updated_at", 200},
	} {
		resp, body := get(t, s, "/"+test.resource, test.name, test.value)
		if resp.StatusCode != test.want {
			t.Errorf("%s %s=%s: got %d %s, want %d", test.resource, test.name, test.value, resp.StatusCode, body, test.want)
		}
	}
	if _, body := get(t, s, "/patients", "q[]", "updated_at:*"); string(body) != `{"message":"updated_at is not filterable"}` {
		t.Errorf("got %s", body)
	}
	if resp, _ := get(t, s, "/patients/"+string(c.IDs("patients")[0])); resp.StatusCode != 200 {
		t.Errorf("one record: got %d", resp.StatusCode)
	}
}

// A poisoned record takes every page with it that holds it, and no other; by its own address it answers.
func TestAPoisonedRecordBreaksItsPage(t *testing.T) {
	s, c, _ := open(t, Options{RequestsPerMinute: -1})
	made := c.Import("taxes", 4)
	s.Inject(Rule{Fault: Poison(made[2]), Resource: "taxes"})
	for page, want := range map[string]int{"1": 200, "2": 500} {
		if resp, _ := get(t, s, "/taxes", "sort", "id", "per_page", "2", "page", page); resp.StatusCode != want {
			t.Errorf("page %s: got %d, want %d", page, resp.StatusCode, want)
		}
	}
	if resp, _ := get(t, s, "/taxes", "q[]", "id:!="+string(made[2])); resp.StatusCode != 200 {
		t.Errorf("around it: got %d", resp.StatusCode)
	}
	if resp, _ := get(t, s, "/taxes/"+string(made[2])); resp.StatusCode != 200 {
		t.Errorf("by its address: got %d", resp.StatusCode)
	}
}

// A query that takes too long is cut; a narrower one is answered.
func TestWideQueriesAreCut(t *testing.T) {
	s, c, _ := open(t, Options{})
	made := c.Import("taxes", 4)
	s.Inject(Rule{Fault: TooLong(3), Resource: "taxes"})
	for q, want := range map[string]int{"id:>=1": 504, "id:!=" + string(made[0]): 200} {
		if resp, _ := get(t, s, "/taxes", "q[]", q); resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", q, resp.StatusCode, want)
		}
	}
}

// The remaining faults of a list, each against the same list without it.
func TestListsCanLie(t *testing.T) {
	s, c, _ := open(t, Options{RequestsPerMinute: -1})
	live, gone := c.Create("appointments"), c.Create("appointments")
	c.SoftDelete("appointments", gone)
	heal := s.Inject(Rule{Fault: ShowHidden(StateDeleted)})
	if got := ids(t, s, "appointments"); got != join(live, gone) {
		t.Errorf("got %s, want %s", got, join(live, gone))
	}
	l := feed(t, s, "/appointments/deleted")
	if got := l.ids(t); got != string(gone) {
		t.Errorf("got %s deleted", got)
	}
	heal()
	heal = s.Inject(Rule{Fault: OffTotal(3)})
	if l := list(t, s, "appointments"); *l.Total != 4 || len(l.Rows) != 1 {
		t.Errorf("got %d rows of %d", len(l.Rows), *l.Total)
	}
	heal()
	heal = s.Inject(Rule{Fault: BlankNulls()})
	if m := members(t, list(t, s, "appointments").Rows[0]); string(m["cancellation_time"]) != `""` {
		t.Errorf("got %s", m["cancellation_time"])
	}
	heal()
	heal = s.Inject(Rule{Fault: QuotedIDs()})
	if m := members(t, list(t, s, "appointments").Rows[0]); string(m["id"]) != `"`+string(live)+`"` || len(m) < 20 {
		t.Errorf("got id %s", m["id"])
	}
	heal()
	s.Inject(Rule{Fault: OtherSelf("invoices")})
	if l := list(t, s, "appointments"); !strings.HasSuffix(l.Links["self"], "/v1/invoices?page=1") {
		t.Errorf("got %s", l.Links["self"])
	}
	if raw, _ := c.Record("appointments", live); strings.Contains(string(raw), `"cancellation_time":""`) {
		t.Error("a fault has changed the clinic")
	}
}

// A field that the API drops is gone from every record, those that are made later too, and moves no stamp.
func TestDroppedFieldsMoveNoStamp(t *testing.T) {
	_, c, clock := open(t, Options{Edition: Edition2025})
	id := c.Create("individual_appointments")
	clock.Advance(60e9)
	c.DropField("individual_appointments", "notes")
	for _, resource := range []schemas.Resource{"individual_appointments", "bookings"} {
		for _, id := range []schemas.ID{id, c.Create("individual_appointments")} {
			if raw, ok := c.Record(resource, id); !ok || members(t, raw)["notes"] != nil {
				t.Errorf("%s: got %s", resource, raw)
			}
		}
	}
	if !c.UpdatedAt("individual_appointments", id).Equal(start) {
		t.Error("the stamp has moved")
	}
}

// A rule may be for one address, so that a side list fails while the plain list answers.
func TestRulesMayBeForOneAddress(t *testing.T) {
	s, _, _ := open(t, Options{})
	s.Inject(Rule{Fault: NotFound(), Path: "/patients/archived"})
	for path, want := range map[string]int{"/patients/archived": 404, "/patients/deleted": 200, "/patients": 200} {
		if resp, _ := get(t, s, path); resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
}
