package cliniko

import (
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

var foreignPaths = []string{
	"",
	"patients/1",
	"@evil.example/x",
	":80/x",
	"//evil.example",
	"/../x",
	"/a b",
	"/patients?page=2",
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

// Whatever is asked, a request goes to the base URL's scheme and host and below its path, and a LinkID is digits alone.
func FuzzLinks(f *testing.F) {
	for _, path := range foreignPaths {
		f.Add(path)
	}
	f.Add("/patients/343589")
	base, err := url.Parse(testBase)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, link string) {
		if id, ok := LinkID(link); ok && strings.Trim(string(id), "0123456789") != "" {
			t.Errorf("LinkID(%q) = %q", link, id)
		}
		if !plainPath(link) {
			return
		}
		u := *base
		u.Path += link
		asked, err := url.Parse(u.String())
		if err != nil {
			t.Fatalf("%q: %v", link, err)
		}
		if asked.Scheme != "https" || asked.Host != base.Host || asked.User != nil || asked.RawQuery != "" ||
			asked.Path != base.Path+link || asked.JoinPath().Path != asked.Path {
			t.Errorf("%q leads to %q", link, asked)
		}
	})
}
