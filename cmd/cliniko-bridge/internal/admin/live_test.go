package admin

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
)

// endless follows until it is ended.
var endless = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })

// Whoever follows with a token that is not the token any more is cut off.
func TestATokenThatChangesEndsWhatIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Pointer[config.Secret]
		set := func(text string) { secret := config.NewSecret(text); now.Store(&secret) }
		set(token)
		h := New("0.0.0.0:8321", Deps{Live: endless, Token: func() config.Secret { return *now.Load() }}).Handler()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/live", nil)
		r.SetBasicAuth("anybody", token)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.ServeHTTP(httptest.NewRecorder(), r)
		}()
		time.Sleep(10 * recheck)
		select {
		case <-ended:
			t.Fatal("it ended with the right token")
		default:
		}
		set("another-token-of-operators")
		<-ended // or the test deadlocks, which synctest tells
	})
}

// A page of another site follows nothing, and so takes no place; the bridge's own page does, and so does a program.
func TestAPageOfAnotherSiteFollowsNothing(t *testing.T) {
	deps := Deps{Live: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "retry: 2000") })}
	h := New("127.0.0.1:8321", deps).Handler()
	for _, row := range []struct {
		header, value string
		want          int
	}{
		{"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"Sec-Fetch-Site", "same-site", http.StatusForbidden}, // another port of this machine
		{"Origin", "https://evil.example", http.StatusForbidden},
		{"Sec-Fetch-Site", "same-origin", http.StatusOK},
		{"Sec-Fetch-Site", "none", http.StatusOK},
		{"Accept", "text/event-stream", http.StatusOK},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/live", nil)
		r.Host = "127.0.0.1:8321"
		r.Header.Set(row.header, row.value)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != row.want {
			t.Errorf("%s: %s: got %d; want %d", row.header, row.value, w.Code, row.want)
		}
	}
}
