package bridge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// deployed is a file of deploy, with old replaced.
func deployed(t *testing.T, name, old, replacement string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../../deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(data), old, replacement)
}

// With the rights of deploy/nats-permissions.conf and deploy/redis-users.acl, and no more, a bridge does all that it does:
// the baseline, live events, a sweep that finds a deletion, a restart, and reading back what a lost store does not have.
func TestTheRightsInDeploySuffice(t *testing.T) {
	acl := filepath.Join(t.TempDir(), "users.acl")
	// Nobody else is let in: what the bridge does, it does as that user.
	users := deployed(t, "redis-users.acl", ">CHANGE-ME", ">pw") + "user default off\nuser admin on >pw ~* +@all\n"
	if err := os.WriteFile(acl, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	state := difftest.StartRedis(t, "--include", acl)
	server := publishertest.Start(t, publishertest.Options{Config: "jetstream {}\nauthorization {users: [\n" +
		"{user: admin, password: pw}, {user: bridge, password: pw, permissions: {\n" + deployed(t, "nats-permissions.conf", "", "") + "}}]}\n"})
	as := func(user, url string) string { return strings.Replace(url, "://", "://"+user+":pw@", 1) }
	clinic := clinikotest.New(clinikotest.Options{})
	clinic.Populate(clinikotest.Sizes{"patients": 20})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	config := fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [patients]}
resources: {patients: {schedule: "@every 1s"}}
nats: {url: %q, subject: "cliniko.{account}.{resource}.{verb}"}
state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}
sweep: {confirm_after: 1s}
data_dir: %q
`, clinic.Key(), api.URL, as("bridge", server.URL()), as("bridge", state.URL), t.TempDir())
	js := publishertest.JetStream(t, publishertest.Connect(t, as("admin", server.URL())))
	core, logs := observer.New(zap.WarnLevel)
	s := &scene{account: "default", resource: "patients", clinic: clinic}
	tells := func(want ...schemas.Verb) {
		t.Helper()
		if told := s.told(t, js, len(want)); fmt.Sprint(told) != fmt.Sprint(want) {
			t.Errorf("told %v of the record, want %v", told, want)
		}
	}

	b, stop := startUntil(t, config, zap.New(core))
	s.bridge = b
	within(t, time.Minute, "the baseline", func() bool { return complete(b) })
	s.id = clinic.Create("patients")
	tells(schemas.Created)
	clinic.EditField("patients", s.id)
	tells(schemas.Created, schemas.Updated)
	gone := clinic.IDs("patients")[0]
	clinic.Remove("patients", gone)
	s.sweep()
	told := s.id
	s.id = gone
	tells(schemas.Deleted)
	stop()

	s.id = told
	clinic.EditField("patients", s.id) // while it is away
	b, stop = startUntil(t, config, zap.New(core))
	s.bridge = b
	tells(schemas.Created, schemas.Updated, schemas.Updated)
	stop()

	flush(t, as("admin", state.URL)) // all that the store knew is in the stream
	b, stop = startUntil(t, config, zap.New(core))
	within(t, time.Minute, "the baseline", func() bool { return complete(b) })
	clinic.EditField("patients", s.id)
	tells(schemas.Created, schemas.Updated, schemas.Updated, schemas.Updated)
	stop()

	for _, line := range logs.All() {
		if text := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(text, "forbids") || strings.Contains(text, "NOPERM") ||
			strings.Contains(text, "can't run this command") {
			t.Errorf("a right is missing: %s", text)
		}
	}
}

// flush empties the Redis at url.
func flush(t *testing.T, url string) {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	defer client.Close() //nolint:errcheck // nothing is at stake
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}
