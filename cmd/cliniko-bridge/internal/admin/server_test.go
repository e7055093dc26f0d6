package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(browserTests{m}) }

// run starts a server on a free port of host and returns its address, and a function that stops it and returns
// what Run did.
func run(t *testing.T, host string, deps Deps) (addr string, stop func() error) {
	t.Helper()
	s := New(net.JoinHostPort(host, "0"), deps)
	if got := s.Addr(); got != "" {
		t.Errorf("got address %q before Listen; want none", got)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return s.Addr(), func() error { cancel(); return <-done }
}

// fetch asks with a connection of its own, so that none is left idle.
func fetch(t *testing.T, addr, host, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host, r.Close = host, true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestRunServesUntilItIsStopped(t *testing.T) {
	addr, stop := run(t, "127.0.0.1", Deps{})
	if code, body := fetch(t, addr, addr, "/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("got %d %q; want 200 ok", code, body)
	}
	if code, _ := fetch(t, addr, "evil.example", "/healthz"); code != http.StatusMisdirectedRequest {
		t.Errorf("a foreign name: got %d; want 421", code)
	}
	if err := stop(); err != nil {
		t.Errorf("got %v; want nil when asked to stop", err)
	}
	// The address is free again.
	again := New(addr, Deps{})
	if err := again.Listen(t.Context()); err != nil {
		t.Fatalf("after the stop: %v", err)
	}
	_ = again.listener.Close()
}

// A server that listens to a network does not know the names that lead to it, and answers to all.
func TestAnyHostIsAnsweredOffLoopback(t *testing.T) {
	addr, stop := run(t, "0.0.0.0", Deps{})
	_, port, _ := net.SplitHostPort(addr)
	if code, _ := fetch(t, "127.0.0.1:"+port, "bridge.northside.example", "/healthz"); code != 200 {
		t.Errorf("got %d; want 200", code)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A request in flight when the stop comes is answered.
func TestRunLetsRequestsFinish(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	addr, stop := run(t, "127.0.0.1", Deps{Ready: func(context.Context) []string {
		close(entered)
		<-leave
		return []string{"it took a while"}
	}})
	stopped := make(chan error, 1)
	go func() {
		<-entered
		go func() { stopped <- stop() }()
		// The port closes before the request ends.
		for {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
			if err != nil {
				break
			}
			_ = conn.Close()
		}
		close(leave)
	}()
	if code, body := fetch(t, addr, addr, "/readyz"); code != 503 || body != "it took a while\n" {
		t.Errorf("got %d %q; want the answer of the request in flight", code, body)
	}
	if err := <-stopped; err != nil {
		t.Errorf("got %v; want nil", err)
	}
}

func TestListenNamesTheSettingAndTheRemedy(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for addr, want := range map[string]string{
		taken.Addr().String(): taken.Addr().String() + " is in use; stop what listens there, or give",
		"192.0.2.1:0":         "192.0.2.1:0 is no address of this machine",
		"no-such-host":        "no-such-host cannot be listened on: ",
	} {
		err := New(addr, Deps{}).Run(t.Context())
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v; want %q…", addr, err, want)
		}
	}
}
