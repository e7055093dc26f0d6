package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// startNATS starts a server with nats.conf and the passwords in the folder made, as compose.yaml mounts them.
func startNATS(t *testing.T, made string) *publishertest.Server {
	t.Helper()
	dir := t.TempDir()
	for to, from := range map[string]string{
		"nats.conf": "nats.conf", "nats-permissions.conf": "nats-permissions.conf",
		"nats-passwords.conf": filepath.Join(made, "nats-passwords.conf"),
	} {
		if err := copyFile(filepath.Join(dir, to), from); err != nil {
			t.Fatal(err)
		}
	}
	opts, err := server.ProcessConfigFile(filepath.Join(dir, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if !opts.SyncAlways {
		t.Error("nats.conf: an event is acknowledged before it is on the disk")
	}
	opts.StoreDir, opts.HTTPPort = t.TempDir(), server.RANDOM_PORT
	return publishertest.StartWith(t, opts)
}

// startRedis starts a server with redis.conf and the users in the folder made.
func startRedis(t *testing.T, made string) *difftest.Redis {
	t.Helper()
	conf, err := filepath.Abs("redis.conf")
	if err != nil {
		t.Fatal(err)
	}
	return difftest.StartRedis(t, "--include", conf, "--include", filepath.Join(made, "redis-users.acl"))
}

// madeURL is the URL that secrets.sh wrote, for a server that is elsewhere here.
func madeURL(t *testing.T, made, name, inContainer, here string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(made, name))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "@"+inContainer) {
		t.Fatalf("%s is not a URL of %s: %s", name, inContainer, text)
	}
	return strings.TrimSpace(strings.Replace(string(text), "@"+inContainer, "@"+here, 1))
}

// With the settings, rights and secrets of this folder a bridge is ready and says no word against its servers, a reader
// gets its events, and nobody else gets anything.
func TestTheServersOfDeploySuit(t *testing.T) {
	program, err := imageBinary()
	if err != nil {
		t.Fatal(err)
	}
	made := makeSecrets(t)
	state, bus := startRedis(t, made), startNATS(t, made)
	natsAddr := strings.TrimPrefix(bus.URL(), "nats://")
	clinic := clinikotest.New(clinikotest.Options{})
	clinic.Populate(clinikotest.Sizes{"patients": 20})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)

	admin := unusedAddr(t)
	config, data := filepath.Join(t.TempDir(), "bridge.yaml"), t.TempDir()
	text := fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [patients]}
resources: {patients: {schedule: "@every 1s"}}
nats: {url: %q}
state: {redis_url: %q, fingerprint_key_file: %q}
data_dir: %q
admin: {listen: %q}
`, clinic.Key(), api.URL, madeURL(t, made, "nats_url", "nats:4222", natsAddr), madeURL(t, made, "redis_url", "redis:6379", state.Addr),
		filepath.Join(made, "fingerprint_key"), data, admin)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	bridge := exec.CommandContext(t.Context(), program, "run", "--config", config)
	bridge.Stderr = &log
	bridge.Cancel = func() error { return bridge.Process.Signal(syscall.SIGTERM) }
	if err := bridge.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			_ = bridge.Process.Kill()
			_ = bridge.Wait() // it was killed
			t.Logf("the bridge said:\n%s", &log)
		}
	})

	// The health check of the image says when it is ready.
	args := append(healthcheck(t), "--admin", admin)
	soon(t, "the bridge is ready", func() bool {
		return exec.CommandContext(t.Context(), program, args...).Run() == nil
	})

	reader := publishertest.JetStream(t, publishertest.Connect(t, madeURL(t, made, "reader_url", "127.0.0.1:4222", natsAddr), quiet))
	var consumer jetstream.Consumer
	soon(t, "a reader has his consumer", func() (ok bool) {
		consumer, err = reader.CreateOrUpdateConsumer(t.Context(), "CLINIKO", jetstream.ConsumerConfig{Durable: "reminders"})
		return err == nil
	})
	soon(t, "the first look is done", func() bool {
		out, err := exec.CommandContext(t.Context(), program, "status", "--json", "--config", config).Output()
		return err == nil && bytes.Contains(out, []byte(`"complete"`))
	})
	id := clinic.Create("patients")
	m, err := consumer.Next(jetstream.FetchMaxWait(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	event, err := schemas.ParseEvent(m.Data())
	if err != nil || event.RecordID != id || event.Verb != schemas.Created {
		t.Errorf("got %s of %s, %v; want created of %s", event.Verb, event.RecordID, err, id)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Errorf("a reader cannot acknowledge: %v", err)
	}
	if _, err := reader.Publish(t.Context(), "cliniko.patients.created", nil); err == nil {
		t.Error("a reader may publish events")
	}

	out, err := exec.CommandContext(t.Context(), program, "check", "--config", config).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		about := strings.HasPrefix(line, "NATS") || strings.HasPrefix(line, "store") || strings.Contains(line, "Redis")
		if about && !strings.Contains(line, " ok ") {
			t.Errorf("check: %s", line)
		}
	}
	if err != nil {
		t.Errorf("check: %v\n%s", err, out)
	}

	if err := bridge.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	stopped = true
	if err := bridge.Wait(); err != nil {
		t.Errorf("it was asked to stop: %v\n%s", err, &log)
	}
	if kept, err := os.ReadDir(data); err != nil || len(kept) > 0 {
		t.Errorf("with servers nothing is kept in data_dir, and the chart gives it no volume that stays: %v %v", kept, err)
	}
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, `"warn"`) || strings.Contains(line, `"error"`) {
			t.Errorf("the bridge is not content: %s", line)
		}
	}
	strangers(t, bus, state)
}

// strangers tries what nobody may who has no password, and the health checks of the containers, which need none.
func strangers(t *testing.T, bus *publishertest.Server, state *difftest.Redis) {
	t.Helper()
	if nc, err := nats.Connect(bus.URL()); err == nil {
		nc.Close()
		t.Error("NATS lets in who has no password")
	}
	resp, err := http.Get("http://" + bus.NS.MonitorAddr().String() + "/healthz?js-enabled-only=true") //nolint:noctx // a test's server, at once
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("/healthz of NATS: %s", resp.Status)
	}
	for user, may := range map[string]bool{"default": false, "health": true} {
		client := redis.NewClient(&redis.Options{Addr: state.Addr, Username: user, Password: "none", DisableIdentity: true, MaxRetries: -1})
		err := client.Ping(t.Context()).Err()
		if (err == nil) != may {
			t.Errorf("Redis: PING of the user %s: %v, want that it may is %t", user, err, may)
		}
		if err := client.Get(t.Context(), "cliniko:x").Err(); err == nil || errors.Is(err, redis.Nil) {
			t.Errorf("Redis: the user %s may read", user)
		}
		_ = client.Close() // nothing is at stake
	}
}

// quiet keeps what is refused on purpose out of the test's output.
func quiet(o *nats.Options) error {
	o.AsyncErrorCB = func(*nats.Conn, *nats.Subscription, error) {}
	return nil
}

// soon asks ok again and again until it says yes.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// unusedAddr is a loopback address that nobody listened on just now.
func unusedAddr(tb testing.TB) string {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }() // nothing was accepted
	return l.Addr().String()
}
