package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A server that would pass over Publish's condition in silence is refused; one of an odd version is not.
func TestFit(t *testing.T) {
	for version, fit := range map[string]bool{
		"2.9.25": false, "2.10.29": false, "1.4.1": false,
		"2.11.0": true, "2.11.0-RC.1": true, "2.15.2": true, "3.0.0": true, "main": true, "": true,
	} {
		err := publisher.Fit(publishertest.Connect(t, publishertest.StartFake(t, version)))
		var unfit *publisher.UnfitError
		switch {
		case fit && err != nil:
			t.Errorf("%q: %v", version, err)
		case !fit && (!errors.As(err, &unfit) || err.Error() != "nats-server "+version+" is too old; install 2.11 or later"):
			t.Errorf("%q: got %v, want a sentence with its remedy", version, err)
		}
	}
}

// What the server refuses is told in a sentence with its remedy, and once there is room Publish goes on.
func TestRefusal(t *testing.T) {
	small := jetstream.StreamConfig{Name: stream, Subjects: []string{"cliniko.*.*"}}
	bytes, messages := small, small
	bytes.Discard, bytes.MaxBytes = jetstream.DiscardNew, 20_000
	messages.Discard, messages.MaxMsgs = jetstream.DiscardNew, 10
	for name, c := range map[string]struct {
		limits string
		stream jetstream.StreamConfig
		want   string
	}{
		"max_bytes":      {"jetstream: {store_dir: %q}", bytes, "maximum bytes exceeded; raise the stream's limits"},
		"max_msgs":       {"jetstream: {store_dir: %q}", messages, "maximum messages exceeded; raise the stream's limits"},
		"max_file_store": {"jetstream: {store_dir: %q, max_file_store: 20KB}", small, "insufficient resources; raise the NATS server's max_file_store"},
		"of the account": {
			"jetstream: {store_dir: %q}\naccounts: {A: {jetstream: {max_file: 20KB}, users: [{user: u, password: p}]}}\nno_auth_user: u",
			small, "resource limits exceeded for account; raise the NATS account's limits",
		},
	} {
		t.Run(name, func(t *testing.T) {
			nc := publishertest.Connect(t, configured(t, c.limits))
			js := publishertest.JetStream(t, nc)
			if _, err := js.CreateStream(t.Context(), c.stream); err != nil {
				t.Fatal(err)
			}
			p, err := publisher.New(t.Context(), nc, publisher.Config{Stream: stream, Template: parse(t, publisher.DefaultTemplate)}, zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			w := writer{rig: rig{p, nc, js}, account: "north"}
			page := events("north", 1, 100)
			_, err = p.Publish(t.Context(), page, 0)
			if got, want := publisher.Refusal(stream, err), "the stream CLINIKO takes no events: "+c.want; !strings.HasPrefix(got, want) {
				t.Fatalf("%v: got %q, want %q", err, got, want)
			}
			if c.stream.Discard != jetstream.DiscardNew {
				return
			}
			report, err := publisher.Inspect(t.Context(), js, publisher.StreamConfig{Name: stream, Template: parse(t, publisher.DefaultTemplate)})
			if err != nil {
				t.Fatal(err)
			}
			expect(t, "warning", report.Warnings, "the stream is full")
			if _, err := js.UpdateStream(t.Context(), small); err != nil {
				t.Fatal(err)
			}
			w.write(t, w.missing(t, page))
			onceEach(t, js, len(page))
		})
	}
}

// What is no doing of the server is no refusal.
func TestNoRefusal(t *testing.T) {
	for _, err := range []error{nil, context.Canceled, fmt.Errorf("publish: %w", schemas.ErrStreamAhead), errors.New("not sent")} {
		if got := publisher.Refusal(stream, err); got != "" {
			t.Errorf("%v: got %q", err, got)
		}
	}
	r := standard(t)
	if err := r.js.DeleteStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	_, err := r.p.Publish(t.Context(), events("north", 1, 1), 0)
	if got := publisher.Refusal(stream, err); !strings.HasPrefix(got, "nobody answers for the stream CLINIKO") {
		t.Errorf("%v of a stream that is gone: got %q", err, got)
	}
}

// configured starts a server on a configuration that has the place of its messages in it.
func configured(t *testing.T, text string) (url string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(path, fmt.Appendf(nil, text, t.TempDir()), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return publishertest.StartWith(t, opts).URL()
}
