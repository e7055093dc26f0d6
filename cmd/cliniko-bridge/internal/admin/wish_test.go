package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const token = "0123456789abcdef"

// fixed is a token that stays.
func fixed(text string) func() config.Secret {
	return func() config.Secret { return config.NewSecret(text) }
}

// wishing is a bridge that leads northside and not southside, and what it was asked to begin.
type wishing struct {
	Deps
	begun []string
}

func newWishing() *wishing {
	w := &wishing{}
	w.Status = func() Status {
		s := sample()
		s.Accounts = append(s.Accounts, Account{Name: "southside"})
		return s
	}
	w.Sweep = func(account string, resources []schemas.Resource, accept bool) error {
		line := "sweep " + account
		for _, r := range resources {
			line += " " + string(r)
		}
		if accept {
			line += ", accepted"
		}
		w.begun = append(w.begun, line)
		return nil
	}
	w.Baseline = func(account string, resource schemas.Resource) error {
		w.begun = append(w.begun, "baseline "+account+" "+string(resource))
		return nil
	}
	return w
}

// post sends body as JSON to a server on listen. Each pair of header replaces one header, "" takes it away.
func post(t *testing.T, listen string, deps Deps, path, body string, header map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Host = "127.0.0.1:8321"
	r.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		switch {
		case name == "Host":
			r.Host = value
		case value == "":
			r.Header.Del(name)
		default:
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	New(listen, deps).Handler().ServeHTTP(w, r)
	return w
}

func TestWishesReachTheBridge(t *testing.T) {
	for _, row := range []struct{ path, body, want string }{
		{"/sweep", `{}`, "sweep "},
		{"/sweep", `{"account":"northside","resources":["patients","invoices"]}`, "sweep northside patients invoices"},
		{"/sweep", `{"resources":["patients"],"accept":true}`, "sweep  patients, accepted"},
		{"/baseline", `{"resource":"patients"}`, "baseline  patients"},
		{"/baseline", `{"account":"northside","resource":"invoices"}`, "baseline northside invoices"},
	} {
		b := newWishing()
		w := post(t, "127.0.0.1:8321", b.Deps, row.path, row.body, nil)
		if w.Code != http.StatusAccepted || !slices.Equal(b.begun, []string{row.want}) {
			t.Errorf("%s %s: got %d %s, begun %q; want 202, %q", row.path, row.body, w.Code, w.Body, b.begun, row.want)
		}
	}
}

// Whatever is refused is answered by one plain line, and the bridge does not hear of it.
func TestWishesThatAreRefused(t *testing.T) {
	const form = "the body must be JSON"
	patients := `{"resource":"patients"}`
	for name, row := range map[string]struct {
		path, body string
		header     map[string]string
		code       int
		says       string
	}{
		"another site":        {"/baseline", patients, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403, "another site"},
		"another port":        {"/baseline", patients, map[string]string{"Sec-Fetch-Site": "same-site"}, 403, "another site"},
		"another origin":      {"/sweep", "{}", map[string]string{"Origin": "http://localhost:3000"}, 403, "another site"},
		"no origin":           {"/sweep", "{}", map[string]string{"Origin": "null"}, 403, "another site"},
		"a name of another":   {"/sweep", "{}", map[string]string{"Host": "evil.example:8321"}, 421, "this name is not"},
		"no type":             {"/sweep", "{}", map[string]string{"Content-Type": ""}, 415, "application/json"},
		"a form":              {"/sweep", "{}", map[string]string{"Content-Type": "text/plain"}, 415, "application/json"},
		"too large":           {"/sweep", `{"account":"` + strings.Repeat("x", 64<<10) + `"}`, nil, 413, "larger than 65536 bytes"},
		"no body":             {"/sweep", "", nil, 400, form},
		"no JSON":             {"/sweep", "{", nil, 400, form},
		"more than JSON":      {"/sweep", "{}{}", nil, 400, form},
		"an unknown field":    {"/sweep", `{"acount":"northside"}`, nil, 400, form},
		"a field in capitals": {"/sweep", `{"Accept":true}`, nil, 400, form},
		"a field twice":       {"/sweep", `{"account":"southside","account":"northside"}`, nil, 400, form},
		"another kind":        {"/sweep", `{"resources":"patients"}`, nil, 400, form},
		"of the other wish":   {"/sweep", patients, nil, 400, form},
		"all accepted":        {"/sweep", `{"accept":true}`, nil, 400, "name them"},
		"no resource":         {"/baseline", `{}`, nil, 400, form},
		"an unknown account":  {"/sweep", `{"account":"eastside"}`, nil, 404, `there is no account "eastside"`},
		"an unknown resource": {"/baseline", `{"resource":"patient"}`, nil, 404, `"patient" is not a resource; did you mean patients?`},
		"one of several":      {"/sweep", `{"resources":["patients","x\n"]}`, nil, 404, `"x\n" is not a resource`},
		"not followed":        {"/sweep", `{"resources":["taxes"]}`, nil, 404, "taxes is not followed"},
		"led by another":      {"/sweep", `{"account":"southside"}`, nil, 409, "account southside is not led by this process: another one"},
	} {
		b := newWishing()
		w := post(t, "127.0.0.1:8321", b.Deps, row.path, row.body, row.header)
		if got := w.Body.String(); w.Code != row.code || !strings.Contains(got, row.says) || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: got %d %q; want %d and one line with %q", name, w.Code, got, row.code, row.says)
		}
		if kind := w.Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
			t.Errorf("%s: got Content-Type %q; want text/plain", name, kind)
		}
		if len(b.begun) > 0 {
			t.Errorf("%s: begun %q all the same", name, b.begun)
		}
		if allow := w.Header().Get("Access-Control-Allow-Origin"); allow != "" {
			t.Errorf("%s: other origins may read it: %q", name, allow)
		}
	}
}

// The bridge's own page may, and whoever is no browser.
func TestTheOwnOriginMay(t *testing.T) {
	for _, header := range []map[string]string{
		{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://127.0.0.1:8321"}, {"Content-Type": "application/json; charset=utf-8"},
	} {
		if w := post(t, "127.0.0.1:8321", newWishing().Deps, "/sweep", "{}", header); w.Code != http.StatusAccepted {
			t.Errorf("%v: got %d %s; want 202", header, w.Code, w.Body)
		}
	}
}

// With a token, no wish is granted without; where the address is open to the network, none is without a token.
func TestTokens(t *testing.T) {
	bearer := func(text string) map[string]string { return map[string]string{"Authorization": text} }
	for name, row := range map[string]struct {
		listen, token string
		header        map[string]string
		code          int
		says          string
	}{
		"loopback":                 {"127.0.0.1:8321", "", nil, 202, ""},
		"loopback, missing":        {"127.0.0.1:8321", token, nil, 401, "admin.token"},
		"loopback, wrong":          {"127.0.0.1:8321", token, bearer("Bearer 0123456789abcdeF"), 401, "admin.token"},
		"loopback, a part":         {"127.0.0.1:8321", token, bearer("Bearer 0123456789abcde"), 401, "admin.token"},
		"loopback, empty":          {"127.0.0.1:8321", token, bearer("Bearer "), 401, "admin.token"},
		"loopback, another scheme": {"127.0.0.1:8321", token, bearer("Basic " + token), 401, "admin.token"},
		"loopback, right":          {"127.0.0.1:8321", token, bearer("Bearer " + token), 202, ""},
		"loopback, small letters":  {"[::1]:8321", token, bearer("bearer " + token), 202, ""},
		"network, none":            {"0.0.0.0:8321", "", bearer("Bearer " + token), 403, "set admin.token"},
		"network, every address":   {":8321", "", nil, 403, "set admin.token"},
		"network, missing":         {"0.0.0.0:8321", token, nil, 401, "admin.token"},
		"network, right":           {"0.0.0.0:8321", token, bearer("Bearer " + token), 202, ""},
	} {
		for path, body := range map[string]string{"/sweep": "{}", "/baseline": `{"resource":"patients"}`} {
			b := newWishing()
			if row.token != "" {
				b.Token = fixed(row.token)
			}
			w := post(t, row.listen, b.Deps, path, body, row.header)
			got := w.Body.String()
			if w.Code != row.code || !strings.Contains(got, row.says) || strings.Contains(got, token) {
				t.Errorf("%s: %s: got %d %q; want %d and a line with %q", name, path, w.Code, got, row.code, row.says)
			}
			if (len(b.begun) == 1) != (row.code == 202) {
				t.Errorf("%s: %s: begun %q", name, path, b.begun)
			}
			if challenge := w.Header().Get("WWW-Authenticate"); (challenge == "Bearer") != (row.code == 401) {
				t.Errorf("%s: %s: got WWW-Authenticate %q with %d", name, path, challenge, w.Code)
			}
			if w := ask(t, b.Deps, http.MethodGet, "127.0.0.1:8321", "/status"); w.Code != http.StatusOK {
				t.Errorf("%s: got %d for /status; want 200, which needs no token", name, w.Code)
			}
		}
	}
}

// A bridge that says no says why, and one that has not learnt it yet says so.
func TestABridgeThatCannotBegin(t *testing.T) {
	b := newWishing()
	b.Sweep = func(string, []schemas.Resource, bool) error { return errors.New("a sweep of\npatients is running") }
	b.Baseline = nil
	for path, row := range map[string][2]string{
		"/sweep":    {"{}", "a sweep of patients is running\n"},
		"/baseline": {`{"resource":"patients"}`, "this bridge cannot do that\n"},
	} {
		if w := post(t, "127.0.0.1:8321", b.Deps, path, row[0], nil); w.Code != 409 || w.Body.String() != row[1] {
			t.Errorf("%s: got %d %q; want 409 %q", path, w.Code, w.Body, row[1])
		}
	}
	b.Status = func() Status { return Status{Accounts: []Account{{Name: "northside"}}} }
	if w := post(t, "127.0.0.1:8321", b.Deps, "/sweep", "{}", nil); w.Code != 409 || !strings.Contains(w.Body.String(), "leads no account") {
		t.Errorf("got %d %q; want 409, that it leads no account", w.Code, w.Body)
	}
}

// What takes a wish shows nothing, and what shows takes none.
func TestWishesHaveAMethodOfTheirOwn(t *testing.T) {
	for _, path := range []string{"/sweep", "/baseline"} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"} {
			if w := ask(t, newWishing().Deps, method, "localhost:8321", path); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: got %d; want 405", method, path, w.Code)
			}
		}
		for _, near := range []string{path + "/", "/" + path, path + "/x"} {
			if w := post(t, "127.0.0.1:8321", newWishing().Deps, near, "{}", nil); w.Code != http.StatusMethodNotAllowed {
				t.Errorf("POST %s: got %d; want 405", near, w.Code)
			}
		}
	}
}
