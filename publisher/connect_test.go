package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// A bridge that is started before its NATS waits for it.
func TestConnectWaits(t *testing.T) {
	s := publishertest.Start(t, publishertest.Options{})
	proxy := publishertest.StartProxy(t, s.URL())
	proxy.Down()
	waiting := make(chan struct{}, 100)
	core, _ := observer.New(zap.WarnLevel)
	logger := zap.New(&hook{Core: core, wrote: waiting})
	done := make(chan error, 1)
	var nc *nats.Conn
	go func() {
		var err error
		nc, err = publisher.Connect(t.Context(), publisher.ConnectConfig{URL: proxy.URL()}, logger)
		done <- err
	}()
	<-waiting
	proxy.Heal()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	publisher.Close(t.Context(), nc)
	if !nc.IsClosed() {
		t.Error("the connection is open after Close")
	}
}

// The wait ends with its context, and says what it waited for.
func TestConnectGivesUpWithItsContext(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "nats://user:secret-password@" + l.Addr().String()
	_ = l.Close() // nobody listens here now
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	core, logs := observer.New(zap.DebugLevel)
	_, err = publisher.Connect(ctx, publisher.ConnectConfig{URL: url}, zap.New(core))
	if !errors.Is(err, nats.ErrNoServers) || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("error is %v", err)
	}
	if text := fmt.Sprint(err, logs.All()); strings.Contains(text, "secret") || strings.Contains(text, "user") {
		t.Errorf("credentials are shown: %s", text)
	}
}

// A stop does not wait for servers that take a connection and say nothing, however many there are.
func TestConnectEndsWithItsContextWhereServersSayNothing(t *testing.T) {
	var list []string
	for range 40 { // two minutes, if each were waited for
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		list = append(list, "nats://"+l.Addr().String())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := publisher.Connect(ctx, publisher.ConnectConfig{URL: strings.Join(list, ",")}, zap.NewNop())
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("it connected to servers that say nothing")
		}
	case <-time.After(time.Minute):
		t.Fatal("a minute after its context has ended it still waits")
	}
}

// What waiting does not mend is told at once, without a word of the credentials.
func TestConnectRefused(t *testing.T) {
	s := publishertest.Start(t, publishertest.Options{User: "bridge", Password: "right"})
	missing := filepath.Join(t.TempDir(), "missing")
	broken := filepath.Join(t.TempDir(), "broken.pem")
	if err := os.WriteFile(broken, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	withUser := func(user string) string { return strings.Replace(s.URL(), "nats://", "nats://"+user+"@", 1) }
	for name, cfg := range map[string]publisher.ConnectConfig{
		"wrong password": {URL: withUser("bridge:secret")},
		"no password":    {URL: s.URL()},
		"no URL":         {URL: ""},
		"no such URL":    {URL: s.URL() + ",nats://secret:sec ret%@host"},
		"no host":        {URL: "nats://secret@"},
		"credentials":    {URL: s.URL(), CredsFile: missing},
		"roots":          {URL: s.URL(), CAFile: missing},
		"no roots in it": {URL: s.URL(), CAFile: broken},
		"certificate":    {URL: s.URL(), CertFile: missing, KeyFile: missing},
	} {
		core, logs := observer.New(zap.DebugLevel)
		nc, err := publisher.Connect(t.Context(), cfg, zap.New(core))
		if err == nil {
			nc.Close()
			t.Errorf("%s: connected", name)
			continue
		}
		if text := fmt.Sprint(err, logs.All()); strings.Contains(text, "secret") || logs.Len() > 0 {
			t.Errorf("%s: %s", name, text)
		}
	}
	nc, err := publisher.Connect(t.Context(), publisher.ConnectConfig{URL: withUser("bridge:right"), Name: "me"}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

// While the connection is down nothing is kept to be sent later, and it comes back by itself.
func TestConnectionComesBack(t *testing.T) {
	s := publishertest.Start(t, publishertest.Options{})
	proxy := publishertest.StartProxy(t, s.URL())
	waiting := make(chan struct{}, 100)
	core, logs := observer.New(zap.InfoLevel)
	nc, err := publisher.Connect(t.Context(), publisher.ConnectConfig{URL: proxy.URL()}, zap.New(&hook{Core: core, wrote: waiting}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	proxy.Down()
	<-waiting // it has noticed
	if err := nc.Publish("x", nil); err == nil {
		t.Error("a message was taken while the connection was down")
	}
	proxy.Heal()
	connected(t, nc)
	<-waiting
	if logs.FilterMessage("nats connection is back").Len() != 1 {
		t.Errorf("logged %v", logs.All())
	}
}

// Whoever publishes while the connection is down is told that, and not of a buffer.
func TestThatTheConnectionIsDownIsSaid(t *testing.T) {
	s := publishertest.Start(t, publishertest.Options{})
	r := setup(t, s.URL(), s.URL(), publisher.DefaultTemplate, 0)
	lost := r.nc.StatusChanged(nats.RECONNECTING)
	s.Shutdown()
	<-lost
	if _, err := r.p.Publish(t.Context(), events("north", 1, 1), 0); !errors.Is(err, nats.ErrDisconnected) {
		t.Errorf("Publish: %v", err)
	}
}
