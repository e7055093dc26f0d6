package check_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A wrong key is said once, with the shard that it was tried at, and the resources are not asked with it.
func TestWrongKey(t *testing.T) {
	s := newSetup(t, clinikotest.Options{Key: "right-au1"})
	s.key = "wrong-uk2"
	report := s.run()
	wants(t, report, "northside", render.Wrong, "401: the key is unknown, revoked, or belongs to another shard than uk2")
	if n := len(s.api.Requests()); n != 1 {
		t.Errorf("%d requests with a wrong key, want 1", n)
	}
	if report.Wrong() != 1 {
		t.Errorf("%d are wrong, want the key alone:\n%s", report.Wrong(), shown(report))
	}
}

// An account that cannot be asked at all is wrong, in words that say who was asked.
func TestUnreachableAccount(t *testing.T) {
	for name, c := range map[string]struct {
		fault clinikotest.Fault
		want  string
	}{
		"503":      {clinikotest.Status(503), "503: Cliniko has trouble; try again later"},
		"429":      {clinikotest.Status(429), "429: other programs use up the requests of the key's user; try again in 1m"},
		"cut":      {clinikotest.Cut(), "the answer was cut short"},
		"redirect": {clinikotest.Redirect("https://elsewhere.example/"), "gives none of the resources"},
		"web page": {clinikotest.HTML(), "gives none of the resources"},
		"all 403":  {clinikotest.Forbidden(), "the rights of the key's user"},
		"all 404":  {clinikotest.NotFound(), "see base_url"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t, clinikotest.Options{})
			s.api.Inject(clinikotest.Rule{Fault: c.fault})
			wants(t, s.run(), "northside", render.Wrong, c.want)
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		s := newSetup(t, clinikotest.Options{})
		s.api.Close()
		report := s.run()
		wants(t, report, "northside", render.Wrong, "connection refused")
		wants(t, report, "northside", render.Wrong, s.api.URL)
	})
}

// Our clock is held against the Date of the answers.
func TestClock(t *testing.T) {
	for _, c := range []struct {
		ahead time.Duration // the API, of us
		state string
		want  string
	}{
		{0, render.OK, "within 5s"},
		{-time.Minute, render.Warning, "ahead of the API's"},
		{time.Hour, render.Warning, "ours is 1h0m0s behind the API's"},
	} {
		s := newSetup(t, clinikotest.Options{Now: func() time.Time { return time.Now().Add(c.ahead + 500*time.Millisecond) }})
		wants(t, s.run(), "northside: clock", c.state, c.want)
	}
}

// What is the matter with one resource is said of that one, and the others are asked all the same.
func TestOneResource(t *testing.T) {
	for name, c := range map[string]struct {
		rule        clinikotest.Rule
		state, want string
	}{
		"403":              {clinikotest.Rule{Fault: clinikotest.Forbidden()}, render.Warning, "403: this key's user may not see it"},
		"404":              {clinikotest.Rule{Fault: clinikotest.NotFound()}, render.Warning, "404: this account does not have it"},
		"500":              {clinikotest.Rule{Fault: clinikotest.Status(500)}, render.Wrong, "500: Cliniko has trouble"},
		"sort refused":     {clinikotest.Rule{Fault: clinikotest.RefuseSort("updated_at")}, render.Warning, "250 records; no sort by updated_at: read window by window"},
		"filter refused":   {clinikotest.Rule{Fault: clinikotest.Status(400)}, render.Wrong, "refuses to be filtered by updated_at"},
		"sort ignored":     {clinikotest.Rule{Fault: clinikotest.IgnoreSort()}, render.Warning, "does not come sorted by updated_at"},
		"no total":         {clinikotest.Rule{Fault: clinikotest.NoTotal()}, render.OK, "a number of records that the API does not say"},
		"a row without id": {clinikotest.Rule{Fault: clinikotest.NullID(3)}, render.Warning, "of the first 100, 1 are no records"},
		"a web page":       {clinikotest.Rule{Fault: clinikotest.HTML()}, render.Wrong, "GET /patients: 200: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t, clinikotest.Options{})
			c.rule.Resource = "patients"
			s.api.Inject(c.rule)
			report := s.run()
			wants(t, report, "northside: patients", c.state, c.want)
			wants(t, report, "northside: users", render.OK, "0 records")
			wants(t, report, "northside", render.OK, "knows the key")
		})
	}
}

// An unsorted list of one page is sorted by the bridge, until it grows.
func TestUnsortedPage(t *testing.T) {
	s := newSetup(t, clinikotest.Options{})
	s.api.Inject(clinikotest.Rule{Fault: clinikotest.IgnoreSort(), Resource: "invoices"})
	invoices := s.api.Clinic().IDs("invoices")
	s.api.Clinic().EditField("invoices", invoices[0]) // the oldest has the newest stamp now
	wants(t, s.run(), "northside: invoices", render.Warning, "above a page of records read window by window")
}

// A limit that is reached in the middle ends the asking.
func TestRateLimitInTheMiddle(t *testing.T) {
	s := newSetup(t, clinikotest.Options{})
	s.api.Inject(clinikotest.Rule{Fault: clinikotest.Status(429), Resource: "invoices"})
	wants(t, s.run(), "northside: invoices", render.Wrong, "429: other programs use up the requests")
	if n := len(s.api.Requests()); n != 5 { // the edition, the key, appointments, patients, invoices
		t.Errorf("%d requests, want none after the 429", n)
	}
}

// Schedules that ask for more than the budget are a warning, and the baseline is estimated with what they leave.
func TestPace(t *testing.T) {
	for name, c := range map[string]struct {
		more                      string
		polling, pollingWant      string
		baseline, baselineWant    string
		perMinute, patients, sets int
	}{
		"enough": {
			more:    "    resources: [patients]\n    requests_per_minute: 20\nresources:\n  patients: {schedule: \"@every 6s\"}\n",
			polling: render.OK, pollingWant: "17 of 20 requests a minute; the most often patients by \"@every 6s\"",
			baseline: render.OK, baselineWant: "3 requests, less than a minute",
		},
		"too much": {
			more:    "    resources: [patients, users]\n    requests_per_minute: 40\nresources:\n  patients: {schedule: \"@every 1s\"}\n  users: {schedule: \"@every 3s\"}\n",
			polling: render.Warning, pollingWant: "ask for 120 requests a minute and the budget is 40: polls come 3.0 times as seldom",
			baseline: render.Warning, baselineWant: "requests, about 2 minutes: polling leaves them a twentieth of the budget",
		},
		"by the clock": {
			more:    "    resources: [patients]\nresources:\n  patients: {schedule: \"*/30 * 9-10 * * *\"}\n",
			polling: render.OK, pollingWant: "4 of 180 requests a minute",
			baseline: render.OK, baselineWant: "3 requests, less than a minute",
		},
		"little is left": {
			more:    "    resources: [patients, appointments]\n    requests_per_minute: 110\nresources:\n  patients: {schedule: \"@every 1s\"}\n  appointments: {schedule: \"@every 1m\"}\n",
			polling: render.OK, pollingWant: "102 of 110",
			baseline: render.OK, baselineWant: "5 requests, less than a minute",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t, clinikotest.Options{})
			s.more = c.more
			report := s.run()
			wants(t, report, "northside: polling", c.polling, c.pollingWant)
			wants(t, report, "northside: baseline", c.baseline, c.baselineWant)
		})
	}
}

// How late a change may be read follows from the schedules, and from the budget if that is too small for them.
func TestFreshness(t *testing.T) {
	for name, c := range map[string]struct{ more, want string }{
		"one resource": {
			"    resources: [invoices]\nresources:\n  invoices: {schedule: \"@every 7s\"}\n",
			"a change of invoices is read within 7s",
		},
		"by the clock": {
			"    resources: [invoices, taxes]\nresources:\n  invoices: {schedule: \"*/30 * 9-10 * * *\"}\n  taxes: {schedule: \"@daily\"}\n",
			"a change of invoices is read within 22h0m30s, of taxes within 24h0m0s",
		},
		"too much for the budget": {
			"    resources: [invoices, taxes]\n    requests_per_minute: 40\nresources:\n  invoices: {schedule: \"@every 1s\"}\n  taxes: {schedule: \"@every 1m\"}\n",
			"a change of invoices is read within 2s, of taxes within 2m2s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t, clinikotest.Options{})
			s.more = c.more
			wants(t, s.run(), "northside: freshness", render.OK, c.want)
		})
	}
}

// An account that is configured for one edition and answers with the other is warned of: some of its resources are not
// followed.
func TestAnotherEditionThanConfigured(t *testing.T) {
	s := newSetup(t, clinikotest.Options{Edition: clinikotest.Edition2025})
	s.more = "    api: 2017\n    resources: [patients, appointments]"
	wants(t, s.run(), "northside", render.Warning, "it answers with the edition 2025 and is followed as 2017: set api to auto")
}

// Each account has rows of its own, in the order of the configuration.
func TestTwoAccounts(t *testing.T) {
	s, other := newSetup(t, clinikotest.Options{}), newSetup(t, clinikotest.Options{Key: "other-au1"})
	s.more = fmt.Sprintf(`    resources: [patients]
  - name: southside
    api_key: "wrong-au2"
    user_agent: "Southside Bridge (ops@southside.example)"
    base_url: %q
`, other.api.URL)
	s.nats = `{listen: "127.0.0.1:0", subject: "cliniko.{account}.{resource}.{verb}"}`
	report := s.run()
	wants(t, report, "configuration", render.OK, "2 accounts")
	wants(t, report, "northside: patients", render.OK, "250 records")
	wants(t, report, "southside", render.Wrong, "another shard than au2")
}

// The request of a live poll is tried, with all of its filters, and if it is refused at most two more say what of it is.
func TestWhatIsRefusedIsFoundOutByTwoMoreRequests(t *testing.T) {
	const sort, filter = "no sort by updated_at: read window by window", "no filter archived_at:*: archived ones are not seen"
	refuse := func(faults ...clinikotest.Fault) []clinikotest.Fault { return faults }
	for name, c := range map[string]struct {
		edition     clinikotest.Edition
		faults      []clinikotest.Fault
		state, want string
		requests    int
	}{
		"nothing":               {clinikotest.Edition2025, nil, render.OK, "250 records; filter and sort by updated_at are taken", 1},
		"the sort":              {clinikotest.Edition2025, refuse(clinikotest.RefuseSort("updated_at")), render.Warning, sort, 3},
		"a filter of its own":   {clinikotest.Edition2025, refuse(clinikotest.RefuseFilter("archived_at")), render.Warning, filter, 3},
		"both":                  {clinikotest.Edition2025, refuse(clinikotest.RefuseFilter("archived_at"), clinikotest.RefuseSort("updated_at")), render.Warning, filter, 3},
		"the stamp's filter":    {clinikotest.Edition2025, refuse(clinikotest.RefuseFilter("updated_at")), render.Wrong, "refuses to be filtered by updated_at, and cannot be followed", 2},
		"the sort of 2017":      {clinikotest.Edition2017, refuse(clinikotest.RefuseSort("updated_at")), render.Warning, sort, 2},
		"the filter of 2017":    {clinikotest.Edition2017, refuse(clinikotest.RefuseFilter("updated_at")), render.Wrong, "cannot be followed", 2},
		"nothing of the 2017's": {clinikotest.Edition2017, nil, render.OK, "250 records; filter and sort by updated_at are taken", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t, clinikotest.Options{Edition: c.edition})
			for _, fault := range c.faults {
				s.api.Inject(clinikotest.Rule{Fault: fault, Resource: "patients", Of: clinikotest.Lists})
			}
			wants(t, s.run(), "northside: patients", c.state, c.want)
			var queries []string
			for _, r := range s.api.Requests() {
				if r.Path == "/v1/patients" && strings.Contains(r.Query, "updated_at") {
					queries = append(queries, r.Query)
				}
			}
			if len(queries) != c.requests {
				t.Errorf("patients were asked for by %q, want %d requests", queries, c.requests)
			}
			if own := strings.Contains(queries[0], "archived_at"); own != (c.edition == clinikotest.Edition2025) {
				t.Errorf("the first request was %q: the list's own filters were sent: %v", queries[0], own)
			}
		})
	}
}

// Settings that the key's role may not see are followed in part, and check says so.
func TestSettingsOfALesserRole(t *testing.T) {
	s := newSetup(t, clinikotest.Options{Role: clinikotest.Receptionist()})
	wants(t, s.run(), "northside: settings", render.Warning, "what /settings/public shows of it is followed instead")
}

// What lies below the records of another resource is asked for at the first of them, and paced by how many there are.
func TestResourcesBelowOthers(t *testing.T) {
	s := newSetup(t, clinikotest.Options{})
	s.more = "    resources: [referral_sources, practitioner_reference_numbers, patients]\nresources:\n  referral_sources: {schedule: \"@every 1h\"}\n"
	report := s.run()
	wants(t, report, "northside: referral_sources", render.OK, "read for each of the patients, 250 requests at least")
	wants(t, report, "northside: practitioner_reference_numbers", render.OK, "read for each of the practitioners")
	wants(t, report, "northside: polling", render.OK, "requests a minute")
	wants(t, report, "northside: baseline", render.OK, "2")

	s.api.SetRole(&clinikotest.Role{Forbidden: []schemas.Resource{"referral_sources"}})
	wants(t, s.run(), "northside: referral_sources", render.Warning, "403: this key's user may not see it")
}

// Free slots are paced by how many diaries the services list.
func TestAvailableTimes(t *testing.T) {
	s := newSetup(t, clinikotest.Options{})
	s.more = "    resources: [available_times]\n"
	c, online := s.api.Clinic(), clinikotest.Fields{"show_in_online_bookings": true}
	for _, resource := range []schemas.Resource{"businesses", "practitioners", "practitioners", "appointment_types"} {
		c.Create(resource, online)
	}
	report := s.run()
	wants(t, report, "northside: available_times", render.OK, "2 requests at least")
	wants(t, report, "northside: polling", render.OK, "1 of 180")
}
