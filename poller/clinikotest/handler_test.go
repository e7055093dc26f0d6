package clinikotest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestOnlyTheKeyOpensTheDoor(t *testing.T) {
	for _, test := range []struct {
		key, user, password, agent string
		want                       int
	}{
		{"abc-au1", "abc-au1", "", "Test (test@example.com)", 200},
		{"abc-au1", "abc", "", "Test (test@example.com)", 200},
		{"abc", "abc", "", "Test (test@example.com)", 200},
		{"abc", "abc-au1", "", "Test (test@example.com)", 200},
		{"abc-uk2", "abc", "", "Test (test@example.com)", 401}, // without a suffix it is a key of au1
		{"abc-au1", "abc-uk2", "", "Test (test@example.com)", 401},
		{"abc-au1", "other-au1", "", "Test (test@example.com)", 401},
		{"abc-au1", "abc-au1", "secret", "Test (test@example.com)", 401},
		{"abc-au1", "", "", "Test (test@example.com)", 401},
		{"abc-au1", "abc-au1", "", "", 403},
		{"abc-au1", "abc-au1", "", "Test", 403},
		{"abc-au1", "abc-au1", "", "Test (no address)", 403},
	} {
		s, _, _ := open(t, Options{Key: test.key})
		req := request(t, s.URL+"/patients")
		req.Header.Del("Authorization")
		if test.user != "" {
			req.SetBasicAuth(test.user, test.password)
		}
		req.Header.Set("User-Agent", test.agent)
		resp, body, err := do(t, req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != test.want || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%+v: got %d %s", test, resp.StatusCode, body)
		}
	}
}

func TestUnknownAddressesAre404(t *testing.T) {
	s, _, _ := open(t, Options{})
	for _, path := range []string{"/bookings", "/patients/1", "/patients/", "/patients/1/appointments", "/", ""} {
		resp, body := get(t, s, path)
		if want := `{"status":"404","error":"Not Found"}`; resp.StatusCode != 404 || string(body) != want {
			t.Errorf("%s: got %d %s", path, resp.StatusCode, body)
		}
	}
	resp, _, err := do(t, request(t, strings.TrimSuffix(s.URL, "/v1")+"/patients"))
	if err != nil || resp.StatusCode != 404 {
		t.Errorf("without /v1: got %d, %v", resp.StatusCode, err)
	}
}

func TestOnlyReadingIsServed(t *testing.T) {
	s, _, _ := open(t, Options{})
	req := request(t, s.URL+"/patients")
	req.Method = http.MethodPost
	resp, _, err := do(t, req)
	if err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("got %v, %v", resp, err)
	}
}

// Within one minute of the clinic's clock so many requests are answered; then 429 says from which second on there are
// more. Who is not let in uses nothing up.
func TestTheRateIsLimited(t *testing.T) {
	s, _, clock := open(t, Options{RequestsPerMinute: 3})
	clock.Advance(20 * time.Second)
	stranger := request(t, s.URL+"/taxes")
	stranger.SetBasicAuth("nobody", "")
	for _, want := range []int{200, 200, 200, 429, 429} {
		if _, _, err := do(t, stranger); err != nil {
			t.Fatal(err)
		}
		resp, _ := get(t, s, "/taxes")
		if resp.StatusCode != want {
			t.Errorf("got %d, want %d", resp.StatusCode, want)
		}
		reset := ""
		if want == 429 {
			reset = "1806141660" // 10:01:00
		}
		if got := resp.Header.Get("X-RateLimit-Reset"); got != reset {
			t.Errorf("got reset %q, want %q", got, reset)
		}
	}
	clock.Advance(40 * time.Second)
	if resp, _ := get(t, s, "/taxes"); resp.StatusCode != 200 {
		t.Errorf("in the next minute: got %d", resp.StatusCode)
	}
}

func TestTheLimitIs200UnlessSaidOtherwise(t *testing.T) {
	s, c, _ := open(t, Options{})
	h := NewHandler(s.Clinic())
	if h.Clinic() != c {
		t.Error("another clinic")
	}
	status := 0
	for range 201 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(t, s.URL+"/taxes"))
		status = w.Code
		if n := len(h.Requests()); (n <= 200) != (status == 200) {
			t.Fatalf("request %d: got %d", n, status)
		}
	}
}

// Another program with the same key eats from the same limit.
func TestOthersSpendFromTheLimit(t *testing.T) {
	s, _, clock := open(t, Options{RequestsPerMinute: 3})
	s.Spend(2)
	for _, want := range []int{200, 429} {
		if resp, _ := get(t, s, "/taxes"); resp.StatusCode != want {
			t.Errorf("got %d, want %d", resp.StatusCode, want)
		}
	}
	clock.Advance(time.Minute)
	if resp, _ := get(t, s, "/taxes"); resp.StatusCode != 200 {
		t.Errorf("in the next minute: got %d", resp.StatusCode)
	}
}

// The Date header is the clinic's time.
func TestDatesAreTheClinics(t *testing.T) {
	s, _, _ := open(t, Options{})
	resp, _ := get(t, s, "/taxes")
	if got, want := resp.Header.Get("Date"), "Sat, 27 Mar 2027 10:00:00 GMT"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Every request is in the log by the time its answer arrives, the refused ones too.
func TestRequestsAreLogged(t *testing.T) {
	s, _, clock := open(t, Options{})
	var seen []Request
	s.OnRequest = func(r Request) { seen = append(seen, r) }
	s.Inject(Rule{Fault: NoTotal(), Resource: "taxes"})
	before := time.Now()
	get(t, s, "/taxes", "sort", "updated_at:desc")
	clock.Advance(time.Second)
	get(t, s, "/nothing")
	got := s.Requests()
	if len(got) != 2 || len(seen) != 2 {
		t.Fatalf("got %d requests, the hook got %d", len(got), len(seen))
	}
	r := got[0]
	if r.Path != "/v1/taxes" || r.Query != "sort=updated_at%3Adesc" || r.Status != 200 || !r.ClinicTime.Equal(start) ||
		r.At.Before(before) || strings.Join(r.Faults, ",") != "no total" {
		t.Errorf("got %+v", r)
	}
	if r := got[1]; r.Status != 404 || !r.ClinicTime.Equal(start.Add(time.Second)) {
		t.Errorf("got %+v", r)
	}
}

func TestMostWithinSlides(t *testing.T) {
	var requests []Request
	for _, s := range []int{0, 30, 59, 60, 61, 200} {
		requests = append(requests, Request{At: start.Add(time.Duration(s) * time.Second)})
	}
	if got := MostWithin(time.Minute, requests); got != 4 { // 30 to 61, and 0 is a minute before 60
		t.Errorf("got %d, want 4", got)
	}
	if got := MostWithin(time.Minute, nil); got != 0 {
		t.Errorf("got %d for no requests", got)
	}
}
