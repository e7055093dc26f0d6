package bridge

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The store is lost while the bridge is away, and records change meanwhile: one of a resource of which events were told,
// and one of a resource that never had any. Both changes are told, and nothing else is: no event again, none of what
// did not change.
func TestALostStoreLosesNoChange(t *testing.T) {
	for _, data := range []string{"full", "thin"} {
		t.Run("Redis, "+data, func(t *testing.T) {
			t.Parallel()
			redis := difftest.StartRedis(t)
			lostStoreLosesNoChange(t, fmt.Sprintf(`
state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}
events: {data: %s}
`, redis.URL, data), func(string) {
				options, err := goredis.ParseURL(redis.URL)
				if err != nil {
					t.Fatal(err)
				}
				client := goredis.NewClient(options)
				defer func() { _ = client.Close() }()
				if err := client.FlushAll(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
			})
		})
		t.Run("file, "+data, func(t *testing.T) {
			t.Parallel()
			lostStoreLosesNoChange(t, fmt.Sprintf("events: {data: %s}\n", data), func(dir string) {
				if err := os.Remove(filepath.Join(dir, "state.db")); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func lostStoreLosesNoChange(t *testing.T, more string, lose func(dataDir string)) {
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
	stop()

	lose(dir)
	clinic.EditField("patients", patients[77])
	clinic.EditField("taxes", tax)
	created := clinic.Create("contacts")
	b, stop = startUntil(t, text, zap.NewNop())
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
