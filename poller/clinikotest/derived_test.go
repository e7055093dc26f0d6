package clinikotest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// bookableClinic is a server of a clinic with one business, one practitioner and one type of an hour, all to be booked.
func bookableClinic(t *testing.T, edition Edition) (*Server, *Clinic, *Clock, diary) {
	t.Helper()
	s, c, clock := open(t, Options{Edition: edition, RequestsPerMinute: -1})
	yes := Fields{"show_in_online_bookings": true}
	return s, c, clock, diary{
		c.Create("businesses", yes), c.Create("practitioners", yes),
		c.Create("appointment_types", yes, Fields{"duration_in_minutes": 60}),
	}
}

func (d diary) path(name string) string {
	return "/businesses/" + string(d.business) + "/practitioners/" + string(d.practitioner) +
		"/appointment_types/" + string(d.kind) + "/" + name
}

// slots are the free starts of some days.
func slots(t *testing.T, s *Server, d diary, from, to string) []string {
	t.Helper()
	resp, body := get(t, s, d.path("available_times"), "from", from, "to", to, "per_page", "100")
	if resp.StatusCode != 200 {
		t.Fatalf("got %d %s", resp.StatusCode, body)
	}
	var starts []string
	for _, raw := range parseListing(t, "available_times", body).Rows {
		var slot map[string]string
		if err := json.Unmarshal(raw, &slot); err != nil || len(slot) != 1 {
			t.Fatalf("%v: %s", err, raw)
		}
		starts = append(starts, slot["appointment_start"])
	}
	return starts
}

// A slot goes when somebody books it and comes back when that is cancelled; with the clock alone the next ones go.
func TestFreeTimesComeAndGo(t *testing.T) {
	for _, edition := range []Edition{Edition2017, Edition2025} {
		s, c, clock, d := bookableClinic(t, edition)
		clock.Set(time.Date(2027, 3, 28, 20, 0, 0, 0, time.UTC)) // Monday, six in the morning, in Brisbane
		free := slots(t, s, d, "2027-03-29", "2027-03-29")
		if len(free) != 8 || free[0] != "2027-03-28T22:30:00Z" || free[7] != "2027-03-29T05:30:00Z" {
			t.Fatalf("%s: got %q", edition, free)
		}
		booked := c.Create("appointments", Fields{"practitioner": RefTo("practitioners", d.practitioner)})
		c.Edit("appointments", booked, map[Edition]Fields{
			Edition2017: {"appointment_start": "2027-03-29T00:00:00Z", "appointment_end": "2027-03-29T01:00:00Z"},
			Edition2025: {"starts_at": "2027-03-29T00:00:00Z", "ends_at": "2027-03-29T01:00:00Z"},
		}[edition])
		if got := slots(t, s, d, "2027-03-29", "2027-03-29"); len(got) != 6 { // the one it begins in and the one it ends in
			t.Errorf("%s: got %q", edition, got)
		}
		c.Cancel("appointments", booked)
		if got := slots(t, s, d, "2027-03-29", "2027-03-29"); len(got) != 8 {
			t.Errorf("%s: got %q", edition, got)
		}
		clock.Advance(3 * time.Hour)
		if got := slots(t, s, d, "2027-03-29", "2027-03-29"); len(got) != 5 || got[0] != "2027-03-29T01:30:00Z" {
			t.Errorf("%s: got %q", edition, got)
		}
		_, body := get(t, s, d.path("next_available_time"))
		if !strings.HasPrefix(string(body), `{"appointment_start":"2027-03-29T01:30:00Z","links":{"self":`) {
			t.Errorf("got %s", body)
		}
		if got := slots(t, s, d, "2027-04-03", "2027-04-04"); len(got) != 0 {
			t.Errorf("on a weekend: got %q", got)
		}
	}
}

// The window is at most 7 days, the first and the last counted, and begins no earlier than today where the account is.
func TestWindowsAreChecked(t *testing.T) {
	s, _, clock, d := bookableClinic(t, Edition2017)
	clock.Set(time.Date(2027, 3, 29, 15, 0, 0, 0, time.UTC)) // the 30th, one in the morning, in Brisbane
	for _, test := range []struct {
		from, to string
		want     int
	}{
		{"2027-03-30", "2027-03-30", 200},
		{"2027-03-30", "2027-04-05", 200},
		{"2027-03-30", "2027-04-06", 400},
		{"2027-03-29", "2027-03-30", 400},
		{"2027-04-02", "2027-04-01", 400},
		{"", "2027-03-30", 400},
		{"2027-03-30", "", 400},
		{"2027-03-30T00:00:00Z", "2027-03-30", 400},
	} {
		if resp, body := get(t, s, d.path("available_times"), "from", test.from, "to", test.to); resp.StatusCode != test.want {
			t.Errorf("%s to %s: got %d %s, want %d", test.from, test.to, resp.StatusCode, body, test.want)
		}
	}
	for name, value := range map[string]string{"sort": "appointment_start", "q[]": "id:=1"} {
		resp, _ := get(t, s, d.path("available_times"), "from", "2027-03-30", "to", "2027-03-30", name, value)
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %d", name, resp.StatusCode)
		}
	}
	_, body := get(t, s, d.path("available_times"), "from", "2027-03-30", "to", "2027-04-05", "per_page", "10")
	next := parseListing(t, "available_times", body).Links["next"]
	if _, body, err := do(t, request(t, next)); err != nil || len(parseListing(t, "available_times", body).Rows) != 10 {
		t.Errorf("next is %s: %v, %s", next, err, body)
	}
}

// What cannot be booked online has no free times and is in no service.
func TestOnlyWhatCanBeBookedIsOffered(t *testing.T) {
	for _, hide := range []func(*Clinic, diary){
		func(c *Clinic, d diary) {
			c.Edit("businesses", d.business, Fields{"show_in_online_bookings": false})
		},
		func(c *Clinic, d diary) {
			c.Edit("appointment_types", d.kind, Fields{"show_in_online_bookings": false})
		},
		func(c *Clinic, d diary) { c.Deactivate(d.practitioner) },
		func(c *Clinic, d diary) { c.Remove("businesses", d.business) },
		func(c *Clinic, d diary) { c.Assign(d.practitioner, "businesses", d.business, false) },
		func(c *Clinic, d diary) { c.Assign(d.practitioner, "appointment_types", d.kind, false) },
	} {
		s, c, _, d := bookableClinic(t, Edition2017)
		_, body := get(t, s, "/services")
		rows := parseListing(t, "services", body).Rows
		want := `{"practitioners":[{"links":{"self":"URL/practitioners/P"}}],` +
			`"appointment_type":{"links":{"self":"URL/appointment_types/T"}},"business":{"links":{"self":"URL/businesses/B"}}}`
		want = strings.NewReplacer("URL", s.URL, "P", string(d.practitioner), "T", string(d.kind), "B", string(d.business)).Replace(want)
		if len(rows) != 1 || string(rows[0]) != want {
			t.Fatalf("got %s, want %s", rows, want)
		}
		hide(c, d)
		_, body = get(t, s, "/services")
		if rows := parseListing(t, "services", body).Rows; len(rows) != 0 {
			t.Errorf("got %s", rows)
		}
		for _, name := range []string{"available_times", "next_available_time"} {
			if resp, _ := get(t, s, d.path(name), "from", "2027-03-29", "to", "2027-03-29"); resp.StatusCode != 404 {
				t.Errorf("%s: got %d", name, resp.StatusCode)
			}
		}
	}
}

// Who works where is seen in the lists below a business and a type alone: no record says it.
func TestAssignmentsShowBelowTheirRecords(t *testing.T) {
	s, c, _ := open(t, Options{RequestsPerMinute: -1})
	business, kind := c.Create("businesses"), c.Create("appointment_types")
	first, second := c.Create("practitioners"), c.Create("practitioners")
	c.Assign(first, "businesses", business, false)
	c.Assign(second, "appointment_types", kind, false)
	for path, want := range map[string]schemas.ID{
		"/businesses/" + string(business) + "/practitioners":     second,
		"/appointment_types/" + string(kind) + "/practitioners":  first,
		"/practitioners/" + string(first) + "/appointment_types": kind,
	} {
		key := path[strings.LastIndexByte(path, '/')+1:]
		if got := idsAt(t, s, path, key); got != string(want) {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	c.Assign(first, "businesses", business, true)
	if got := idsAt(t, s, "/businesses/"+string(business)+"/practitioners", "practitioners"); got != join(first, second) {
		t.Errorf("got %s", got)
	}
	if resp, _ := get(t, s, "/businesses/1/services"); resp.StatusCode != 404 {
		t.Errorf("services of no business: got %d", resp.StatusCode)
	}
}
