package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// ask sends one request to a server on loopback that was made with deps.
func ask(t *testing.T, deps Deps, method, host, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	New("127.0.0.1:8321", deps).Handler().ServeHTTP(w, r)
	return w
}

func get(t *testing.T, deps Deps, path string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(t, deps, http.MethodGet, "127.0.0.1:8321", path)
}

func sample() Status {
	at := time.Date(2027, 3, 27, 20, 3, 57, 114e6, time.FixedZone("AEST", 10*3600))
	return Status{Accounts: []Account{{
		Name: "northside", Leader: true, RequestsPerMinute: 180, RequestsLastMinute: 61,
		Resources: []Resource{{
			Name: "patients", Baseline: BaselineComplete, Tracked: 10412, Cursor: Time{at},
			LastPoll: Time{at.Add(time.Minute)}, NextPoll: Time{at.Add(75 * time.Second)},
			Events: map[schemas.Verb]int{schemas.Created: 3, schemas.Updated: 71}, SetAsideCount: 2,
			SetAside: []diff.SetAside{
				{ID: "343589", List: "live", Reason: "larger than the stream takes", Since: at.UTC().Truncate(time.Second)},
				{List: "deleted", Stamp: "2027-03-27T09:59:00Z", Reason: "no id", Since: at.UTC().Truncate(time.Second)},
			},
		}, {
			Name: "appointments", Baseline: BaselineRunning, BaselineLeft: 5500, BaselineSecondsLeft: 70, Tracked: 400,
			Sweep: &Sweep{
				Running: true, Last: Time{at.Add(-time.Hour)}, Deleted: 3, Missed: 1, Held: 812, Trouble: "GET /appointments: 503",
			},
		}, {
			Name: "invoices", Baseline: BaselinePending, LastError: "GET /invoices: 403 <script>alert(1)</script>",
			Notes: []string{"the list of deleted records answers 403: it is asked again every 10 minutes"},
		}},
	}}}
}

// The body of /status is public interface: this is its text, key by key.
func TestStatusHasTheShapeThatIsPromised(t *testing.T) {
	w := get(t, Deps{Status: sample}, "/status")
	want, err := os.ReadFile("testdata/status.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Body.String(); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := w.Header().Get("Content-Type"), "application/json"; got != want {
		t.Errorf("got Content-Type %q; want %q", got, want)
	}
	// What was written reads back, to the second.
	var back Status
	if err := json.Unmarshal(w.Body.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again)+"\n" != string(want) {
		t.Errorf("read back and written again: got\n%s, %v\nwant\n%s", again, err, want)
	}
	if cursor := back.Accounts[0].Resources[2].Cursor; !cursor.IsZero() {
		t.Errorf("got %v for a time that is never; want zero", cursor)
	}
}

func TestStatusOfNothingIsAnEmptyList(t *testing.T) {
	if got, want := get(t, Deps{}, "/status").Body.String(), `{"accounts":[]}`+"\n"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
	one := func() Status { return Status{Accounts: []Account{{Name: "northside"}}} }
	if got := get(t, Deps{Status: one}, "/status").Body.String(); strings.Contains(got, "null") {
		t.Errorf("got %s; want no null", got)
	}
}

func TestHealthzIsOKEvenIfNothingIsReady(t *testing.T) {
	deps := Deps{Ready: func(context.Context) []string { return []string{"NATS cannot be reached"} }}
	if w := get(t, deps, "/healthz"); w.Code != http.StatusOK || w.Body.String() != "ok\n" {
		t.Errorf("got %d %q; want 200 ok", w.Code, w.Body)
	}
}

func TestReadyzGivesOneLineForEachReason(t *testing.T) {
	if w := get(t, Deps{}, "/readyz"); w.Code != http.StatusOK || w.Body.String() != "ready\n" {
		t.Errorf("got %d %q; want 200 ready", w.Code, w.Body)
	}
	deps := Deps{Ready: func(ctx context.Context) []string {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("Ready was called without a deadline")
		}
		return []string{"NATS cannot be reached", "the store\nis broken"}
	}}
	w := get(t, deps, "/readyz")
	if got, want := w.Body.String(), "NATS cannot be reached\nthe store is broken\n"; w.Code != 503 || got != want {
		t.Errorf("got %d %q; want 503 %q", w.Code, got, want)
	}
}

func TestMetricsAreThoseOfTheGatherer(t *testing.T) {
	registry := prometheus.NewRegistry()
	polls := prometheus.NewCounter(prometheus.CounterOpts{Name: "cliniko_bridge_polls_total", Help: "Polls."})
	registry.MustRegister(polls)
	polls.Add(7)
	if got := get(t, Deps{Metrics: registry}, "/metrics").Body.String(); !strings.Contains(got, "cliniko_bridge_polls_total 7\n") {
		t.Errorf("got\n%s\nwant the counter", got)
	}
}

func TestUnknownPathsAreNotFound(t *testing.T) {
	for _, path := range []string{"/nothing", "/status/x", "/debug/pprof/"} {
		if w := get(t, Deps{}, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d; want 404", path, w.Code)
		}
	}
}

// Every answer has the headers, refusals and unknown paths too.
func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/status", "/nothing"} {
		for _, w := range []*httptest.ResponseRecorder{
			get(t, Deps{}, path), ask(t, Deps{}, "POST", "localhost", path), ask(t, Deps{}, "GET", "evil.example", path),
		} {
			got := map[string]string{}
			for _, name := range []string{"X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Cache-Control", "Cross-Origin-Resource-Policy"} {
				got[name] = w.Header().Get(name)
			}
			want := map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
				"Cache-Control": "no-store",
			}
			policy := w.Header().Get("Content-Security-Policy")
			if !reflect.DeepEqual(got, want) || !strings.HasPrefix(policy, "default-src 'none'; ") {
				t.Errorf("%s: got %v and policy %q; want %v and default-src 'none'", path, got, policy, want)
			}
		}
	}
}

func TestOnlyGetAndHeadAreAnswered(t *testing.T) {
	called := Deps{Status: func() Status { t.Error("Status was called"); return Status{} }}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"} {
		w := ask(t, called, method, "localhost:8321", "/status")
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: got %d, Allow %q; want 405", method, w.Code, w.Header().Get("Allow"))
		}
	}
	if w := ask(t, Deps{}, http.MethodHead, "localhost:8321", "/status"); w.Code != http.StatusOK {
		t.Errorf("HEAD: got %d; want 200", w.Code)
	}
}

// On loopback, a name that somebody else gave to 127.0.0.1 is refused, whatever it looks like.
func TestForeignHostsAreRefusedOnLoopback(t *testing.T) {
	for host, want := range map[string]int{
		"localhost":              200,
		"LOCALHOST:1234":         200,
		"127.0.0.1:8321":         200,
		"127.0.0.2":              200,
		"[::1]:8321":             200,
		"[::1]":                  200,
		"evil.example":           421,
		"evil.example:8321":      421,
		"127.0.0.1.evil.example": 421,
		"localhost.evil.example": 421,
		"192.168.1.9:8321":       421,
		"":                       421,
	} {
		if w := ask(t, Deps{}, http.MethodGet, host, "/healthz"); w.Code != want {
			t.Errorf("Host %q: got %d; want %d", host, w.Code, want)
		}
	}
}
