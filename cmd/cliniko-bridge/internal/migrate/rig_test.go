package migrate

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	key     = "0123456789abcdef0123456789abcdef"
	subject = `subject: "cliniko.{account}.{resource}.{verb}"`
)

// inside is a configuration that has everything under dir.
func inside(t *testing.T, dir string) *config.Config {
	t.Helper()
	return load(t, fmt.Sprintf("data_dir: %q\nstate: {fingerprint_key: %s}\nnats: {%s}\n", dir, key, subject))
}

// servers is a configuration with a new Redis and a new NATS.
func servers(t *testing.T) *config.Config {
	t.Helper()
	redis, server := difftest.StartRedis(t), publishertest.Start(t, publishertest.Options{})
	return load(t, fmt.Sprintf("data_dir: %q\nstate: {redis_url: %q, fingerprint_key: %s}\nnats: {url: %q, %s}\n",
		t.TempDir(), redis.URL, key, server.URL(), subject))
}

// clean empties the servers of cfg.
func clean(t *testing.T, cfg *config.Config) {
	t.Helper()
	opts, err := redis.ParseURL(cfg.State.RedisURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	defer func() { _ = client.Close() }()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	js := publishertest.JetStream(t, publishertest.Connect(t, cfg.NATS.URL.Reveal()))
	for name := range js.StreamNames(t.Context()).Name() {
		if err := js.DeleteStream(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

// load reads a configuration of two accounts.
func load(t *testing.T, text string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bridge.yaml")
	text = `
accounts:
  - {name: northside, api_key: north-au1, user_agent: "Test (ops@clinic.example)"}
  - {name: harbour, api_key: harbour-au1, user_agent: "Test (ops@clinic.example)"}
` + text
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// with opens the places of cfg, as a bridge would have them, for f.
func with(t *testing.T, cfg *config.Config, f func(*side)) {
	t.Helper()
	var s side
	defer s.closeStore()
	defer s.closeStream()
	if err := s.openStore(t.Context(), cfg, false); err != nil {
		t.Fatal(err)
	}
	if err := s.openStream(t.Context(), cfg, false); err != nil {
		t.Fatal(err)
	}
	f(&s)
}

// history is what bridges leave: records of some resources, some in more than one batch, notes, checkpoints, and events, of
// which some were removed.
func history(t *testing.T, cfg *config.Config) {
	t.Helper()
	with(t, cfg, func(s *side) {
		for i, account := range []string{"northside", "harbour"} {
			lease, err := s.store.Acquire(t.Context(), account, "test", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			for resource, n := range map[schemas.Resource]int{"patients": 2*batch + 7*i, "taxes": 3, "settings": 0} {
				c := diff.Commit{
					Account: account, Resource: resource, State: []byte(`{"of":"` + string(resource) + `"}`), Entries: map[schemas.ID][]byte{},
					Shapes: map[uint32]string{7: "a shape", 9: "of " + string(resource)},
				}
				for id := range n {
					c.Entries[schemas.ID(strconv.Itoa(id))] = []byte(account + strconv.Itoa(id) + "\x00\xff")
				}
				if err := s.store.Commit(t.Context(), lease, c); err != nil {
					t.Fatal(err)
				}
				if err := s.stream.publisher.PutCheckpoint(t.Context(), account, resource, c.State); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.store.Release(t.Context(), lease); err != nil {
				t.Fatal(err)
			}
			if err := s.store.PutNote(t.Context(), account, "sweep", []byte(`{}`), 0); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 12 {
			_, err := s.stream.js.PublishMsg(t.Context(), &nats.Msg{
				Subject: []string{"cliniko.northside.patients.updated", "cliniko.harbour.taxes.created"}[i%2],
				Header:  nats.Header{"Nats-Msg-Id": {"event-" + strconv.Itoa(i)}, "Cliniko-Began": {"2027-03-01T09:00:00Z"}},
				Data:    []byte(fmt.Sprintf(`{"event":%d}`, i)),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, sequence := range []uint64{1, 2, 6} {
			found, err := s.stream.js.Stream(t.Context(), s.stream.name)
			if err != nil {
				t.Fatal(err)
			}
			if err := found.DeleteMsg(t.Context(), sequence); err != nil {
				t.Fatal(err)
			}
		}
		_, err := s.stream.js.CreateConsumer(t.Context(), s.stream.name, jetstream.ConsumerConfig{
			Durable: "reminders", AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: 8,
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// contents are all that a bridge would find, as text.
func contents(t *testing.T, cfg *config.Config) (store, stream string) {
	t.Helper()
	var kept, told bytes.Buffer
	with(t, cfg, func(s *side) {
		for _, account := range []string{"northside", "harbour"} {
			for _, resource := range resources() {
				snap, err := s.store.Load(t.Context(), account, resource, nil)
				if err != nil {
					t.Fatal(err)
				}
				entries := map[schemas.ID]string{}
				err = s.store.Each(t.Context(), account, resource, func(id schemas.ID, entry []byte) error {
					entries[id] = string(entry)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				checkpoint, err := s.stream.publisher.Checkpoint(t.Context(), account, resource)
				if err != nil {
					t.Fatal(err)
				}
				if snap.State != nil {
					fmt.Fprintf(&kept, "%s/%s %s %v %d %q\n", account, resource, snap.State, snap.Shapes, snap.Tracked, entries)
				}
				if checkpoint != nil {
					fmt.Fprintf(&told, "%s/%s %s\n", account, resource, checkpoint)
				}
			}
			for name := range bridge.Notes() {
				if note, err := s.store.Note(t.Context(), account, name); err != nil || note != nil {
					fmt.Fprintf(&kept, "note %s %s %v\n", name, note, err)
				}
			}
		}
		for _, m := range publishertest.Collect(t, s.stream.js, s.stream.name, "") {
			fmt.Fprintf(&told, "%d %s %s %s %s\n", m.Sequence, m.Subject, m.ID, m.Header.Get("Cliniko-Began"), m.Body)
		}
		state, err := s.stream.state(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&told, "%d messages, %d to %d\n", state.Msgs, state.FirstSeq, state.LastSeq)
	})
	return kept.String(), told.String()
}
