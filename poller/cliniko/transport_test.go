package cliniko

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// secure is a server with TLS and a client that trusts it.
func secure(t *testing.T, maxTLS uint16, handler http.HandlerFunc) (*Client, *http.Transport) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: maxTLS}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	transport := NewTransport()
	transport.TLSClientConfig.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	c, err := New(Config{APIKey: testKey, UserAgent: testAgent, BaseURL: server.URL + "/v1"}, transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, transport
}

func TestAccountsShareOneHTTP2Connection(t *testing.T) {
	var mu sync.Mutex
	peers := map[string]bool{}
	first, transport := secure(t, 0, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		peers[r.Proto+" "+r.RemoteAddr] = true
		_, _ = w.Write([]byte(`{"patients":[]}`))
	})
	second, err := New(Config{APIKey: "MS0-other-uk2", UserAgent: testAgent, BaseURL: first.BaseURL()}, transport, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Client{first, second, first} {
		if _, err := c.List(t.Context(), patients); err != nil {
			t.Fatal(err)
		}
	}
	for peer := range peers {
		if len(peers) != 1 || !strings.HasPrefix(peer, "HTTP/2.0 ") {
			t.Errorf("got %v, want one HTTP/2 connection", peers)
		}
	}
}

// A server that is too old, or that nobody vouches for, never gets as far as seeing the key.
func TestTheKeyGoesToNoServerThatIsNotTrusted(t *testing.T) {
	asked := func(http.ResponseWriter, *http.Request) { t.Error("the request was sent") }

	c, _ := secure(t, tls.VersionTLS11, asked)
	_, err := c.List(t.Context(), patients)
	wantKind(t, "TLS 1.1", err, Network)

	c, transport := secure(t, 0, asked)
	transport.TLSClientConfig.RootCAs = nil
	_, err = c.List(t.Context(), patients)
	if e := wantKind(t, "unknown authority", err, Network); !strings.Contains(e.Reason, "certificate") {
		t.Errorf("got %q", e.Reason)
	}
}
