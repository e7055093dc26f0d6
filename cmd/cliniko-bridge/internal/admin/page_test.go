package admin

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
)

// The page itself holds nothing of any bridge: it is there at once, however many accounts there are.
func TestThePageIsAShell(t *testing.T) {
	asked := Deps{Version: "1.2.3", Status: func() Status { t.Error("Status was called"); return Status{} }}
	w := get(t, asked, "/")
	if got, want := w.Header().Get("Content-Type"), "text/html; charset=utf-8"; w.Code != http.StatusOK || got != want {
		t.Errorf("got %d %s; want 200 %s", w.Code, got, want)
	}
	for _, want := range []string{`href="/healthz"`, `href="/readyz"`, `href="/metrics"`, `href="/status"`, "<noscript>"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

// Each file of the page is served, under the type that a browser wants, and every module is asked for at once rather than
// when the one before has come.
func TestEachFileOfThePageIsServed(t *testing.T) {
	page := get(t, Deps{}, "/").Body.String()
	files, err := fs.ReadDir(pageFiles, "page")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		path := "/page/" + file.Name()
		w := get(t, Deps{}, path)
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: got %d and %d bytes; want 200", path, w.Code, w.Body.Len())
		}
		switch _, kind, _ := strings.Cut(file.Name(), "."); kind {
		case "js":
			if got := w.Header().Get("Content-Type"); got != "text/javascript; charset=utf-8" {
				t.Errorf("%s: got type %q", path, got)
			}
			if !strings.Contains(page, `<link rel="modulepreload" href="`+path+`">`) && !strings.Contains(page, `<script type="module" src="`+path+`">`) {
				t.Errorf("the page does not ask for %s", path)
			}
		case "css":
			if got := w.Header().Get("Content-Type"); got != "text/css; charset=utf-8" {
				t.Errorf("%s: got type %q", path, got)
			}
		}
	}
	for _, match := range regexp.MustCompile(`(?:href|src)="(/page/[^"]*)"`).FindAllStringSubmatch(page, -1) {
		if w := get(t, Deps{}, match[1]); w.Code != http.StatusOK {
			t.Errorf("the page asks for %s, which answers %d", match[1], w.Code)
		}
	}
	for _, path := range []string{"/page/", "/page/nothing.js", "/page/..%2fpage.go", "/page/%2e%2e%2fpage%2fpage.css.go"} {
		if w := get(t, Deps{}, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d; want 404", path, w.Code)
		}
	}
}

// The page loads nothing from elsewhere, has no script or style within it, and no way from a string to markup.
func TestThePageKeepsItsPolicy(t *testing.T) {
	policy := get(t, Deps{}, "/").Header().Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
	} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q has no %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.Contains(policy, "data:") {
		t.Errorf("the policy %q is wider than it must be", policy)
	}
	never := regexp.MustCompile(`https?://[^\s'"]*|\bon[a-z]+="|style="|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|@import`)
	files, err := fs.ReadDir(pageFiles, "page")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		body, err := fs.ReadFile(pageFiles, "page/"+file.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range never.FindAllString(string(body), -1) {
			if found != "http://www.w3.org/2000/svg" { // a name, which nobody fetches
				t.Errorf("page/%s has %q", file.Name(), found)
			}
		}
	}
}

// Off loopback the page's files need the token, as the page does.
func TestThePageNeedsTheTokenOffLoopback(t *testing.T) {
	token := config.NewSecret("a-token-for-operators")
	handler := New("0.0.0.0:8321", Deps{Token: func() config.Secret { return token }}).Handler()
	for _, path := range []string{"/", "/page/page.js", "/page/page.css"} {
		for password, want := range map[string]int{"": 401, "another": 401, "a-token-for-operators": 200} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			if password != "" {
				r.SetBasicAuth("operator", password)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s with password %q: got %d; want %d", path, password, w.Code, want)
			}
		}
	}
}
