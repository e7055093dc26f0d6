package mock_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/mock"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A client speaks to a mock as a test of an integrator's would.
type client struct {
	*testing.T
	m    *mock.Mock
	http http.Client
	key  string
	ua   string
}

func start(t *testing.T, cfg mock.Config) *client {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	if cfg.Edition == "" {
		cfg.Edition = clinikotest.Edition2017
	}
	m, err := mock.Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	c := &client{
		T: t, m: m, key: mock.Key, ua: "Test (ops@clinic.example)",
		http: http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return c
}

// do makes a request and returns what is answered. A URL that begins with / is one of the control API.
func (c *client) do(method, url, body string) (status int, answer []byte, err error) {
	c.Helper()
	to := c.m.Control() + url
	if rest, ok := strings.CutPrefix(url, "/v1"); ok {
		to = c.m.URL() + rest
	}
	req, err := http.NewRequestWithContext(c.Context(), method, to, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	req.SetBasicAuth(c.key, "")
	req.Header.Set("User-Agent", c.ua)
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// want is do that fails the test unless the status is the one that is wanted.
func (c *client) want(status int, method, url, body string) map[string]any {
	c.Helper()
	got, answer, err := c.do(method, url, body)
	if err != nil {
		c.Fatalf("%s %s: %v", method, url, err)
	}
	if got != status {
		c.Fatalf("%s %s: status %d %s, want %d", method, url, got, answer, status)
	}
	var out map[string]any
	if len(answer) > 0 && json.Unmarshal(answer, &out) != nil {
		c.Fatalf("%s %s: %s is no object", method, url, answer)
	}
	return out
}

func (c *client) first(resource string) string {
	c.Helper()
	ids := c.want(200, "GET", "/records/"+resource, "")["ids"].([]any)
	return ids[0].(string)
}

// In both editions each record can be made, changed and taken away on purpose, and be put into each state that it can be in and
// out of it again: what is shown of it afterwards is that.
func TestEveryResourceDoesAsItIsTold(t *testing.T) {
	for _, edition := range []clinikotest.Edition{clinikotest.Edition2017, clinikotest.Edition2025} {
		c := start(t, mock.Config{Edition: edition, Patients: 5})
		clinic := clinikotest.New(clinikotest.Options{Edition: edition})
		for _, resource := range clinic.Resources() {
			spec, ok := schemas.Lookup(schemas.Edition(edition), resource)
			if !ok || spec.Shape == schemas.Singleton {
				c.want(422, "POST", "/records/"+string(resource), "")
				continue
			}
			made := c.want(200, "POST", "/records/"+string(resource), "")
			at := fmt.Sprintf("/records/%s/%s", resource, made["id"])
			if made["state"] != "live" || made["record"] == nil {
				t.Errorf("%s %s: got %v of a new record", edition, resource, made)
			}
			c.want(200, "PATCH", at, "")
			c.want(200, "POST", at+"/touch", "")
			for _, state := range clinic.States(resource) {
				act, back, _ := strings.Cut(map[clinikotest.State]string{
					clinikotest.StateArchived: "archive unarchive", clinikotest.StateCancelled: "cancel uncancel",
					clinikotest.StateDeleted: "delete undelete", clinikotest.StateInactive: "deactivate activate",
				}[state], " ")
				if got := c.want(200, "POST", at+"/"+act, "")["state"]; got != state.String() {
					t.Errorf("%s %s: got state %s after %s", edition, resource, got, act)
				}
				c.want(422, "POST", at+"/"+act, "") // nothing would change
				if got := c.want(200, "POST", at+"/"+back, "")["state"]; got != "live" {
					t.Errorf("%s %s: got state %s after %s", edition, resource, got, back)
				}
			}
			if got := c.want(200, "DELETE", at, ""); got["state"] != "gone" || got["record"] != nil {
				t.Errorf("%s %s: got %v after it was taken away", edition, resource, got)
			}
			c.want(404, "GET", at, "")
		}
	}
}

// Below /v1 records are written as the API has it: with relations by id, with what is unknown ignored, hidden by DELETE, and brought
// back.
func TestRecordsAreWrittenAsInCliniko(t *testing.T) {
	c := start(t, mock.Config{Patients: 5})
	patient := c.first("patients")
	made := c.want(201, "POST", "/v1/appointments", `{"patient_id": "`+patient+`", "notes": "Rang", "no_such": 1, "archived_at": "2027-01-01T00:00:00Z"}`)
	link, _ := json.Marshal(made["patient"])
	if _, has := made["no_such"]; has || made["notes"] != "Rang" || !bytes.Contains(link, []byte("/v1/patients/"+patient+`"`)) {
		t.Errorf("got %v", made)
	}
	id := fmt.Sprintf("%.0f", made["id"])
	if got := c.want(200, "PATCH", "/v1/appointments/"+id, `{"notes": "Rang again"}`); got["notes"] != "Rang again" {
		t.Errorf("got notes %v", got["notes"])
	}
	c.want(200, "POST", "/v1/appointments/"+id+"/cancel", "")
	c.want(404, "GET", "/v1/appointments/"+id, "") // its list hides it
	c.want(200, "POST", "/v1/appointments/"+id+"/uncancel", "")
	c.want(204, "DELETE", "/v1/patients/"+patient, "")
	if got := c.want(200, "GET", "/records/patients/"+patient, "")["state"]; got != "archived" {
		t.Errorf("a patient is %v after DELETE", got)
	}
	c.want(204, "DELETE", "/v1/taxes/"+c.first("taxes"), "") // which has no state to hide in
	c.want(405, "PUT", "/v1/patients", "")
	c.want(422, "POST", "/v1/settings", "")
}

// Who could not read could not write either: key, User-Agent, budget and faults are the same.
func TestAWriteIsLetInLikeARead(t *testing.T) {
	c := start(t, mock.Config{Patients: 5})
	at := "/v1/patients/" + c.first("patients")
	c.key = "another-au1"
	c.want(401, "PATCH", at, "{}")
	c.want(401, "GET", at, "")
	c.key, c.ua = mock.Key, "curl"
	c.want(403, "POST", "/v1/patients", "{}")
	c.ua = "Test (ops@clinic.example)"
	c.want(404, "PATCH", "/v1/patients/1", "{}")
	c.want(404, "POST", "/v1/no_such", "{}")
	c.want(200, "POST", "/faults", `{"kind": "503", "count": 1}`)
	if status, _, _ := c.do("PATCH", at, "{}"); status != 503 {
		t.Errorf("a write met no fault: status %d", status)
	}
	c.want(200, "PATCH", at, "{}")
	limited := false
	for range 250 {
		status, _, _ := c.do("PATCH", at, "{}")
		limited = limited || status == 429
	}
	if !limited {
		t.Error("250 writes in a row are not too many")
	}
}

// Each kind of fault is what it says, for as many requests as it says.
func TestFaultsStrike(t *testing.T) {
	c := start(t, mock.Config{Patients: 5})
	for _, kind := range []string{"500", "502", "503", "504", "429", "403", "404"} {
		c.want(200, "POST", "/faults", `{"kind": "`+kind+`", "resource": "patients", "count": 1}`)
		c.want(200, "GET", "/v1/invoices", "")
		if status, _, _ := c.do("GET", "/v1/patients", ""); fmt.Sprint(status) != kind {
			t.Errorf("%s: got status %d", kind, status)
		}
		c.want(200, "GET", "/v1/patients", "")
	}
	for kind, looks := range map[string]func(status int, body []byte, err error) bool{
		"cut":   func(_ int, _ []byte, err error) bool { return err != nil },
		"html":  func(_ int, body []byte, _ error) bool { return bytes.HasPrefix(body, []byte("<!doctype html>")) },
		"empty": func(_ int, body []byte, _ error) bool { return bytes.Contains(body, []byte(`"total_entries":0`)) },
		"slow":  func(status int, _ []byte, _ error) bool { return status == 200 },
		"down":  func(_ int, _ []byte, err error) bool { return err != nil },
	} {
		c.want(200, "POST", "/faults", `{"kind": "`+kind+`", "seconds": 0.01}`)
		if status, body, err := c.do("GET", "/v1/patients", ""); !looks(status, body, err) {
			t.Errorf("%s: got status %d and %v", kind, status, err)
		}
		c.want(200, "DELETE", "/faults", "")
		c.want(200, "GET", "/v1/patients", "")
	}
}

// A mistake is said, and changes nothing.
func TestMistakesAreSaid(t *testing.T) {
	c := start(t, mock.Config{Patients: 5})
	id := c.first("patients")
	before := c.want(200, "GET", "/records/patients/"+id, "")["record"]
	for _, wrong := range []struct {
		status            int
		method, url, body string
	}{
		{404, "GET", "/records/no_such", ""},
		{404, "GET", "/records/patients/1", ""},
		{404, "POST", "/records/patients/" + id + "/frobnicate", ""},
		{422, "POST", "/records/patients/" + id + "/cancel", ""},
		{422, "PATCH", "/records/patients/" + id, `{"no_such": 1}`},
		{422, "PATCH", "/records/patients/" + id, `{"id": 1}`},
		{400, "PATCH", "/records/patients/" + id, `{`},
		{400, "PATCH", "/records/patients/" + id, `[]`},
		{422, "POST", "/faults", `{"kind": "418"}`},
		{422, "POST", "/faults", `{"kind": "500", "chance": 2}`},
		{404, "POST", "/faults", `{"kind": "500", "resource": "no_such"}`},
		{400, "POST", "/faults", `{"knd": "500"}`},
		{422, "POST", "/changes", `{"count": 0}`},
		{404, "GET", "/no_such", ""},
	} {
		if got := c.want(wrong.status, wrong.method, wrong.url, wrong.body)["message"]; got == nil || got == "" {
			t.Errorf("%s %s: nothing is said", wrong.method, wrong.url)
		}
	}
	if after := c.want(200, "GET", "/records/patients/"+id, "")["record"]; fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("got %v, want %v", after, before)
	}
}

// The same seed gives the same records; what happens by itself happens at the rate that was asked for, and not at all at 0.
func TestSeedAndChanges(t *testing.T) {
	still, same := start(t, mock.Config{Patients: 20, Seed: 7}), start(t, mock.Config{Patients: 20, Seed: 7, Rate: 50})
	if a, b := still.first("patients"), same.first("patients"); a != b {
		t.Errorf("got %s and %s of one seed", a, b)
	}
	deadline := time.After(time.Minute)
	for before := len(same.all()); len(same.all()) == before; {
		select {
		case <-deadline:
			t.Fatal("nothing happens by itself")
		default:
		}
	}
	before := len(still.all())
	still.want(200, "POST", "/changes", `{"count": 60}`)
	if after := len(still.all()); after <= before {
		t.Errorf("%d appointments after 60 things of the day, want more than %d", after, before)
	}
}

// all are the appointments that there are.
func (c *client) all() []any {
	c.Helper()
	return c.want(200, "GET", "/records/appointments", "")["ids"].([]any)
}
