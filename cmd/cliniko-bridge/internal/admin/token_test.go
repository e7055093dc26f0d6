package admin

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
)

// Off loopback the page and the status are for whoever has the token; what probes and scrapes has none, and needs none.
func TestWhatIsShownToTheNetwork(t *testing.T) {
	right, wrong := "Bearer "+token, "Bearer 0123456789abcdeF"
	password := func(text string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte("anybody:"+text))
	}
	for _, listen := range []string{"0.0.0.0:8321", ":8321", "192.0.2.7:8321", "bridge.example:8321", "127.0.0.1:8321"} {
		deps := newWishing().Deps
		deps.Token = fixed(token)
		deps.Live = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "retry: 2000") })
		h := New(listen, deps).Handler()
		for path, open := range map[string]bool{
			"/": false, "/status": false, "/live": false, "/healthz": true, "/readyz": true, "/metrics": true,
		} {
			for header, may := range map[string]bool{
				"": false, wrong: false, right: true, password(token): true, password("another"): false, "Basic " + token: false,
			} {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
				r.Host = "127.0.0.1:8321"
				r.Header.Set("Authorization", header)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				want := http.StatusUnauthorized
				if open || may || strings.HasPrefix(listen, "127.") {
					want = http.StatusOK
				}
				if w.Code != want || strings.Contains(w.Body.String(), token) {
					t.Errorf("%s on %s with %q: got %d %.80q; want %d", path, listen, header, w.Code, w.Body, want)
				}
				if challenge := w.Header().Get("WWW-Authenticate"); strings.HasPrefix(challenge, "Basic ") != (want == http.StatusUnauthorized) {
					t.Errorf("%s on %s: got the challenge %q with %d", path, listen, challenge, want)
				}
			}
		}
	}
}

// A browser that knows the token sends it along with whatever a page asks for: no wish is granted for it.
func TestNoWishIsGrantedToAPassword(t *testing.T) {
	b := newWishing()
	b.Token = fixed(token)
	header := map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("anybody:"+token))}
	if w := post(t, "0.0.0.0:8321", b.Deps, "/sweep", "{}", header); w.Code != http.StatusUnauthorized || len(b.begun) > 0 {
		t.Errorf("got %d, begun %q; want 401", w.Code, b.begun)
	}
}

// The token that counts is the one of this moment.
func TestATokenThatChanges(t *testing.T) {
	b := newWishing()
	now := config.NewSecret(token)
	b.Token = func() config.Secret { return now }
	bearer := map[string]string{"Authorization": "Bearer " + token}
	if w := post(t, "127.0.0.1:8321", b.Deps, "/sweep", "{}", bearer); w.Code != http.StatusAccepted {
		t.Errorf("got %d; want 202", w.Code)
	}
	now = config.NewSecret("another-token-of-operators")
	if w := post(t, "127.0.0.1:8321", b.Deps, "/sweep", "{}", bearer); w.Code != http.StatusUnauthorized {
		t.Errorf("got %d for the token before; want 401", w.Code)
	}
}

// The client brings the token with a look, too.
func TestTheClientLooksWithItsToken(t *testing.T) {
	b := newWishing()
	b.Token = fixed(token)
	handler := New("0.0.0.0:8321", b.Deps).Handler()
	if _, err := served(t, handler, token).Status(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := served(t, handler, "").Status(t.Context()); err == nil || !strings.Contains(err.Error(), "the token is missing") {
		t.Errorf("got %v; want that the token is missing", err)
	}
}
