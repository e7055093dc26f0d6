package clinikotest

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is when the clinics of these tests open.
var start = time.Date(2027, 3, 27, 10, 0, 0, 0, time.UTC)

// open is a server of a new clinic, with the clock that the clinic goes by.
func open(t *testing.T, opts Options) (*Server, *Clinic, *Clock) {
	t.Helper()
	clock := NewClock(start)
	opts.Now = clock.Now
	c := New(opts)
	s := NewServer(c)
	t.Cleanup(s.Close)
	return s, c, clock
}

// A reply is the head of a response whose body has been read.
type reply struct {
	StatusCode    int
	Header        http.Header
	ContentLength int64
}

// A client of its own for each request keeps no connection open. The reply and what there is of the body come also
// with an error, if the error is the body's.
func do(t *testing.T, req *http.Request) (reply, []byte, error) {
	t.Helper()
	tr := &http.Transport{DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	client := &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, resp.ContentLength}, body, err
}

func request(t *testing.T, address string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(DefaultKey, "")
	req.Header.Set("User-Agent", "Test (test@example.com)")
	return req
}

// get asks for a path below the base URL, with parameters by turns name and value.
func get(t *testing.T, s *Server, path string, params ...string) (reply, []byte) {
	t.Helper()
	resp, body, err := do(t, request(t, address(s, path, params...)))
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

func address(s *Server, path string, params ...string) string {
	v := url.Values{}
	for i := 0; i < len(params); i += 2 {
		v.Add(params[i], params[i+1])
	}
	return s.URL + path + "?" + v.Encode()
}

// A listing is a list as a client reads it.
type listing struct {
	Rows  []json.RawMessage
	Total *int
	Links map[string]string
}

func parseListing(t *testing.T, key string, body []byte) listing {
	t.Helper()
	var whole map[string]json.RawMessage
	var l listing
	if err := json.Unmarshal(body, &whole); err != nil {
		t.Fatalf("not JSON: %v: %.200s", err, body)
	}
	if whole[key] == nil {
		t.Fatalf("no key %q in %.200s", key, body)
	}
	for name, into := range map[string]any{key: &l.Rows, "total_entries": &l.Total, "links": &l.Links} {
		if raw, ok := whole[name]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				t.Fatal(err)
			}
		}
	}
	return l
}

// list asks for a list, which must come.
func list(t *testing.T, s *Server, resource schemas.Resource, params ...string) listing {
	t.Helper()
	resp, body := get(t, s, "/"+string(resource), params...)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", resp.StatusCode, body)
	}
	return parseListing(t, string(resource), body)
}

// ids are the ids of the rows, spelled as numbers or as strings.
func (l *listing) ids(t *testing.T) string {
	t.Helper()
	var ids []string
	for _, raw := range l.Rows {
		var r struct{ ID json.RawMessage }
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, strings.Trim(string(r.ID), `"`))
	}
	return strings.Join(ids, " ")
}

func join(ids ...schemas.ID) string {
	var list []string
	for _, id := range ids {
		list = append(list, string(id))
	}
	return strings.Join(list, " ")
}

func members(t *testing.T, raw []byte) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("%v: %.200s", err, raw)
	}
	return m
}

// canceled is a context that has ended.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// everyResource are the resources of both editions that fit, in a settled order.
func everyResource(fits func(*resource) bool) []*resource {
	var all []*resource
	for _, edition := range []Edition{Edition2017, Edition2025} {
		resources := resourcesOf[edition]()
		for _, name := range slices.Sorted(maps.Keys(resources)) {
			if fits(resources[name]) {
				all = append(all, resources[name])
			}
		}
	}
	return all
}
