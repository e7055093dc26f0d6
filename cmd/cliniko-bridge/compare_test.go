package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

var (
	compareFor  = flag.Duration("compare.for", 8*time.Second, "how long the day of the comparison is")
	compareSeed = flag.Uint64("compare.seed", 0, "of the comparison's day; 0 takes another one each time")
)

var (
	comparedEdits  = []schemas.Resource{"patients", "invoices"}
	comparedStates = []schemas.Resource{"individual_appointments", "medical_alerts"}
)

// The bridge and a naive poller follow one clinic on one day: what happens there, when the API is down and when they are
// killed is the same for both. At the end the bridge has lost nothing and repeated nothing. The naive one has lost
// changes, and of no record that was archived, cancelled or deleted has it learnt that. The log has the figures.
//
//	go test ./cmd/cliniko-bridge -run TestTheBridgeAndANaivePoller -v -compare.seed=1 -compare.for=1m
func TestTheBridgeAndANaivePoller(t *testing.T) {
	if testing.Short() {
		t.Skip("takes most of a minute")
	}
	t.Parallel() // most of it is waiting
	seed := *compareSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) >> 10
	}
	c := newComparison(t, seed)
	c.day()
	c.evening()

	told := events(t, c.js, "CLINIKO")
	bridge, naive := c.score(bridgeTold(told), nil), c.score(c.naiveTold(), c.naive.marks())
	c.judgeBridge(told)
	t.Logf("seed %d, a day of %s, %d kills: %d changes\n%s", seed, *compareFor, c.kills, c.changes(), table(naive, bridge))
	if bridge != (score{told: bridge.told}) {
		t.Errorf("the bridge: %+v, want nothing lost and nothing repeated", bridge)
	}
	if naive.lost == 0 || naive.hidden == 0 {
		t.Errorf("the naive poller: %+v; so the day is too easy to compare anything", naive)
	}
}

// A comparison is one clinic with two who follow it, each by an API server of its own.
type comparison struct {
	t      *testing.T
	rng    *rand.Rand
	clinic *clinikotest.Clinic
	apis   []*clinikotest.Server
	js     jetstream.JetStream
	bridge *process
	naive  *naiveProcess
	edits  *day
	states *statesDayOf
	judge  *judge // of the edits
	kills  int
}

func newComparison(t *testing.T, seed uint64) *comparison {
	t.Helper()
	c := &comparison{t: t, rng: rand.New(rand.NewPCG(seed, 5))}
	c.clinic = clinikotest.New(clinikotest.Options{Seed: seed, Edition: clinikotest.Edition2025, StableTies: true})
	c.clinic.Populate(clinikotest.Sizes{"patients": 150, "invoices": 80, "individual_appointments": 200, "medical_alerts": 40})
	for range 2 {
		api := clinikotest.NewServer(c.clinic)
		t.Cleanup(api.Close)
		api.Inject(clinikotest.Rule{Fault: clinikotest.Slow(100 * time.Millisecond)}) // as far away as the real one
		c.apis = append(c.apis, api)
	}
	server := publishertest.Start(t, publishertest.Options{})
	c.js = server.JetStream(t)
	if _, err := c.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "NAIVE", Subjects: []string{"naive.>"}}); err != nil {
		t.Fatal(err)
	}
	c.bridge = startProcess(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Compared (ops@clinic.example)", base_url: %q, api: "2025", requests_per_minute: 200,
     resources: [patients, invoices, individual_appointments, medical_alerts]}
nats: {url: %q}
data_dir: %q
admin: {listen: ADMIN}
resources:
  patients: {schedule: "@every 3s"}
  invoices: {schedule: "@every 3s"}
  individual_appointments: {schedule: "@every 3s"}
  medical_alerts: {schedule: "@every 3s"}
`, c.clinic.Key(), c.apis[0].URL, server.URL(), t.TempDir()))
	c.naive = startNaive(t, naivePoller{
		Base: c.apis[1].URL, Key: c.clinic.Key(), NATS: server.URL(), File: filepath.Join(t.TempDir(), "marks.json"),
		Resources: []string{"patients", "invoices", "individual_appointments", "medical_alerts"}, Every: 3 * time.Second,
	})
	waitFor(t, 2*time.Minute, "both have looked at what there is", func() bool {
		return c.naive.rounds() > 0 && c.bridge.baselinesComplete()
	})
	c.judge = newJudge(c.clinic, comparedEdits)
	c.edits = &day{clinic: c.clinic, resources: comparedEdits, rng: rand.New(rand.NewPCG(seed, 6)), late: 6 * time.Second}
	c.states = &statesDayOf{
		clinic: c.clinic, rng: rand.New(rand.NewPCG(seed, 7)), judge: newStatesJudge(c.clinic, comparedStates),
	}
	return c
}

// day is what happens: changes all the time, and while a list is being read; an import; an API that is down for
// a while; and a kill of both every few seconds.
func (c *comparison) day() {
	c.t.Helper()
	for _, api := range c.apis {
		api.Inject(clinikotest.Rule{Chance: 0.5, Fault: clinikotest.Drift(func(*clinikotest.Clinic) { c.edits.change() })})
	}
	ctx, evening := context.WithCancel(c.t.Context())
	var work sync.WaitGroup
	work.Go(func() { c.edits.run(ctx, 15) })
	work.Go(func() { c.states.run(ctx, 5) })
	for began := time.Now(); time.Since(began) < *compareFor; {
		c.rest(time.Duration(500+c.rng.IntN(2000)) * time.Millisecond) // not just when they have begun anew
		switch c.kills % 4 {
		case 1:
			c.clinic.Import("patients", 120)
		case 2:
			c.outage(3 * time.Second)
		}
		c.rest(time.Duration(500+c.rng.IntN(2000)) * time.Millisecond)
		c.kill()
	}
	evening()
	work.Wait()
	for _, api := range c.apis {
		api.Heal()
	}
}

// kill is kill -9 of both, once both are at work.
func (c *comparison) kill() {
	c.t.Helper()
	c.bridge.kill()
	c.naive.kill()
	c.bridge.start()
	c.naive.start()
	c.kills++
	waitFor(c.t, time.Minute, "the bridge at work again", func() bool {
		s, ok := c.bridge.status()
		return ok && len(s.Accounts) == 1 && s.Accounts[0].Leader
	})
}

func (c *comparison) outage(d time.Duration) {
	var stops []func()
	for _, api := range c.apis {
		stops = append(stops, api.Inject(clinikotest.Rule{Fault: clinikotest.Status(503)}))
	}
	c.rest(d)
	for _, stop := range stops {
		stop()
	}
}

func (c *comparison) rest(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

// evening waits until both have had every opportunity: all that was late shows, the naive one has had two more rounds,
// and the bridge has told the last state of every record.
func (c *comparison) evening() {
	c.t.Helper()
	night := c.clinic.Now().Add(c.edits.late + 3*time.Second) // a row is late by one more, and what was on its way is later
	waitFor(c.t, time.Minute, "what was late", func() bool { return !c.clinic.Now().Before(night) })
	rounds := c.naive.rounds()
	waitFor(c.t, time.Minute, "two rounds of the naive poller", func() bool { return c.naive.rounds() >= rounds+2 })
	var told map[key][]schemas.Event
	defer func() {
		if c.t.Failed() {
			c.judgeBridge(told) // say what it waited for
		}
	}()
	waitFor(c.t, 3*time.Minute, "the last state of every record", func() bool {
		told = events(c.t, c.js, "CLINIKO")
		return c.t.Failed() || c.judge.caughtUp(told) && c.states.judge.caughtUp(told)
	})
}

// judgeBridge holds the bridge to all that it promises, not to the score alone.
func (c *comparison) judgeBridge(told map[key][]schemas.Event) {
	c.t.Helper()
	edited, hidden := map[key][]schemas.Event{}, map[key][]schemas.Event{}
	for k, e := range told {
		if slices.Contains(comparedEdits, k.resource) {
			edited[k] = e
		} else {
			hidden[k] = e
		}
	}
	c.judge.verdict(c.t, edited)
	c.states.judge.verdict(c.t, hidden)
}

// changes is how many there were: versions of a record, since the day began, that differ from the one before.
func (c *comparison) changes() int {
	total := 0
	for k, n := range c.known() {
		history := c.clinic.History(k.resource, k.id)
		for i := n; i < len(history); i++ {
			if i == 0 || len(differing(history[i-1].Raw, history[i].Raw)) > 0 {
				total++
			}
		}
	}
	return total
}

// A naiveProcess is a naive poller that runs as a process of its own.
type naiveProcess struct {
	t        testing.TB
	settings string
	cmd      *exec.Cmd
	out      *lockedBuffer
}

func startNaive(tb testing.TB, p naivePoller) *naiveProcess {
	tb.Helper()
	settings, err := json.Marshal(&p)
	if err != nil {
		tb.Fatal(err)
	}
	n := &naiveProcess{t: tb, settings: string(settings), out: &lockedBuffer{}}
	n.start()
	tb.Cleanup(n.kill)
	return n
}

func (n *naiveProcess) start() {
	n.t.Helper()
	n.cmd = exec.CommandContext(context.Background(), "naive-poller") // TestMain knows it
	n.cmd.Env = append(os.Environ(), "NAIVE_POLLER="+n.settings)
	n.cmd.Stdout = n.out
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *naiveProcess) kill() {
	_ = n.cmd.Process.Kill() // it may have ended by itself
	_ = n.cmd.Wait()
}

func (n *naiveProcess) rounds() int { return strings.Count(n.out.String(), "\n") }

// marks are all marks that it ever had, by resource.
func (n *naiveProcess) marks() map[schemas.Resource][]string {
	all := map[schemas.Resource][]string{}
	for line := range strings.Lines(n.out.String()) {
		var round naiveRound
		if json.Unmarshal([]byte(line), &round) == nil {
			for r, mark := range round.Marks {
				all[schemas.Resource(r)] = append(all[schemas.Resource(r)], mark)
			}
		}
	}
	return all
}

// naiveTold is what the naive poller told of each record.
func (c *comparison) naiveTold() map[key][]telling {
	told := map[key][]telling{}
	for _, m := range publishertest.Collect(c.t, c.js, "NAIVE", "naive.>") {
		at := strings.Split(m.Subject, ".")
		k := key{schemas.Resource(at[1]), schemas.ID(at[2])}
		told[k] = append(told[k], telling{record: m.Body})
	}
	return told
}

func bridgeTold(events map[key][]schemas.Event) map[key][]telling {
	told := map[key][]telling{}
	for k, list := range events {
		for _, e := range list {
			told[k] = append(told[k], telling{verb: e.Verb, record: e.Record})
		}
	}
	return told
}
