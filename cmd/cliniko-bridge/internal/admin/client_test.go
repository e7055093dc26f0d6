package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// served is a client, with the token secret, of a server that answers as handler does.
func served(t *testing.T, handler http.Handler, secret string) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	var hidden config.Secret
	if secret != "" {
		hidden = config.NewSecret(secret)
	}
	return NewClient(server.Listener.Addr().String(), hidden)
}

// What the client asks for the handler does, and what the bridge shows the client sees.
func TestTheClientSpeaksWithTheServer(t *testing.T) {
	b := newWishing()
	b.Token = fixed(token)
	c := served(t, New("127.0.0.1:8321", b.Deps).Handler(), token)
	if err := c.Sweep(t.Context(), "", nil, false); err != nil {
		t.Error(err)
	}
	if err := c.Sweep(t.Context(), "northside", []schemas.Resource{"patients", "invoices"}, true); err != nil {
		t.Error(err)
	}
	if err := c.Baseline(t.Context(), "northside", "patients"); err != nil {
		t.Error(err)
	}
	want := []string{"sweep ", "sweep northside patients invoices, accepted", "baseline northside patients"}
	if !slices.Equal(b.begun, want) {
		t.Errorf("got %q; want %q", b.begun, want)
	}
	got, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// By way of JSON, in which times have whole seconds.
	var sent Status
	body, err := json.Marshal(b.Status().filled())
	if err != nil || json.Unmarshal(body, &sent) != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v; want %+v", got, sent)
	}
}

// A refusal is an error with the bridge's sentence and its status, and shows no token.
func TestTheClientSaysWhyItWasRefused(t *testing.T) {
	b := newWishing()
	b.Token = fixed(token)
	handler := New("127.0.0.1:8321", b.Deps).Handler()
	for _, row := range []struct {
		err  error
		code int
		says string
	}{
		{served(t, handler, "").Sweep(t.Context(), "", nil, false), 401, "the token is missing or another"},
		{served(t, handler, "another-token-0123").Sweep(t.Context(), "", nil, false), 401, "the token is missing or another"},
		{served(t, handler, token).Sweep(t.Context(), "eastside", nil, false), 404, "there is no account"},
		{served(t, handler, token).Baseline(t.Context(), "southside", "patients"), 409, "account southside is not led by this process"},
	} {
		var no *RefusedError
		if !errors.As(row.err, &no) || no.Code != row.code || !strings.HasPrefix(no.Text, row.says) || strings.Contains(no.Text, "0123") {
			t.Errorf("got %v; want %d %s…", row.err, row.code, row.says)
		}
	}
}

func TestTheClientFindsNoBridge(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(l.Addr().String(), config.Secret{})
	_ = l.Close()
	want := "no bridge answers on " + c.Addr()
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoBridge) || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
	// Whoever gave up himself has not found out.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Status(ctx); errors.Is(err, ErrNoBridge) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want that it was canceled", err)
	}
}

// Another server's answer is not taken for a bridge's, nor written to a terminal as it is; and no redirect is followed,
// which would take the token along.
func TestTheClientDoesNotTrustAnyServer(t *testing.T) {
	stranger := "is no bridge"
	for name, row := range map[string]struct {
		kind, body string
		code       int
		says       string
	}{
		"a page":       {"text/html", "<html>", 200, stranger},
		"other JSON":   {"application/json", `{"status":"up"}`, 200, stranger},
		"an error":     {"text/html", "<html>", 404, stranger},
		"a redirect":   {"text/plain", "elsewhere", 307, stranger},
		"a command":    {"text/plain", "\x1b[2Jgone\nand more", 409, "?[2Jgone and more"},
		"a long story": {"text/plain", strings.Repeat("x", 5000), 409, strings.Repeat("x", 500)},
		"not a word":   {"text/plain", "", 500, "no, it says, and not why"},
	} {
		asked := 0
		c := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("Content-Type", row.kind)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(row.code)
			_, _ = w.Write([]byte(row.body))
		}), token)
		_, err := c.Status(t.Context())
		if err == nil || !strings.HasSuffix(err.Error(), row.says) || len(err.Error()) > 600 {
			t.Errorf("%s: got %v; want …%s", name, err, row.says)
		}
		if asked != 1 {
			t.Errorf("%s: asked %d times; want 1", name, asked)
		}
	}
}

func TestDialAddr(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8321":      "127.0.0.1:8321",
		"localhost:8321":      "localhost:8321",
		"bridge.example:9000": "bridge.example:9000",
		"10.0.0.7:9000":       "10.0.0.7:9000",
		":9000":               "127.0.0.1:9000",
		"0.0.0.0:9000":        "127.0.0.1:9000",
		"[::]:9000":           "[::1]:9000",
		"[fe80::1]:9000":      "[fe80::1]:9000",
		"127.0.0.1:0":         "",
		"127.0.0.1":           "",
		"8321":                "",
		"127.0.0.1:":          "",
	} {
		if got, err := DialAddr(listen); got != want || (err == nil) != (want != "") {
			t.Errorf("DialAddr(%q): got %q, %v; want %q", listen, got, err, want)
		}
	}
}
