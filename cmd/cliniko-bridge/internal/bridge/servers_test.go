package bridge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Servers that have to be set up otherwise end the start at once, with a sentence and its remedy.
func TestServersThatHaveToBeSetUpOtherwise(t *testing.T) {
	const state = "state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}\n"
	on := func(s *publishertest.Server) string { return fmt.Sprintf("nats: {url: %q}\n", s.URL()) }
	with := func(stream jetstream.StreamConfig) func(*testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			s := publishertest.Start(t, publishertest.Options{})
			if _, err := s.JetStream(t).CreateStream(t.Context(), stream); err != nil {
				t.Fatal(err)
			}
			return on(s)
		}
	}
	for name, c := range map[string]struct {
		servers func(t *testing.T) string
		want    string
	}{
		"a Redis that evicts": {func(t *testing.T) string {
			t.Helper()
			return fmt.Sprintf(state, difftest.StartRedis(t, "--maxmemory-policy", "allkeys-lru").URL)
		}, "maxmemory-policy is allkeys-lru; set it to noeviction"},
		"an old Redis": {func(t *testing.T) string {
			t.Helper()
			return fmt.Sprintf(state, difftest.StartFake(t, func(command string) string {
				if command == "INFO" {
					return difftest.Bulk("redis_version:3.2.12\r\n")
				}
				return "+PONG\r\n"
			}))
		}, "Redis 3.2.12 is too old; install 5 or later"},
		"an old NATS": {func(t *testing.T) string {
			t.Helper()
			return fmt.Sprintf("nats: {url: %q}\n", publishertest.StartFake(t, "2.10.29"))
		}, "nats-server 2.10.29 is too old; install 2.11 or later"},
		"no JetStream": {func(t *testing.T) string {
			t.Helper()
			return on(publishertest.Start(t, publishertest.Options{NoJetStream: true}))
		}, "the NATS server runs without JetStream; start it with jetstream enabled"},
		"an account without JetStream": {func(t *testing.T) string {
			t.Helper()
			return on(publishertest.StartWith(t, &server.Options{
				JetStream: true, StoreDir: t.TempDir(), Accounts: []*server.Account{server.NewAccount("A")}, NoAuthUser: "u",
				Users: []*server.User{{Username: "u", Password: "p", Account: server.NewAccount("A")}},
			}))
		}, "the NATS account may not use JetStream; enable it for the account"},
		"replicas without a cluster": {func(t *testing.T) string {
			t.Helper()
			return strings.Replace(on(publishertest.Start(t, publishertest.Options{})), "}", ", replicas: 3}", 1)
		}, "cannot hold 3 replicas; set nats.replicas to 1"},
		"subjects of another stream": {
			with(jetstream.StreamConfig{Name: "THEIRS", Subjects: []string{"cliniko.patients.>"}}),
			"stream THEIRS has subjects of cliniko.*.* already; give nats.stream that name",
		},
		"a stream that deletes what was consumed": {
			with(jetstream.StreamConfig{Name: "CLINIKO", Subjects: []string{"cliniko.>"}, Retention: jetstream.WorkQueuePolicy}),
			"the stream CLINIKO cannot be used: the stream deletes what was consumed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bridge.yaml")
			text := fmt.Sprintf("accounts:\n  - {api_key: %q, user_agent: \"Test (ops@clinic.example)\"}\ndata_dir: %q\n%s",
				clinikotest.New(clinikotest.Options{}).Key(), t.TempDir(), c.servers(t))
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(path, func(string) string { return "" })
			if err != nil {
				t.Fatal(err)
			}
			b, err := New(cfg, Options{Log: zap.NewNop()})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err = b.Run(ctx)
			var setup *SetupError
			if !errors.As(err, &setup) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A server that refuses at run is told by Ready, in a sentence with its remedy. Nothing is lost meanwhile, and once the
// server takes what it is given, the bridge goes on.
func TestAServerThatRefusesIsWaitedFor(t *testing.T) {
	nats := publishertest.Start(t, publishertest.Options{})
	store := difftest.StartRedis(t)
	js := nats.JetStream(t)
	admin := redis.NewClient(&redis.Options{Addr: store.Addr})
	t.Cleanup(func() { _ = admin.Close() }) // nothing is at stake
	roomy := jetstream.StreamConfig{Name: "CLINIKO", Subjects: []string{"cliniko.*.*.*"}, Discard: jetstream.DiscardNew}
	if _, err := js.CreateStream(t.Context(), roomy); err != nil {
		t.Fatal(err)
	}
	limit := func(messages int64) {
		full := roomy
		full.MaxMsgs = messages
		if _, err := js.UpdateStream(t.Context(), full); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(command ...any) {
		if err := admin.Do(t.Context(), command...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	clinic := clinikotest.New(clinikotest.Options{})
	clinic.Populate(clinikotest.Sizes{"patients": 20})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	b := start(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [patients], requests_per_minute: 200}
resources: {patients: {schedule: "@every 1s"}}
nats: {url: %q, subject: "cliniko.{account}.{resource}.{verb}"}
state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}
data_dir: %q
`, clinic.Key(), api.URL, nats.URL(), store.URL, t.TempDir()))
	within(t, time.Minute, "the baseline", func() bool { return complete(b) })
	s := &scene{account: "default", resource: "patients", clinic: clinic}
	s.id = clinic.Create("patients")
	want := []schemas.Verb{schemas.Created}
	if told := s.told(t, js, 1); !slices.Equal(told, want) {
		t.Fatalf("told %v", told)
	}
	for _, c := range []struct {
		name        string
		spoil, mend func()
		reason      string
	}{
		{
			"a full stream", func() { limit(1) }, func() { limit(-1) },
			"the stream CLINIKO takes no events: maximum messages exceeded; raise the stream's limits, or set its discard policy to old",
		},
		{
			"a full Redis", func() { ask("CONFIG", "SET", "maxmemory", "1") }, func() { ask("CONFIG", "SET", "maxmemory", "0") },
			"Redis is full and takes no writes; raise its maxmemory",
		},
		{
			"a Redis that is a replica", func() { ask("REPLICAOF", "127.0.0.1", "1") }, func() { ask("REPLICAOF", "NO", "ONE") },
			"Redis is a read-only replica; state.redis_url has to name the master, or the sentinels that know it",
		},
	} {
		c.spoil()
		clinic.EditField("patients", s.id)
		within(t, time.Minute, c.name+": "+c.reason, func() bool { return slices.Contains(b.Ready(t.Context()), c.reason) })
		c.mend()
		want = append(want, schemas.Updated)
		if told := s.told(t, js, len(want)); !slices.Equal(told, want) {
			t.Fatalf("%s: told %v, want %v", c.name, told, want)
		}
		within(t, time.Minute, c.name+": a bridge that is ready", func() bool { return len(b.Ready(t.Context())) == 0 })
	}
}

// While Redis loads its data the bridge waits, and Ready says for what.
func TestARedisThatIsLoadingIsWaitedFor(t *testing.T) {
	url := difftest.StartFake(t, func(string) string { return "-LOADING Redis is loading the dataset in memory\r\n" })
	b := start(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)"}
state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}
data_dir: %q
`, clinikotest.New(clinikotest.Options{}).Key(), url, t.TempDir()))
	const want = "it waits for the store: Redis is loading its data; it takes writes when it has done so"
	within(t, time.Minute, want, func() bool { return slices.Equal(b.Ready(t.Context()), []string{want}) })
}

// A Redis that goes away between the first contact and the look at its settings is waited for like one that was away before.
func TestARedisThatGoesAwayWhileItIsLookedAtIsWaitedFor(t *testing.T) {
	var looks atomic.Int64
	url := difftest.StartFake(t, func(command string) string {
		switch command {
		case "INFO":
			return difftest.Bulk("redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n")
		case "PING":
			if looks.Add(1) == 2 {
				return "-ERR not now\r\n"
			}
		}
		return "+PONG\r\n"
	})
	store, err := OpenStore(t.Context(), &config.Config{State: config.State{RedisURL: config.NewSecret(url)}}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	_ = store.Close() // nothing is at stake
}

// A Redis for several bridges beside a NATS server for one is warned of: two bridges would tell their shares to two streams.
func TestASharedStoreBesideAStreamOfItsOwnIsWarnedOf(t *testing.T) {
	for name, c := range map[string]struct {
		state string
		want  int
	}{
		"Redis":   {fmt.Sprintf("state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}", difftest.StartRedis(t).URL), 1},
		"its own": {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			core, logs := observer.New(zap.WarnLevel)
			b, stop := startUntil(t, fmt.Sprintf(`
accounts: [{api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: "http://127.0.0.1:9/v1"}]
nats: {listen: "127.0.0.1:0"}
data_dir: %q
`, clinikotest.New(clinikotest.Options{}).Key(), t.TempDir())+c.state, zap.New(core))
			defer stop()
			within(t, time.Minute, "it is open", b.Opened)
			if n := logs.FilterMessageSnippet("give nats.url before there is one").Len(); n != c.want {
				t.Errorf("it warned %d times, want %d", n, c.want)
			}
		})
	}
}
