package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

var hostileResources = []schemas.Resource{"appointments", "patients", "invoices", "medical_alerts", "contacts", "products"}

// A hostile day: six resources, 20 changes a second for 30 seconds and longer, lists that move under the reader, bursts
// of 300 rows in one second, rows that show late, touches, two edits within a second. At the end everything was told
// that happened, once, and nothing else, within the budget.
func TestAHostileDay(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel() // most of it is waiting
	redis := difftest.StartRedis(t)
	server := publishertest.Start(t, publishertest.Options{})
	hostileDay(t, server.URL(), fmt.Sprintf(`
nats: {url: %q}
state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}
`, server.URL(), redis.URL), 0)
}

// The same day, with the bridge killed ten times in the middle, and a server that forgets message ids after 100 ms.
func TestAHostileDayWithTenKills(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two minutes")
	}
	t.Parallel() // most of it is waiting
	redis := difftest.StartRedis(t)
	server := publishertest.Start(t, publishertest.Options{})
	_, err := server.JetStream(t).CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "CLINIKO", Subjects: []string{"cliniko.*.*"}, Duplicates: 100 * time.Millisecond, MaxAge: 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	hostileDay(t, server.URL(), fmt.Sprintf(`
nats: {url: %q}
state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}
`, server.URL(), redis.URL), 10)
}

// The same, with nothing but the one process: its embedded server and its file are killed with it.
func TestAHostileDayWithTenKillsOfEverythingEmbedded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two minutes")
	}
	t.Parallel() // most of it is waiting
	addr := freeAddr(t)
	hostileDay(t, "nats://"+addr, fmt.Sprintf("nats: {listen: %q}\n", addr), 10)
}

func hostileDay(t *testing.T, natsURL, servers string, kills int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	clinic := clinikotest.New(clinikotest.Options{Seed: seed, BigIDs: true, StringIDs: seed%2 == 0})
	clinic.Populate(clinikotest.Sizes{"patients": 150, "appointments": 250, "invoices": 40, "medical_alerts": 20, "contacts": 10, "products": 10})
	api := clinikotest.NewServer(clinic)
	defer api.Close()

	config := fmt.Sprintf(`
accounts:
  - api_key: %q
    user_agent: "Hostile Day (ops@clinic.example)"
    base_url: %q
    resources: [appointments, patients, invoices, medical_alerts, contacts, products]
data_dir: %q
admin: {listen: ADMIN}
resources:
`, clinic.Key(), api.URL, t.TempDir()) + schedules("@every 4s") + servers
	bridge := startProcess(t, config)
	waitFor(t, time.Minute, "the first look", bridge.baselinesComplete)
	js := publishertest.JetStream(t, publishertest.Connect(t, natsURL, nats.MaxReconnects(-1)))
	j := newJudge(clinic, hostileResources)

	day := &day{clinic: clinic, resources: hostileResources, rng: rand.New(rand.NewPCG(seed, 1))}
	api.Inject(clinikotest.Rule{Fault: clinikotest.Drift(func(*clinikotest.Clinic) { day.change() }), Chance: 0.3})
	ctx, evening := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { day.run(ctx, 20) })

	began := time.Now()
	for i := range kills {
		killAfter(t, bridge, day.delay(), i)
	}
	waitFor(t, time.Minute, "thirty seconds of the day", func() bool { return time.Since(began) > 30*time.Second })
	evening()
	work.Wait()
	api.Heal()
	night := clinic.Now().Add(longestLate + time.Second) // then everything shows that was late

	var told map[key][]schemas.Event
	waitFor(t, 4*time.Minute, "the last state of every record", func() bool {
		if clinic.Now().Before(night) || !polls(bridge) {
			return false
		}
		told = events(t, js, "CLINIKO")
		return t.Failed() || j.caughtUp(told)
	})
	total := j.verdict(t, told)
	requests := api.Requests()
	if most := clinikotest.MostWithin(time.Minute, requests); most > 180 {
		t.Errorf("%d requests in a minute, more than the budget of 180", most)
	}
	for _, r := range requests {
		if r.Status == 429 {
			t.Errorf("a request was refused with 429")
		}
	}
	bridge.stop()
	t.Logf("%d changes, %d events, %d requests, %d kills", day.changes(), total, len(requests), kills)
}

func schedules(every string) string {
	text := ""
	for _, r := range hostileResources {
		text += fmt.Sprintf("  %s: {schedule: %q}\n", r, every)
	}
	return text
}

// killAfter waits until the bridge works, and then for d, and kills it and starts it again.
func killAfter(t *testing.T, p *process, d time.Duration, n int) {
	t.Helper()
	waitFor(t, time.Minute, fmt.Sprintf("the bridge at work before kill %d", n), func() bool {
		s, ok := p.status()
		return ok && len(s.Accounts) == 1 && s.Accounts[0].Leader && s.Accounts[0].RequestsLastMinute > 0
	})
	timer := time.NewTimer(d)
	<-timer.C
	p.kill()
	p.start()
}

// polls says that the bridge polls every resource, and that no poll fails.
func polls(p *process) bool {
	s, ok := p.status()
	if !ok || len(s.Accounts) != 1 || len(s.Accounts[0].Resources) != len(hostileResources) {
		return false
	}
	for _, r := range s.Accounts[0].Resources {
		if r.LastPoll.IsZero() || r.LastError != "" {
			return false
		}
	}
	return true
}

// longestLate is how late a row shows at the most.
const longestLate = 20 * time.Second

// textOf names a field of each resource that holds any text.
var textOf = map[schemas.Resource]string{
	"appointments": "notes", "patients": "occupation", "invoices": "notes", "medical_alerts": "name", "contacts": "notes",
	"products": "notes",
}

// day is what happens in the clinic. It may be changed by many at once.
type day struct {
	clinic    *clinikotest.Clinic
	resources []schemas.Resource
	late      time.Duration // how late a row shows at the most; 0 means longestLate

	mu    sync.Mutex // guards rng and count
	rng   *rand.Rand
	count int
}

func (d *day) delay() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.rng.IntN(2500)) * time.Millisecond
}

func (d *day) changes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// run makes rate changes a second until ctx ends.
func (d *day) run(ctx context.Context, rate int) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.change()
		}
	}
}

// change does one of the things that are hard on a poller.
func (d *day) change() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count++
	r := d.resources[d.rng.IntN(len(d.resources))]
	ids := d.clinic.IDs(r)
	id := ids[d.rng.IntN(len(ids))]
	late := time.Second + time.Duration(d.rng.Int64N(int64(cmp.Or(d.late, longestLate))))
	switch n := d.rng.IntN(200); {
	case n == 0 && d.count > 50:
		d.clinic.Import(r, 300)
	case n < 25:
		d.clinic.Create(r)
	case n < 30:
		d.clinic.CreateLate(r, late)
	case n < 35:
		d.clinic.EditLate(r, id, late, clinikotest.Fields{textOf[r]: fmt.Sprintf("Note %d", d.count)})
	case n < 55:
		d.clinic.Touch(r, id)
	case n < 80:
		d.clinic.EditField(r, id)
		d.clinic.EditField(r, id)
	default:
		d.clinic.EditField(r, id)
	}
}
