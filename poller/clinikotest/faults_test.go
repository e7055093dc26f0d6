package clinikotest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Each fault that replaces the answer gives what its name says, and leaves nothing behind when it is over.
func TestFaultsReplaceTheAnswer(t *testing.T) {
	for _, test := range []struct {
		fault  Fault
		status int
		body   string // contained in the body; "" means that it is empty
		kind   string
	}{
		{Status(500), 500, "Internal Server Error", "text/plain"},
		{Status(502), 502, "Bad Gateway", "text/plain"},
		{Status(503), 503, "Service Unavailable", "text/plain"},
		{Status(504), 504, "Gateway Timeout", "text/plain"},
		{RateLimited(time.Unix(1774606000, 0)), 429, `{"message":"Too many requests."}`, "application/json"},
		{Forbidden(), 403, "", "text/html"},
		{NotFound(), 404, `{"status":"404"`, "application/json"},
		{HTML(), 200, "<!doctype html>", "text/html"},
		{EmptyObject(), 200, "{}", "application/json"},
		{EmptyBody(), 200, "", "application/json"},
		{EmptyList(), 200, `{"taxes":[],"total_entries":0,`, "application/json"},
		{Redirect("http://other.example/v1/taxes"), 302, "", "text/html"},
	} {
		s, c, _ := open(t, Options{})
		c.Create("taxes")
		s.Inject(Rule{Fault: test.fault, Next: 1})
		resp, body := get(t, s, "/taxes")
		if resp.StatusCode != test.status || !strings.HasPrefix(string(body), test.body) || (test.body == "") != (len(body) == 0) ||
			!strings.HasPrefix(resp.Header.Get("Content-Type"), test.kind) {
			t.Errorf("%s: got %d %q", test.fault.name, resp.StatusCode, body)
		}
		if want := "http://other.example/v1/taxes"; test.status == 302 && resp.Header.Get("Location") != want {
			t.Errorf("got Location %q", resp.Header.Get("Location"))
		}
		if want := "1774606000"; test.status == 429 && resp.Header.Get("X-RateLimit-Reset") != want {
			t.Errorf("got X-RateLimit-Reset %q", resp.Header.Get("X-RateLimit-Reset"))
		}
		if l := list(t, s, "taxes"); len(l.Rows) != 1 {
			t.Errorf("%s: not over after one strike", test.fault.name)
		}
	}
}

func TestCutBreaksTheConnection(t *testing.T) {
	s, c, _ := open(t, Options{})
	c.Import("taxes", 50)
	s.Inject(Rule{Fault: Cut()})
	resp, body, err := do(t, request(t, s.URL+"/taxes"))
	if !errors.Is(err, io.ErrUnexpectedEOF) || resp.StatusCode != 200 || len(body) == 0 || int64(len(body)) >= resp.ContentLength {
		t.Errorf("got %d bytes of %+v, error %v", len(body), resp, err)
	}
}

func TestTruncatedBodiesHaveAFittingLength(t *testing.T) {
	s, c, _ := open(t, Options{})
	c.Import("taxes", 50)
	s.Inject(Rule{Fault: Truncate()})
	if resp, body := get(t, s, "/taxes"); resp.ContentLength != int64(len(body)) || json.Valid(body) {
		t.Errorf("got %d bytes of %d", len(body), resp.ContentLength)
	}
}

func TestHugeBodiesAreStillJSON(t *testing.T) {
	s, c, _ := open(t, Options{})
	c.Create("taxes")
	s.Inject(Rule{Fault: Huge(100_000)})
	if _, body := get(t, s, "/taxes"); len(body) < 100_000 || !json.Valid(body) {
		t.Errorf("got %d bytes", len(body))
	}
}

func TestRowsAreSpoiledAtTheirPlace(t *testing.T) {
	for _, test := range []struct {
		fault func(int) Fault
		want  func(t *testing.T, before, after []byte) bool
	}{
		{NullID, func(t *testing.T, _, after []byte) bool {
			t.Helper()
			return string(members(t, after)["id"]) == "null"
		}},
		{NoUpdatedAt, func(t *testing.T, before, after []byte) bool {
			t.Helper()
			m := members(t, after)
			return m["updated_at"] == nil && len(m) == len(members(t, before))-1
		}},
		{NotAnObject, func(_ *testing.T, _, after []byte) bool { return after[0] == '"' }},
		{DuplicateKey, func(_ *testing.T, _, after []byte) bool { return bytes.Count(after, []byte(`"created_at":`)) == 2 }},
	} {
		s, c, _ := open(t, Options{StableTies: true, RequestsPerMinute: -1})
		ids := c.Import("patients", 3)
		for place, i := range map[int]int{0: 0, 1: 1, -1: 2} {
			stop := s.Inject(Rule{Fault: test.fault(place)})
			rows := list(t, s, "patients").Rows
			for j, id := range ids {
				before, _ := c.Record("patients", id)
				if j == i && !test.want(t, before, rows[j]) {
					t.Errorf("place %d: got %s", place, rows[j])
				}
				if j != i && !bytes.Equal(rows[j], before) {
					t.Errorf("place %d: row %d was touched", place, j)
				}
			}
			stop()
		}
		s.Inject(Rule{Fault: test.fault(3)}) // no such place
		if rows := list(t, s, "patients").Rows; len(rows) != 3 {
			t.Errorf("got %d rows", len(rows))
		}
	}
}

func TestFaultsOfTheEnvelope(t *testing.T) {
	s, c, _ := open(t, Options{StableTies: true})
	ids := c.Import("taxes", 2)
	stop := s.Inject(Rule{Fault: WrongKey()})
	_, body := get(t, s, "/taxes")
	if l := parseListing(t, "records", body); len(l.Rows) != 2 {
		t.Errorf("got %s", body)
	}
	stop()
	stop = s.Inject(Rule{Fault: NoTotal()})
	if l := list(t, s, "taxes"); l.Total != nil || len(l.Rows) != 2 {
		t.Errorf("got %+v", l)
	}
	stop()
	s.Inject(Rule{Fault: RepeatRow(0)})
	l := list(t, s, "taxes")
	if got := l.ids(t); got != join(ids[0], ids[1], ids[0]) {
		t.Errorf("got %s", got)
	}
}

func TestLinksAreSpoiled(t *testing.T) {
	s, c, _ := open(t, Options{})
	c.Import("taxes", 60)
	host := strings.TrimSuffix(strings.TrimPrefix(s.URL, "http://"), "/v1")
	for _, test := range []struct {
		fault Fault
		want  string
	}{
		{ForeignLinks("other.example:81"), "http://other.example:81/v1/taxes?page=2"},
		{OtherSchemeLinks(), "https://" + host + "/v1/taxes?page=2"},
		{InternalLinks(), "http://" + host + "/internal/v1/taxes?page=2"},
		{BareLinks(), "/v1/taxes?page=2"},
	} {
		stop := s.Inject(Rule{Fault: test.fault})
		if got := list(t, s, "taxes").Links["next"]; got != test.want {
			t.Errorf("%s: got %s, want %s", test.fault.name, got, test.want)
		}
		stop()
	}
}

// The page that repeats is the first, and there is always a next.
func TestRepeatedPages(t *testing.T) {
	s, c, _ := open(t, Options{StableTies: true})
	ids := c.Import("taxes", 3)
	s.Inject(Rule{Fault: RepeatPages()})
	for _, page := range []string{"1", "2", "7"} {
		l := list(t, s, "taxes", "per_page", "2", "page", page)
		if got := l.ids(t); got != join(ids[:2]...) || l.Links["next"] == "" {
			t.Errorf("page %s: got %s, next %q", page, got, l.Links["next"])
		}
	}
	if got := list(t, s, "taxes", "page", "7").Links["next"]; !strings.Contains(got, "page=8") {
		t.Errorf("got next %s, want page 8", got)
	}
}

func TestFiltersAndSortsAreIgnoredSilently(t *testing.T) {
	s, ids := people(t)
	s.Inject(Rule{Fault: IgnoreFilters()})
	l := list(t, s, "patients", "sort", "id", "q[]", "id:="+string(ids[0]))
	if got := l.ids(t); got != join(ids...) || *l.Total != 3 {
		t.Errorf("got %s of %d", got, *l.Total)
	}
	s.Inject(Rule{Fault: IgnoreSort()})
	l = list(t, s, "patients", "sort", "updated_at:desc")
	if got := l.ids(t); got != join(ids...) {
		t.Errorf("got %s", got)
	}
}

// What drifts happens before the rows of the very answer are selected, and only when its turn has come.
func TestDriftHappensWhileAListIsRead(t *testing.T) {
	s, c, clock := open(t, Options{})
	for range 4 {
		c.Create("taxes")
		clock.Advance(time.Second)
	}
	ids := c.IDs("taxes")
	s.Inject(Rule{Resource: "taxes", Skip: 1, Next: 1, Fault: Drift(func(c *Clinic) { c.Touch("taxes", ids[0]) })})
	var got []string
	for _, page := range []string{"1", "2"} {
		l := list(t, s, "taxes", "sort", "updated_at", "per_page", "2", "page", page)
		got = append(got, l.ids(t))
	}
	if want := join(ids[0], ids[1], ids[3], ids[0]); strings.Join(got, " ") != want { // the third slid away
		t.Errorf("got %s, want %s", got, want)
	}
}

// A slow answer waits, but not for a client that has gone.
func TestSlowAnswersHonourTheRequest(t *testing.T) {
	s, _, _ := open(t, Options{})
	s.Inject(Rule{Fault: Slow(20 * time.Millisecond), Next: 1})
	before := time.Now()
	if resp, _ := get(t, s, "/taxes"); resp.StatusCode != 200 || time.Since(before) < 20*time.Millisecond {
		t.Errorf("got %d after %v", resp.StatusCode, time.Since(before))
	}
	s.Inject(Rule{Fault: Slow(10 * time.Second)})
	defer func() {
		if r := recover(); r != http.ErrAbortHandler { //nolint:errorlint // it is the very value that net/http looks for
			t.Errorf("got panic %v, want an aborted request", r)
		}
		if got := s.Requests(); got[len(got)-1].Status != 0 {
			t.Errorf("got %+v", got)
		}
	}()
	s.ServeHTTP(httptest.NewRecorder(), request(t, s.URL+"/taxes").WithContext(canceled()))
}

// A rule strikes the requests that it names, as often as it says, and no others.
func TestRulesStrikeWhatTheyName(t *testing.T) {
	s, c, _ := open(t, Options{RequestsPerMinute: -1, Seed: 5})
	id := c.Create("taxes")
	statuses := func(path string, n int) (list []int) {
		for range n {
			resp, _ := get(t, s, path)
			list = append(list, resp.StatusCode)
		}
		return list
	}
	count := func(list []int, status int) (n int) {
		for _, s := range list {
			if s == status {
				n++
			}
		}
		return n
	}
	s.Inject(Rule{Fault: Status(503), Resource: "taxes", Of: Lists, Skip: 1, Next: 2})
	s.Inject(Rule{Fault: NotFound(), Of: Items})
	if got := statuses("/users", 2); count(got, 200) != 2 {
		t.Errorf("another resource was struck: %v", got)
	}
	if got := statuses("/taxes/"+string(id), 2); count(got, 404) != 2 {
		t.Errorf("items: got %v", got)
	}
	if got := statuses("/taxes", 4); got[0] != 200 || got[1] != 503 || got[2] != 503 || got[3] != 200 {
		t.Errorf("got %v", got)
	}
	s.Heal()
	s.Inject(Rule{Fault: Status(500), Chance: 0.3})
	if n := count(statuses("/taxes", 100), 500); n < 15 || n > 45 {
		t.Errorf("got %d of 100, want about 30", n)
	}
	s.Heal()
	s.Inject(Rule{Fault: NullID(0)})
	if got := statuses("/taxes/"+string(id), 1); got[0] != 200 || s.Requests()[len(s.Requests())-1].Faults != nil {
		t.Error("a fault of lists struck an item")
	}
}

// Faults that strike together each do their part.
func TestFaultsCompose(t *testing.T) {
	s, c, _ := open(t, Options{})
	s.Inject(Rule{Fault: Drift(func(c *Clinic) { c.Create("taxes") })})
	s.Inject(Rule{Fault: NoTotal()})
	s.Inject(Rule{Fault: Huge(1000)})
	_, body := get(t, s, "/taxes")
	if l := parseListing(t, "taxes", body); len(l.Rows) != 1 || l.Total != nil || len(body) < 1000 || len(c.IDs("taxes")) != 1 {
		t.Errorf("got %s", body)
	}
	if got := strings.Join(s.Requests()[0].Faults, ","); got != "drift,no total,huge" {
		t.Errorf("got faults %s", got)
	}
}
