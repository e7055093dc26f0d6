package embedded_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/publisher/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, dir string) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(embedded.Config{Dir: dir, Listen: "127.0.0.1:0", Logger: zaptest.NewLogger(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What was stored before a shutdown is there after the next start, over the network as in process.
func TestMessagesOutliveTheServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "nats")
	s := start(t, dir)
	nc, err := s.Conn(t.Context(), "test", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.*"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "s.a", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	s.Shutdown()

	s = start(t, dir)
	defer s.Shutdown()
	url, err := embedded.FindURL(dir)
	if err != nil || url != s.URL() {
		t.Fatalf("FindURL = %q, %v; want %q", url, err, s.URL())
	}
	nc, err = nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "S")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetMsg(t.Context(), 1)
	if err != nil || string(msg.Data) != "hello" {
		t.Fatalf("message 1: %v, %v", msg, err)
	}
}

// A port that something else has is no reason not to start: the server takes another and says so.
func TestPortInUse(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	core, logs := observer.New(zap.WarnLevel)
	s, err := embedded.Start(embedded.Config{Dir: t.TempDir(), Listen: l.Addr().String(), Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	if strings.HasSuffix(s.URL(), l.Addr().String()) {
		t.Errorf("URL is %s, which another has", s.URL())
	}
	if logs.FilterMessageSnippet("free port").Len() != 1 {
		t.Errorf("no warning about the port, only %v", logs.All())
	}
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

// A port that others know of is not exchanged for another.
func TestAFixedPortInUse(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s, err := embedded.Start(embedded.Config{Dir: t.TempDir(), Listen: l.Addr().String(), Fixed: true})
	if !errors.Is(err, embedded.ErrPort) || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("error is %v, want one that is %v and names the address", err, embedded.ErrPort)
	}
	if err == nil {
		s.Shutdown()
	}
}

// Two servers never work on one directory; the second is told so, and may have it when the first is gone.
func TestOneServerADirectory(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	second, err := embedded.Start(embedded.Config{Dir: dir, Listen: "127.0.0.1:0"})
	if err == nil {
		second.Shutdown()
		t.Fatal("a second server started on the same directory")
	}
	if !strings.Contains(err.Error(), "another process") {
		t.Errorf("error is %q", err)
	}
	s.Shutdown()
	if _, err := embedded.FindURL(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("FindURL after the shutdown: %v", err)
	}
	start(t, dir).Shutdown()
}

// What the server cannot start with is an error of Start, and not the end of the process.
func TestUnusableStoreIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), nil, 0o600); err != nil { // where a directory is due
		t.Fatal(err)
	}
	s, err := embedded.Start(embedded.Config{Dir: dir, Listen: "127.0.0.1:0"})
	if err == nil {
		s.Shutdown()
		t.Fatal("started without a store")
	}
	for _, listen := range []string{"127.0.0.1", "127.0.0.1:port", "127.0.0.1:70000"} {
		if _, err := embedded.Start(embedded.Config{Dir: t.TempDir(), Listen: listen}); err == nil {
			t.Errorf("started on %q", listen)
		}
	}
}

// Only the embedded server takes messages of up to eight megabytes.
func TestLongMessages(t *testing.T) {
	s := start(t, t.TempDir())
	defer s.Shutdown()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	nc, err := s.Conn(ctx, "", zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got, want := nc.MaxPayload(), int64(8<<20); got != want {
		t.Errorf("max payload is %d, want %d", got, want)
	}
}
