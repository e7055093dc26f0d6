package clinikotest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Each resource answers where its edition says, and nowhere else: its list, one record, the lists below its parents.
func TestEveryResourceAnswersAtItsAddresses(t *testing.T) {
	for _, edition := range []Edition{Edition2017, Edition2025} {
		s, c, _ := open(t, Options{RequestsPerMinute: -1, Edition: edition})
		c.Populate(SmallClinic())
		status := func(path string) int {
			t.Helper()
			resp, _ := get(t, s, path)
			return resp.StatusCode
		}
		for _, r := range everyResource(func(r *resource) bool { return r.edition == edition && r.shape == "collection" }) {
			if got, want := status("/"+string(r.name)), map[bool]int{true: 200, false: 404}[r.list == "plain"]; got != want {
				t.Errorf("%s %s: the list answers %d, want %d", edition, r.name, got, want)
			}
			id := c.IDs(r.name)[0]
			raw, _ := c.Record(r.name, id)
			var record struct{ Links struct{ Self string } }
			if err := json.Unmarshal(raw, &record); err != nil {
				t.Fatal(err)
			}
			resp, body := get(t, s, strings.TrimPrefix(record.Links.Self, s.URL))
			if resp.StatusCode != 200 || string(body) != string(raw) {
				t.Errorf("%s %s: its own link answers %d %.80s", edition, r.name, resp.StatusCode, body)
			}
			for _, parent := range r.under {
				if r.name == "signatures" {
					continue // they have addresses of their own alone
				}
				path := "/" + string(parent) + "/" + string(c.IDs(parent)[0]) + "/" + string(r.name)
				if got := status(path); got != 200 {
					t.Errorf("%s %s: got %d", edition, path, got)
				}
				if got := status("/" + string(parent) + "/1/" + string(r.name)); got != 404 {
					t.Errorf("%s %s below nothing: got %d", edition, r.name, got)
				}
			}
		}
		for _, path := range []string{"/settings", "/settings/public", "/user", "/services"} {
			if got := status(path); got != 200 {
				t.Errorf("%s %s: got %d", edition, path, got)
			}
		}
	}
}

// In 2025 every value is of the kind that is documented for its field, also after a day's edits.
func TestEveryValueIsOfItsKind(t *testing.T) {
	_, c, _ := open(t, Options{Edition: Edition2025})
	c.Populate(SmallClinic())
	NewLive(c, 1).Step(500)
	shapes := map[string]string{
		"text": `"`, "int": "0", "decimal": `"`, "bool": "b", "time": `"`, "date": `"`, "link": "{", "links": "[", "ids": "[",
		"objects": "[", "texts": "[", "object": "{", "url": `"`, "ip": `"`,
	}
	for _, name := range c.Resources() {
		r := resourcesOf[Edition2025]()[name]
		for _, id := range c.IDs(name) {
			raw, _ := c.Record(name, id)
			for field, value := range members(t, raw) {
				got := string(value[:1])
				switch {
				case got == "t" || got == "f":
					got = "b"
				case got == "-" || got >= "0" && got <= "9":
					got = "0"
				}
				if want := shapes[r.kinds[field]]; got != "n" && want != "" && got != want {
					t.Fatalf("%s/%s: %s is %s, and not %s", name, id, field, value, r.kinds[field])
				}
				if r.kinds[field] == "decimal" && got == `"` {
					if text := strings.Trim(string(value), `"`); !strings.Contains(text, ".") {
						t.Fatalf("%s/%s: %s is %s", name, id, field, value)
					}
				}
			}
		}
	}
}

// The settings have the sections of their edition, and the public ones say nothing of the people behind the account.
func TestSettingsAreOneObject(t *testing.T) {
	for _, edition := range []Edition{Edition2017, Edition2025} {
		s, c, _ := open(t, Options{Edition: edition})
		for name, path := range singlePaths {
			_, body := get(t, s, string(path))
			raw, ok := c.Record(name, schemas.ID(name))
			if !ok || string(raw) != string(body) {
				t.Errorf("%s: got %s, want %s", path, body, raw)
			}
			for _, field := range resourcesOf[edition]()[name].fields {
				if members(t, body)[field] == nil {
					t.Errorf("%s %s: no %s", edition, path, field)
				}
			}
			for _, mail := range []string{"owner@example.com", "reception@example.com"} {
				if got, want := strings.Contains(string(body), mail), name == "settings"; got != want {
					t.Errorf("%s has %s: %v", path, mail, got)
				}
			}
		}
		changed := c.EditField("settings", "settings")
		if _, body := get(t, s, "/settings/public"); len(changed) != 1 || !strings.Contains(string(body), changed[0]) {
			t.Errorf("%q changed, and the public settings are %s", changed, body)
		}
		mine, _ := c.Field("settings", "settings", "calendar")
		public, _ := c.Field("public_settings", "public_settings", "calendar")
		if string(mine) != string(public) {
			t.Errorf("got %s, want %s", public, mine)
		}
	}
}

// In 2017 the referral source of a patient is an object without an id, known by the patient.
func TestReferralSourcesWereKnownByTheirPatient(t *testing.T) {
	s, c, _ := open(t, Options{})
	patient := c.Create("patients")
	c.Create("patients")
	if got := c.Create("referral_sources", Fields{"patient": RefTo("patients", patient), "notes": "x"}); got != patient {
		t.Errorf("got %s, want %s", got, patient)
	}
	_, body := get(t, s, "/patients/"+string(patient)+"/referral_source")
	m := members(t, body)
	if m["id"] != nil || m["patient"] != nil || m["updated_at"] != nil || string(m["notes"]) != `"x"` || len(m) != 6 {
		t.Errorf("got %s", body)
	}
	if got := c.EditField("referral_sources", patient); len(got) == 0 {
		t.Error("nothing changed")
	}
	other := c.Create("referral_sources") // of a patient who has none
	if other == patient || !slices.Contains(c.IDs("patients"), other) {
		t.Errorf("got a source of %s", other)
	}
	nobody := c.Create("patients")
	if resp, _ := get(t, s, "/patients/"+string(nobody)+"/referral_source"); resp.StatusCode != 404 {
		t.Errorf("a patient without one: got %d", resp.StatusCode)
	}
}

// In 2025 it has an id and is listed, and its address is still under the patient.
func TestReferralSourcesHaveIDsLater(t *testing.T) {
	s, c, _ := open(t, Options{Edition: Edition2025})
	id := c.Create("referral_sources")
	rows := list(t, s, "referral_sources").Rows
	patient, _ := c.Related("referral_sources", id, "patient")
	if len(rows) != 1 || patient == "" || patient == id {
		t.Fatalf("got %s of patient %s", rows, patient)
	}
	if _, body := get(t, s, "/patients/"+string(patient)+"/referral_source"); string(body) != string(rows[0]) {
		t.Errorf("got %s, want %s", body, rows[0])
	}
	if resp, _ := get(t, s, "/referral_sources/"+string(id)); resp.StatusCode != 404 {
		t.Errorf("by its own id: got %d", resp.StatusCode)
	}
}

// A signature has no list: its form links to it.
func TestSignaturesAreFoundByTheirForm(t *testing.T) {
	s, c, _ := open(t, Options{Edition: Edition2025})
	form := c.Create("patient_forms")
	id := c.Create("signatures", Fields{"patient_form": RefTo("patient_forms", form)})
	if got, _ := c.Related("patient_forms", form, "signatures"); got != id {
		t.Errorf("the form links to %q, want %s", got, id)
	}
	at := "/patient_forms/" + string(form) + "/signatures"
	for path, want := range map[string]int{at: 404, at + "/" + string(id): 200, at + "/1": 404, "/signatures/" + string(id): 404} {
		if resp, _ := get(t, s, path); resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, resp.StatusCode, want)
		}
	}
}

// bookings are the appointments of both kinds and the unavailable blocks, with the ids and stamps that they have there,
// and appointments are the individual ones: who polls both sees each change twice.
func TestBookingsAreAUnion(t *testing.T) {
	s, c, clock := open(t, Options{Edition: Edition2025, RequestsPerMinute: -1})
	want := []schemas.ID{
		c.Create("individual_appointments"), c.Create("group_appointments"), c.Create("unavailable_blocks"), c.Create("appointments"),
	}
	l := list(t, s, "bookings", "sort", "created_at,id")
	got := strings.Fields(l.ids(t))
	slices.Sort(got)
	sorted := strings.Fields(join(want...))
	slices.Sort(sorted)
	if !slices.Equal(got, sorted) {
		t.Fatalf("got %s, want %s", got, sorted)
	}
	appointments := list(t, s, "appointments")
	if got := strings.Fields(appointments.ids(t)); len(got) != 2 || len(c.IDs("individual_appointments")) != 2 {
		t.Errorf("got appointments %s", got)
	}
	clock.Advance(60e9)
	for _, resource := range []schemas.Resource{"bookings", "appointments", "individual_appointments"} {
		c.Edit(resource, want[0], Fields{"notes": string(resource)})
		for _, shown := range []schemas.Resource{"bookings", "appointments", "individual_appointments"} {
			notes, _ := c.Field(shown, want[0], "notes")
			if string(notes) != strconv.Quote(string(resource)) || !c.UpdatedAt(shown, want[0]).Equal(clock.Now()) {
				t.Errorf("%s edited in %s: got %s", shown, resource, notes)
			}
			self, _ := c.Field(shown, want[0], "links")
			if !strings.Contains(string(self), "/"+string(shown)+"/"+string(want[0])) {
				t.Errorf("%s: got links %s", shown, self)
			}
		}
	}
	c.AddField("individual_appointments", "odd", 1)
	if odd, _ := c.Field("bookings", want[0], "odd"); string(odd) != "1" {
		t.Error("a new field does not show in the union")
	}
	c.Cancel("bookings", want[0])
	c.Remove("group_appointments", want[1])
	if a, b := c.State("individual_appointments", want[0]), c.State("bookings", want[1]); a != StateCancelled || b != StateGone {
		t.Errorf("got %v and %v", a, b)
	}
}

// Ids of 2025 are strings, short and long ones mixed; those of 2017 are numbers unless the options say otherwise.
func TestIDsAreThoseOfTheEdition(t *testing.T) {
	_, c, _ := open(t, Options{Edition: Edition2025})
	lengths := map[bool]int{}
	for _, id := range c.Import("patients", 100) {
		raw, _ := c.Record("patients", id)
		if got := string(members(t, raw)["id"]); got != strconv.Quote(string(id)) {
			t.Fatalf("got %s", got)
		}
		lengths[len(id) > 10]++
	}
	if lengths[true] < 50 || lengths[false] < 5 {
		t.Errorf("got %d long and %d short ids", lengths[true], lengths[false])
	}
}

// The operators of 2025, which 2017 refuses.
func TestOperatorsOfTheLaterEdition(t *testing.T) {
	for _, test := range []struct {
		want string // the places of the types below that are selected
		q    string
	}{
		{"0 2", "category:=Classes"},
		{"0 1 2", "category:?"},
		{"3", "category:!?"},
		{"1", "category:!=Classes"},
		{"0 1", "show_in_online_bookings:=true"},
		{"2", "show_in_online_bookings:!=true"},
		{"2", "show_in_online_bookings:=false"},
		{"0 1", "appointment_reminder_template_ids:~7"},
		{"1", "appointment_reminder_template_ids:~77"},
		{"0 1 2 3", "updated_at:?"},
		{"", "updated_at:!?"},
		{"0 1 2 3", "updated_at:*"},
		{"0 1 2 3", "id:?"},
	} {
		s, c, _ := open(t, Options{Edition: Edition2025, StableTies: true})
		var ids []schemas.ID
		for _, f := range []Fields{
			{"category": "Classes", "show_in_online_bookings": true, "appointment_reminder_template_ids": []string{"7"}},
			{"category": "Talks", "show_in_online_bookings": true, "appointment_reminder_template_ids": []any{"7", 77}},
			{"category": "Classes", "show_in_online_bookings": false},
			{"category": nil, "show_in_online_bookings": nil},
		} {
			ids = append(ids, c.Create("appointment_types", f))
		}
		var want []schemas.ID
		for place := range strings.FieldsSeq(test.want) {
			i, _ := strconv.Atoi(place)
			want = append(want, ids[i])
		}
		l := list(t, s, "appointment_types", "q[]", test.q)
		if got := l.ids(t); got != join(want...) {
			t.Errorf("%s: got %s, want %s", test.q, got, join(want...))
		}
	}
	s, _, _ := open(t, Options{RequestsPerMinute: -1})
	for _, q := range []string{"updated_at:*", "updated_at:?", "updated_at:!?", "id:?", "archived_at:*"} {
		if resp, body := get(t, s, "/patients", "q[]", q); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("2017 %s: got %d %s", q, resp.StatusCode, body)
		}
	}
	s, _, _ = open(t, Options{RequestsPerMinute: -1, Edition: Edition2025})
	for _, test := range []struct{ resource, q, message string }{
		{"patients", "deleted_at:*", "deleted_at is not filterable"}, // a field, and no filter
		{"patients", "archived_at:*x", "This operator is not supported for archived_at."},
		{"taxes", "archived_at:*", "archived_at is not filterable"},
		{"patients", "accepted_privacy_policy:~t", "This operator is not supported for accepted_privacy_policy."},
		{"patients", "accepted_privacy_policy:=yes", "Invalid boolean for accepted_privacy_policy."},
		{"bookings", "patient_ids:~", "Invalid value for patient_ids."},
		{"bookings", "patient_ids:=1", "This operator is not supported for patient_ids."},
	} {
		resp, body := get(t, s, "/"+test.resource, "q[]", test.q)
		if want := `{"message":"` + test.message + `"}`; resp.StatusCode != http.StatusBadRequest || string(body) != want {
			t.Errorf("%s %s: got %d %s, want %s", test.resource, test.q, resp.StatusCode, body, want)
		}
	}
}

// Every documented filter is taken, with an operator of its kind.
func TestEveryDocumentedFilterIsTaken(t *testing.T) {
	operand := map[kind]string{
		datetimeColumn: ">=2027-01-01T00:00:00Z", dateColumn: "=2027-01-01", numberColumn: "=1,2", textColumn: "~~a%",
		boolColumn: "=true", arrayColumn: "~12",
	}
	for _, edition := range []Edition{Edition2017, Edition2025} {
		s, c, _ := open(t, Options{Edition: edition, RequestsPerMinute: -1})
		c.Populate(SmallClinic())
		for _, r := range everyResource(func(r *resource) bool { return r.edition == edition && r.list == "plain" && r.stamped() }) {
			for column, k := range r.filters {
				list(t, s, r.name, "q[]", column+":"+operand[k], "sort", column)
			}
		}
	}
}

// A filter on a relation that goes by another name in the records takes that one.
func TestFiltersFollowTheRelationBehindTheirName(t *testing.T) {
	s, c, _ := open(t, Options{Edition: Edition2025})
	want := c.Create("attendees", Fields{"booking": RefTo("bookings", "12")})
	c.Create("attendees", Fields{"booking": RefTo("bookings", "13")})
	for _, column := range []string{"booking_id", "appointment_id"} {
		if got := ids(t, s, "attendees", column+":=12"); got != string(want) {
			t.Errorf("%s: got %s, want %s", column, got, want)
		}
	}
}

func TestAnEditionThatIsNotThereIsAMistake(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(Options{Edition: "2013"})
}
