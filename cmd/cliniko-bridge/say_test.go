package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whoever answers in the place of a bridge, and is quoted in an error, moves no cursor and colours nothing.
func TestAnErrorIsFitForATerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"accounts":[{"name":"north\u001b[2J\u009b31m\u202eside"}]}`))
	}))
	defer server.Close()
	getenv := func(name string) string {
		if name == "ADMIN_LISTEN" {
			return server.Listener.Addr().String()
		}
		return ""
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"status", "--account", "southside"}, getenv, &out, &errs); code != exitUsage {
		t.Errorf("got exit status %d", code)
	}
	got := errs.String()
	if !strings.Contains(got, "the bridge has no account southside; it has north") || strings.ContainsAny(got, "\u001b\u009b\u202e") || !strings.HasSuffix(got, "\n") {
		t.Errorf("got %q", got)
	}
}
