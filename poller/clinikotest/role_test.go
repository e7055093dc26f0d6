package clinikotest

import (
	"slices"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A role that may not read a resource gets 403 with an empty body, from its list and its records; /user and the public
// settings answer everybody.
func TestRolesAreRefused(t *testing.T) {
	s, c, _ := open(t, Options{Role: Receptionist(), Edition: Edition2025, RequestsPerMinute: -1})
	c.Populate(Sizes{"users": 2, "treatment_notes": 1})
	for path, want := range map[string]int{
		"/users": 403, "/users/" + string(c.IDs("users")[0]): 403, "/settings": 403, "/treatment_notes": 403,
		"/user": 200, "/settings/public": 200, "/patients": 200,
	} {
		resp, body := get(t, s, path)
		if resp.StatusCode != want || (want == 403 && len(body) > 0) {
			t.Errorf("%s: got %d %s, want %d", path, resp.StatusCode, body, want)
		}
	}
	s.SetRole(Administrator())
	if resp, _ := get(t, s, "/users"); resp.StatusCode != 200 {
		t.Errorf("got %d as administrator", resp.StatusCode)
	}
	s.SetRole(nil)
	if resp, _ := get(t, s, "/settings"); resp.StatusCode != 200 {
		t.Errorf("got %d without a role", resp.StatusCode)
	}
}

// When a role changes, rows vanish and fields go, and nothing in the clinic has changed.
func TestRolesHideRowsAndFields(t *testing.T) {
	s, c, _ := open(t, Options{Edition: Edition2025, RequestsPerMinute: -1})
	c.Populate(SmallClinic())
	all := len(c.IDs("patients"))
	s.SetRole(Practitioner())
	patients := list(t, s, "patients", "per_page", "100")
	if *patients.Total == 0 || *patients.Total >= all || len(c.IDs("patients")) != all {
		t.Errorf("sees %d of %d patients", *patients.Total, all)
	}
	seen := strings.Fields(patients.ids(t))
	hidden := 0
	for _, id := range c.IDs("patients") {
		resp, _ := get(t, s, "/patients/"+string(id))
		if want := map[bool]int{true: 200, false: 404}[(id[len(id)-1]-'0')%2 == 0]; resp.StatusCode != want {
			t.Fatalf("patient %s: got %d, want %d", id, resp.StatusCode, want)
		}
		hidden += bit(resp.StatusCode == 404)
		if below, _ := get(t, s, "/patients/"+string(id)+"/medical_alerts"); below.StatusCode != resp.StatusCode {
			t.Fatalf("below patient %s: got %d", id, below.StatusCode)
		}
	}
	if len(seen) == 0 || *patients.Total+hidden != all {
		t.Errorf("%d are listed and %d have no address, of %d", *patients.Total, hidden, all)
	}
	for _, r := range []schemas.Resource{"treatment_notes", "medical_alerts", "invoices", "appointments"} {
		l := list(t, s, r, "per_page", "100")
		if *l.Total >= len(c.IDs(r)) {
			t.Errorf("sees all %s", r)
		}
		for id := range strings.FieldsSeq(l.ids(t)) {
			if of, _ := c.Related(r, schemas.ID(id), "patient"); (of[len(of)-1]-'0')%2 != 0 {
				t.Errorf("sees %s/%s of patient %s", r, id, of)
			}
		}
	}
	if l := list(t, s, "products"); *l.Total != len(c.IDs("products")) {
		t.Error("products are nobody's, and some are hidden")
	}
	for _, raw := range list(t, s, "communications").Rows {
		if m := members(t, raw); m["content"] != nil || m["type"] == nil {
			t.Fatalf("got %s", raw)
		}
	}
}

// A test may make a role of its own.
func TestRolesCanBeMade(t *testing.T) {
	s, c, _ := open(t, Options{})
	made := c.Import("taxes", 4)
	s.SetRole(&Role{Sees: func(r schemas.Resource, id schemas.ID) bool { return r != "taxes" || id == made[2] }})
	if got := ids(t, s, "taxes"); got != string(made[2]) {
		t.Errorf("got %s, want %s", got, made[2])
	}
}

// What an account does not have answers 404, above its parents too.
func TestAccountsMayLackResources(t *testing.T) {
	s, c, _ := open(t, Options{Lacks: []schemas.Resource{"medical_alerts", "services"}})
	patient, alert := c.Create("patients"), c.Create("medical_alerts")
	paths := []string{
		"/medical_alerts", "/medical_alerts/" + string(alert), "/medical_alerts/deleted", "/services",
		"/patients/" + string(patient) + "/medical_alerts",
	}
	for _, path := range paths {
		if resp, _ := get(t, s, path); resp.StatusCode != 404 {
			t.Errorf("%s: got %d", path, resp.StatusCode)
		}
	}
	if !slices.Contains(c.Resources(), "medical_alerts") {
		t.Error("the clinic keeps its records")
	}
}
