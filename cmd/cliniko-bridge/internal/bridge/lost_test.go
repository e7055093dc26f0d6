package bridge

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The store is lost while the bridge is away, or under it, and records change meanwhile: one of a resource of which events were told,
// and one of a resource that never had any. Both changes are told, and nothing else is: no event again, none of what
// did not change.
func TestALostStoreLosesNoChange(t *testing.T) {
	for _, data := range []string{"full", "thin"} {
		t.Run("Redis, "+data, func(t *testing.T) {
			t.Parallel()
			redis := difftest.StartRedis(t)
			lostStoreLosesNoChange(t, false, onRedis(redis, data), func(string) { flush(t, redis.URL) })
		})
		t.Run("Redis, under the running bridge, "+data, func(t *testing.T) {
			t.Parallel()
			redis := difftest.StartRedis(t)
			lostStoreLosesNoChange(t, true, onRedis(redis, data), func(string) { flush(t, redis.URL) })
		})
		t.Run("file, "+data, func(t *testing.T) {
			t.Parallel()
			lostStoreLosesNoChange(t, false, fmt.Sprintf("events: {data: %s}\n", data), func(dir string) {
				if err := os.Remove(filepath.Join(dir, "state.db")); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func onRedis(redis *difftest.Redis, data string) string {
	return fmt.Sprintf(`
state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}
events: {data: %s}
`, redis.URL, data)
}

func lostStoreLosesNoChange(t *testing.T, running bool, more string, lose func(dataDir string)) {
	t.Helper()
	server := publishertest.Start(t, publishertest.Options{})
	clinic := clinikotest.New(clinikotest.Options{RequestsPerMinute: -1})
	clinic.Populate(clinikotest.Sizes{"patients": 150, "taxes": 5, "contacts": 5})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	dir := t.TempDir()
	text := fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [patients, taxes, contacts]}
resources: {patients: {schedule: "@every 1s"}, taxes: {schedule: "@every 1s"}, contacts: {schedule: "@every 1s"}}
nats: {url: %q}
data_dir: %q
`, clinic.Key(), api.URL, server.URL(), dir) + more
	js := server.JetStream(t)
	told := func() (list []string) {
		for _, m := range publishertest.Collect(t, js, "CLINIKO", "") {
			e, err := schemas.ParseEvent(m.Body)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, fmt.Sprintf("%s %s/%s %v", e.Verb, e.Resource, e.RecordID, e.Changed == nil))
		}
		return list
	}
	b, stop := startUntil(t, text, zap.NewNop())
	within(t, time.Minute, "the baseline", func() bool { return complete(b) })
	patients, tax := clinic.IDs("patients"), clinic.IDs("taxes")[1]
	clinic.EditField("patients", patients[3])
	within(t, time.Minute, "the first event", func() bool { return len(told()) == 1 })
	if !running {
		stop()
	}

	lose(dir)
	clinic.EditField("patients", patients[77])
	clinic.EditField("taxes", tax)
	created := clinic.Create("contacts")
	if !running {
		b, stop = startUntil(t, text, zap.NewNop())
	}
	defer stop()
	want := []string{
		fmt.Sprintf("updated patients/%s true", patients[77]), fmt.Sprintf("updated taxes/%s true", tax),
		fmt.Sprintf("created contacts/%s true", created),
	}
	within(t, time.Minute, "the changes behind the loss", func() bool { return complete(b) && len(told()) >= 4 })
	got := told()[1:]
	for _, w := range want {
		found := false
		for _, g := range got {
			found = found || g == w
		}
		if !found || len(got) != len(want) {
			t.Errorf("told %q, want %q", got, want)
			break
		}
	}
}

// The stream is purged, or shrinks to nothing, while the store remembers what was told: polling goes on with the next change,
// nothing is told again, and it is said once for all resources.
func TestAStreamThatIsEmptiedIsNoHalt(t *testing.T) {
	for name, empty := range map[string]func(t *testing.T, s jetstream.Stream, js jetstream.JetStream){
		"by hand": func(t *testing.T, s jetstream.Stream, _ jetstream.JetStream) {
			t.Helper()
			if err := s.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"by age": func(t *testing.T, s jetstream.Stream, js jetstream.JetStream) {
			t.Helper()
			cfg := s.CachedInfo().Config
			cfg.MaxAge, cfg.Duplicates = 100*time.Millisecond, 100*time.Millisecond
			if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			within(t, time.Minute, "an empty stream", func() bool {
				info, err := s.Info(t.Context())
				return err == nil && info.State.Msgs == 0
			})
			cfg.MaxAge = time.Hour
			if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := publishertest.Start(t, publishertest.Options{})
			clinic := clinikotest.New(clinikotest.Options{RequestsPerMinute: -1})
			clinic.Populate(clinikotest.Sizes{"taxes": 5, "contacts": 5})
			api := clinikotest.NewServer(clinic)
			t.Cleanup(api.Close)
			core, logs := observer.New(zap.WarnLevel)
			b, stop := startUntil(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [taxes, contacts]}
resources: {taxes: {schedule: "@every 1s"}, contacts: {schedule: "@every 1s"}}
nats: {url: %q}
data_dir: %q
`, clinic.Key(), api.URL, server.URL(), t.TempDir()), zap.New(core))
			defer stop()
			within(t, time.Minute, "the baseline", func() bool { return complete(b) })
			js := server.JetStream(t)
			s, err := js.Stream(t.Context(), "CLINIKO")
			if err != nil {
				t.Fatal(err)
			}
			edit := func() {
				for _, resource := range []schemas.Resource{"taxes", "contacts"} {
					clinic.EditField(resource, clinic.IDs(resource)[1])
				}
			}
			told := func() int { return len(publishertest.Collect(t, js, "CLINIKO", "")) }
			edit()
			within(t, time.Minute, "the first events", func() bool { return told() == 2 })
			empty(t, s, js)
			edit()
			within(t, time.Minute, "the events behind", func() bool { return told() == 2 })
			edit()
			within(t, time.Minute, "two more", func() bool { return told() >= 4 })
			sequences := map[string]bool{}
			for _, m := range publishertest.Collect(t, js, "CLINIKO", "") {
				e, err := schemas.ParseEvent(m.Body)
				if err != nil || e.Verb != schemas.Updated {
					t.Errorf("got %s, %v", e.Verb, err)
				}
				sequences[fmt.Sprint(e.Resource, e.Sequence)] = true
			}
			if want := map[string]bool{"taxes2": true, "taxes3": true, "contacts2": true, "contacts3": true}; !maps.Equal(sequences, want) {
				t.Errorf("told %v, want %v", sequences, want)
			}
			if n := logs.FilterMessageSnippet("the stream has lost events").Len(); n != 1 {
				t.Errorf("it was said %d times, want once", n)
			}
		})
	}
}
