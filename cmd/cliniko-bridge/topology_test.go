package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The master of a Redis behind sentinels is killed while changes are told, when its replicas have not heard of the last of
// them for a while: the store is put back by that. Everything is told, and nothing twice.
func TestARedisBehindSentinelsLosesItsMaster(t *testing.T) {
	topology(t)
	redis := difftest.StartGroup(t)
	server := publishertest.Start(t, publishertest.Options{})
	m := startMorning(t, server.JetStream(t), fmt.Sprintf(`
nats: {url: %q}
state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}
`, server.URL(), redis.URL))
	m.further(t, 40)
	redis.FallBehind()
	m.further(t, 10)
	redis.KillMaster()
	m.end(t)
}

// One of the three masters of a cluster is killed while changes are told: the one that has the account.
func TestARedisClusterLosesAMaster(t *testing.T) {
	topology(t)
	redis := difftest.StartCluster(t)
	server := publishertest.Start(t, publishertest.Options{})
	m := startMorning(t, server.JetStream(t), fmt.Sprintf(`
nats: {url: %q}
state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}
`, server.URL(), redis.URL))
	m.further(t, 40)
	redis.KillMasterOf("{default}") // the hash tag of the account's keys
	m.end(t)
}

// The server that leads a stream of three replicas is killed while changes are told.
func TestANATSClusterLosesTheLeaderOfTheStream(t *testing.T) {
	topology(t)
	cluster := publishertest.StartCluster(t)
	js := cluster.JetStream(t)
	m := startMorning(t, js, fmt.Sprintf("nats: {url: %q, replicas: 3}\n", cluster.URL()))
	m.further(t, 40)
	leader := cluster.Leader(t, js, m.stream)
	m.clinic.Import("patients", 300)
	m.further(t, 60) // in the middle of them
	leader.Kill()
	m.end(t)
	leader.Restart(t)
	cluster.Whole(t, js, m.stream)
}

func topology(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
}

// A morning is a clinic in which something changes twenty times a second, and a bridge that tells of it.
type morning struct {
	clinic *clinikotest.Clinic
	bridge *process
	js     jetstream.JetStream
	stream string
	judge  *judge
	close  context.CancelFunc // nothing changes any more
	work   sync.WaitGroup
}

// startMorning starts a bridge on those servers and, when it has taken its first look, the changes. js is where it publishes.
func startMorning(t *testing.T, js jetstream.JetStream, servers string) *morning {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	resources := []schemas.Resource{"patients", "contacts"}
	clinic := clinikotest.New(clinikotest.Options{Seed: seed, RequestsPerMinute: -1})
	clinic.Populate(clinikotest.Sizes{"patients": 120, "contacts": 20})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	m := &morning{clinic: clinic, js: js, stream: "CLINIKO"}
	m.bridge = startProcess(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Morning (ops@clinic.example)", base_url: %q, resources: [patients, contacts], requests_per_minute: 200}
resources: {patients: {schedule: "@every 1s"}, contacts: {schedule: "@every 1s"}}
data_dir: %q
admin: {listen: ADMIN}
`, clinic.Key(), api.URL, t.TempDir())+servers)
	waitFor(t, time.Minute, "the first look", m.bridge.baselinesComplete)
	m.judge = newJudge(clinic, resources)

	ctx, closing := context.WithCancel(t.Context())
	m.close = closing
	rng := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // nobody guesses it
	m.work.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			r := resources[rng.IntN(len(resources))]
			ids := clinic.IDs(r)
			id := ids[rng.IntN(len(ids))]
			switch rng.IntN(10) {
			case 0, 1:
				clinic.Create(r)
			case 2:
				clinic.Touch(r, id)
			default:
				clinic.EditField(r, id)
			}
		}
	})
	return m
}

// told is how many events the stream has taken.
func (m *morning) told(ctx context.Context) uint64 {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s, err := m.js.Stream(ctx, m.stream)
	if err != nil {
		return 0
	}
	return s.CachedInfo().State.LastSeq
}

// further waits until n more events are told.
func (m *morning) further(t *testing.T, n uint64) {
	t.Helper()
	want := m.told(t.Context()) + n
	waitFor(t, 2*time.Minute, fmt.Sprintf("%d further events", n), func() bool { return m.told(t.Context()) >= want })
}

// end waits until the bridge has told some more and is ready, ends the changes, and holds all that was told against them.
func (m *morning) end(t *testing.T) {
	t.Helper()
	m.further(t, 40)
	m.close()
	m.work.Wait()
	var told map[key][]schemas.Event
	waitFor(t, 2*time.Minute, "the last state of every record", func() bool {
		told = events(t, m.js, m.stream)
		return t.Failed() || m.judge.caughtUp(told)
	})
	waitFor(t, time.Minute, "a bridge that is ready", func() bool {
		_, code := m.bridge.get("/readyz")
		return code == http.StatusOK
	})
	total := m.judge.verdict(t, told)
	m.bridge.stop()
	t.Logf("%d events", total)
}
