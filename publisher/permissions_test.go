package publisher_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// narrow is a server whose user bridge:pw has the rights of deploy/nats-permissions.conf without the one on subject; admin:pw
// may do everything.
func narrow(t *testing.T, without string) *publishertest.Server {
	t.Helper()
	data, err := os.ReadFile("../deploy/nats-permissions.conf")
	if err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf("    %q\n", without)
	if without != "" && !strings.Contains(string(data), line) {
		t.Fatalf("deploy/nats-permissions.conf has no line %s", line)
	}
	rights := strings.Replace(string(data), line, fmt.Sprintf("    %q\n", "none"), 1) // an empty list would allow everything
	return publishertest.Start(t, publishertest.Options{Config: "jetstream {}\nauthorization {users: [\n" +
		"{user: admin, password: pw}, {user: bridge, password: pw, permissions: {\n" + rights + "}}]}\n"})
}

// A user is the bridge's on such a server, and what NATS forbade it.
type user struct {
	url   string // with its password
	cfg   publisher.StreamConfig
	log   *zap.Logger
	logs  *observer.ObservedLogs
	wrote chan struct{} // a signal for each line
}

func newUser(t *testing.T, s *publishertest.Server) *user {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	wrote := make(chan struct{}, 1000)
	return &user{
		url: strings.Replace(s.URL(), "://", "://bridge:pw@", 1), log: zap.New(&hook{Core: core, wrote: wrote}), logs: logs, wrote: wrote,
		cfg: publisher.StreamConfig{Name: stream, Template: parse(t, "cliniko.{account}.{resource}.{verb}")},
	}
}

// forbidden is what NATS forbade so far.
func (u *user) forbidden() string {
	return fmt.Sprint(u.logs.FilterMessage("nats forbids what the bridge has to do; deploy/nats-permissions.conf has all that it needs").All())
}

// useAll does everything that a bridge does on NATS: it makes the stream, publishes, and reads back.
func (u *user) useAll(ctx context.Context) error {
	nc, err := publisher.Connect(ctx, publisher.ConnectConfig{URL: u.url}, u.log)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if _, err := publisher.Ensure(ctx, js, u.cfg); err != nil {
		return err
	}
	p, err := publisher.New(ctx, nc, publisher.Config{Stream: u.cfg.Name, Template: u.cfg.Template}, zap.NewNop())
	if err != nil {
		return err
	}
	if _, err := p.Publish(ctx, events("north", 1, 1), 0); err != nil {
		return err
	}
	got := 0
	_, err = p.ReadBack(ctx, "north", "patients", 0, func(uint64, schemas.Event) error { got++; return nil })
	if err == nil && got != 1 {
		err = fmt.Errorf("read back %d events, want 1", got)
	}
	return err
}

// The rights in deploy suffice to make the stream, to publish and to read back; and without the right to make it, if it is there.
func TestTheRightsInDeploySuffice(t *testing.T) {
	for name, without := range map[string]string{"makes the stream": "", "finds it made": "$JS.API.STREAM.CREATE.CLINIKO"} {
		s := narrow(t, without)
		u := newUser(t, s)
		if without != "" {
			js := publishertest.JetStream(t, publishertest.Connect(t, strings.Replace(s.URL(), "://", "://admin:pw@", 1)))
			if _, err := publisher.Ensure(t.Context(), js, u.cfg); err != nil {
				t.Fatal(err)
			}
		}
		if err := u.useAll(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if u.logs.Len() > 0 {
			t.Errorf("%s: logged %v, want nothing", name, u.logs.All())
		}
	}
}

// Without any one of them the log names the subject, and the file that has them all. To ask for messages is left out: without
// that right the library's goroutine waits half a minute for them, whatever is cancelled.
func TestEachRightIsNeeded(t *testing.T) {
	for _, subject := range []string{
		"cliniko.>", "$JS.API.STREAM.INFO.CLINIKO", "$JS.API.STREAM.CREATE.CLINIKO", "$JS.API.STREAM.MSG.GET.CLINIKO",
		"$JS.API.CONSUMER.CREATE.CLINIKO.>", "$JS.API.CONSUMER.DELETE.CLINIKO.*", "_INBOX.>",
	} {
		u := newUser(t, narrow(t, subject))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- u.useAll(ctx) }()
		named := strings.TrimRight(subject, ".>*")
		for ended := false; !ended && !strings.Contains(u.forbidden(), named); {
			select {
			case <-u.wrote:
			case err := <-done:
				t.Errorf("without %s: it ended with %v, and logged %v", subject, err, u.logs.All())
				done <- nil
				ended = true
			}
		}
		cancel() // an answer that is not given would be waited for
		<-done   //nolint:errcheck // it was broken off
	}
}
