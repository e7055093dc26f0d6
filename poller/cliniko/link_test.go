package cliniko

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func clientAt(tb testing.TB, base string) *Client {
	tb.Helper()
	c, err := New(Config{APIKey: testKey, UserAgent: testAgent, BaseURL: base}, NewTransport(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

const testBase = "https://api.uk2.cliniko.com/v1"

func TestResolveTakesTheAccountsOwnLinks(t *testing.T) {
	c := clientAt(t, testBase)
	for _, tt := range []struct{ link, want string }{
		{"https://api.uk2.cliniko.com/v1/patients/343589", "/patients/343589"},
		{"https://API.uk2.cliniko.com:443/v1/patients/1", "/patients/1"},
		{"https://api.uk2.cliniko.com/v1/internal/patients/1", "/internal/patients/1"},
		{"/v1/patients/1", "/patients/1"},
		{"/patients/1", "/patients/1"},
		{"/patients?page=2&q[]=id:>=7", "/patients?page=2&q%5B%5D=id%3A%3E%3D7"},
		{"/patients?", "/patients"},
	} {
		got, err := c.Resolve(tt.link)
		if err != nil || got != tt.want {
			t.Errorf("%q: got %q, %v, want %q", tt.link, got, err, tt.want)
		}
	}
}

var foreignLinks = []string{
	"",
	"patients/1",
	"http://api.uk2.cliniko.com/v1/patients/1",
	"http://api.uk2.cliniko.com:443/v1/patients/1",
	"https://api.cliniko.com/v1/patients/1",
	"https://evil.example/v1/patients/1",
	"//evil.example/v1/patients/1",
	"///evil.example/v1/patients/1",
	"/\\evil.example/v1/patients/1",
	"https://api.uk2.cliniko.com.evil.example/v1/patients/1",
	"https://api.uk2.cliniko.com@evil.example/v1/patients/1",
	"https://x@api.uk2.cliniko.com/v1/patients/1",
	"https://api.uk2.cliniko.com:8443/v1/patients/1",
	"https://api.uk2.cliniko.com./v1/patients/1",
	"https://api.uk2.cliniko.com/v2/patients/1",
	"https://api.uk2.cliniko.com/v1",
	"https://api.uk2.cliniko.com/v1evil/patients",
	"https:/v1/patients/1",
	"https:v1/patients/1",
	"javascript:alert(1)",
	"/v1/../admin",
	"/v1/patients/../../admin",
	"/patients/./1",
	"/patients/%2e%2e/admin",
	"/patients/..%2fadmin",
	"/patients%2f1",
	"/patients//1",
	"/patients/1/",
	"/patients/1#x",
	"/patients/1\r\nX: y",
	"/patients/1 HTTP/1.1",
	"/patients?a=%zz",
	"/patients?a;b",
}

func TestResolveRefusesWhatLeadsElsewhere(t *testing.T) {
	c := clientAt(t, testBase)
	for _, link := range foreignLinks {
		if got, err := c.Resolve(link); !errors.Is(err, ErrForeignLink) {
			t.Errorf("%q: got %q, %v, want ErrForeignLink", link, got, err)
		}
	}
}

func TestLinkIDIsTheLastSegment(t *testing.T) {
	for _, tt := range []struct {
		link, want string
	}{
		{"https://api.uk2.cliniko.com/v1/patients/343589", "343589"},
		{"http://elsewhere.example/internal/patients/18446744073709551617", "18446744073709551617"},
		{"/patients/1?page=2", "1"},
		{"/patients", ""},
		{"/patients/1/appointments", ""},
		{"/patients/1/", ""},
		{"/patients/-1", ""},
		{"/patients/1.5", ""},
		{"/patients/1*", ""},
		{"/patients/" + strings.Repeat("9", 65), ""},
		{"", ""},
		{"%zz", ""},
	} {
		got, ok := LinkID(tt.link)
		if string(got) != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: got %q, %v, want %q", tt.link, got, ok, tt.want)
		}
	}
}

// Whatever a link says, what Resolve makes of it stays on the base URL's scheme and host and below its path, says the
// same when it is resolved again, and a LinkID is digits alone.
func FuzzLinks(f *testing.F) {
	for _, link := range foreignLinks {
		f.Add(link)
	}
	f.Add("/v1/patients/343589?page=2")
	f.Add("https://api.uk2.cliniko.com/v1/patients?q[]=updated_at:>=2026-01-01T00:00:00Z")
	c := clientAt(f, testBase)
	f.Fuzz(func(t *testing.T, link string) {
		if id, ok := LinkID(link); ok && strings.Trim(string(id), "0123456789") != "" {
			t.Errorf("LinkID(%q) = %q", link, id)
		}
		got, err := c.Resolve(link)
		if err != nil {
			return
		}
		asked, err := url.Parse(testBase + got)
		if err != nil {
			t.Fatalf("%q: %q: %v", link, got, err)
		}
		clean := asked.JoinPath().Path
		if asked.Scheme != "https" || asked.Host != "api.uk2.cliniko.com" || asked.User != nil || clean != asked.Path ||
			!strings.HasPrefix(clean, "/v1/") {
			t.Errorf("%q leads to %q", link, asked)
		}
		again, err := c.Resolve(testBase + got)
		if err != nil || again != got {
			t.Errorf("%q: got %q, and again %q, %v", link, got, again, err)
		}
	})
}
