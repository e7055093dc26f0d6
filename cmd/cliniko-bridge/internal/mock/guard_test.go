package mock_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/mock"
)

// A web page that somebody has open changes nothing, not even under a name of its own that leads here; programs do.
func TestAWebPageCanDoNothing(t *testing.T) {
	c := start(t, mock.Config{Patients: 2})
	ask := func(host, header, value string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.m.Control()+"/records/patients", strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			req.Host = host
		}
		req.Header.Set(header, value)
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for _, row := range []struct {
		host, header, value string
		want                int
	}{
		{"", "Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"", "Origin", "https://evil.example", http.StatusForbidden},
		{"evil.example:8320", "Origin", "http://evil.example:8320", http.StatusMisdirectedRequest},
		{"evil.example:8320", "Accept", "*/*", http.StatusMisdirectedRequest},
		{"localhost:8320", "Accept", "*/*", http.StatusOK},
		{"", "Accept", "*/*", http.StatusOK},
	} {
		before := c.m.Count("patients")
		got := ask(row.host, row.header, row.value)
		if made := c.m.Count("patients") > before; got != row.want || made != (row.want == http.StatusOK) {
			t.Errorf("%s %s: %s: got %d, made %v; want %d", row.host, row.header, row.value, got, made, row.want)
		}
	}
}
