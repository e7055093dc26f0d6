package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	goredis "github.com/redis/go-redis/v9"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What of hostileResources is only edited, and what is hidden and brought back, too: each has a judge of its own.
var (
	editedResources = []schemas.Resource{"patients", "invoices", "contacts", "products"}
	hiddenResources = []schemas.Resource{"appointments", "medical_alerts"}
)

// A world is what bridges live in: clinics with their APIs, Redis, NATS, and the network to these.
type world struct {
	t         *testing.T
	began     time.Time
	practices []*practice
	bridges   []*replica
	redis     *difftest.Redis
	client    *goredis.Client
	nats      *publishertest.Process
	breaks    *publishertest.Proxy // before nats; breaks at a chosen message
	js        jetstream.JetStream
	tape      *tape

	forgotten []span      // what Redis does not know any more
	flushed   []time.Time // when Redis lost everything
	refused   bool        // some resource rests because it was refused
	took      map[string][]time.Duration
}

type span struct{ from, to time.Time }

// A practice is one account, what happens there, and who judges what is told of it.
type practice struct {
	name   string
	clinic *clinikotest.Clinic
	api    *clinikotest.Server
	edits  *day
	states *statesDayOf
	judge  *judge
}

// A replica is one bridge, with wires of its own.
type replica struct {
	*process
	name        string // stands in its User-Agent
	redis, nats *wire
	frozen      bool
}

// die is kill -9, of its host: what was on its way is lost, too.
func (b *replica) die() {
	b.kill()
	b.redis.cut()
	b.nats.cut()
}

func (b *replica) signal(s syscall.Signal) {
	b.t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil {
		b.t.Fatal(err)
	}
}

// newWorld starts everything, and returns when the first bridge has looked at all that exists and the others wait.
func newWorld(t *testing.T, seed uint64, bridges, practices int) *world {
	t.Helper()
	w := &world{t: t, began: time.Now(), took: make(map[string][]time.Duration)}
	w.redis = difftest.StartRedis(t, "--auto-aof-rewrite-percentage", "0") // its files are copied while it writes them
	w.client = goredis.NewClient(&goredis.Options{Addr: w.redis.Addr})
	t.Cleanup(func() { _ = w.client.Close() })
	w.nats = publishertest.StartProcess(t)
	w.breaks = publishertest.StartProxy(t, w.nats.URL())
	w.js = publishertest.JetStream(t, publishertest.Connect(t, w.nats.URL(), nats.MaxReconnects(-1)))
	_, err := w.js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "CLINIKO", Subjects: []string{"cliniko.*.*.*"}, Duplicates: 100 * time.Millisecond, MaxAge: 24 * time.Hour,
	})
	w.must(err)
	w.tape = &tape{js: w.js, next: 1, told: make(map[string]map[key][]schemas.Event)}
	for i := range practices {
		w.practices = append(w.practices, newPractice(t, seed+uint64(i), i))
	}
	for i := range bridges {
		w.bridges = append(w.bridges, w.newReplica(fmt.Sprintf("Bridge %d", i+1)))
		waitFor(t, 2*time.Minute, "the first look", w.bridges[0].baselinesComplete)
	}
	for i, p := range w.practices {
		p.judge = newJudge(p.clinic, editedResources)
		p.edits = &day{clinic: p.clinic, resources: editedResources, rng: rand.New(rand.NewPCG(seed, uint64(100+i)))}
		p.states = &statesDayOf{clinic: p.clinic, judge: newStatesJudge(p.clinic, hiddenResources), rng: rand.New(rand.NewPCG(seed, uint64(200+i)))}
		p.api.Inject(clinikotest.Rule{Fault: clinikotest.Drift(func(*clinikotest.Clinic) { p.edits.change() }), Chance: 0.2})
	}
	return w
}

func newPractice(t *testing.T, seed uint64, i int) *practice {
	t.Helper()
	// A state that moves no stamp when it is left shows to a sweep alone: TestAHostileDayOfStates has those.
	clinic := clinikotest.New(clinikotest.Options{Seed: seed, BigIDs: true, StringIDs: seed%2 == 0})
	clinic.Populate(clinikotest.Sizes{"patients": 60, "appointments": 120, "invoices": 20, "medical_alerts": 20, "contacts": 10, "products": 10})
	p := &practice{name: fmt.Sprintf("practice-%d", i+1), clinic: clinic, api: clinikotest.NewServer(clinic)}
	t.Cleanup(p.api.Close)
	return p
}

func (w *world) newReplica(name string) *replica {
	w.t.Helper()
	b := &replica{name: name, redis: startWire(w.t, w.redis.Addr), nats: startWire(w.t, strings.TrimPrefix(w.breaks.URL(), "nats://"))}
	config := "accounts:\n"
	for _, p := range w.practices {
		config += fmt.Sprintf("  - {name: %s, api_key: %q, user_agent: %q, base_url: %q, resources: [appointments, patients, invoices, medical_alerts, contacts, products]}\n",
			p.name, p.clinic.Key(), name+" (ops@clinic.example)", p.api.URL)
	}
	config += fmt.Sprintf(`
nats: {url: "nats://%s", subject: "cliniko.{account}.{resource}.{verb}"}
state: {redis_url: "redis://%s/0", fingerprint_key: 0123456789abcdef0123456789abcdef}
data_dir: %q
admin: {listen: ADMIN}
resources:
`, b.nats.addr(), b.redis.addr(), w.t.TempDir()) + schedules("@every 5s")
	b.process = startProcess(w.t, config)
	return b
}

// work lets things happen in the clinics until evening is called.
func (w *world) work(rate int) (evening func()) {
	ctx, stop := context.WithCancel(w.t.Context())
	var all sync.WaitGroup
	for _, p := range w.practices {
		all.Go(func() { p.edits.run(ctx, rate) })
		all.Go(func() { p.states.run(ctx, rate) })
	}
	return func() {
		stop()
		all.Wait()
	}
}

// leads is the bridge that polls p, as far as one answers; nil if there is none.
func (w *world) leads(p *practice) *replica {
	for _, b := range w.bridges {
		if b.frozen || b.cmd == nil {
			continue
		}
		s, _ := b.status()
		for _, a := range s.Accounts {
			if a.Name == p.name && a.Leader {
				return b
			}
		}
	}
	return nil
}

// leader is the bridge that polls the aim's practice, or else any one.
func (w *world) leader(on aim) *replica {
	if b := w.leads(w.practices[on.practice%len(w.practices)]); b != nil {
		return b
	}
	return w.bridges[on.choice%len(w.bridges)]
}

// flows makes a record of each resource in each practice and waits until all are told. It returns how long that took.
func (w *world) flows(after string) time.Duration {
	w.t.Helper()
	type probe struct {
		practice string
		key      key
	}
	var probes []probe
	for _, p := range w.practices {
		for _, r := range editedResources {
			probes = append(probes, probe{p.name, key{r, p.clinic.Create(r)}})
		}
	}
	began := time.Now()
	defer func() {
		if w.t.Failed() {
			w.t.Logf("not told: %v", probes)
			w.explain()
		}
	}()
	waitFor(w.t, flowsWithin, "events flow again after: "+after, func() bool {
		w.alive()
		w.tape.read(w.t)
		probes = slices.DeleteFunc(probes, func(p probe) bool { return len(w.tape.told[p.practice][p.key]) > 0 })
		return len(probes) == 0
	})
	if took := time.Since(began); took > flowsWithin/3 {
		w.explain()
	}
	return time.Since(began)
}

// explain logs what the bridges say of themselves.
func (w *world) explain() {
	for _, b := range w.bridges {
		s, _ := b.status()
		for _, a := range s.Accounts {
			w.t.Logf("%s, %s: leads: %v, %d requests in the last minute", b.name, a.Name, a.Leader, a.RequestsLastMinute)
			for _, r := range a.Resources {
				if r.LastError != "" {
					w.t.Logf("  %s: %s", r.Name, r.LastError)
				}
			}
		}
	}
}

// alive fails the test if a bridge has ended that nobody killed.
func (w *world) alive() {
	w.t.Helper()
	for _, b := range w.bridges {
		if b.cmd != nil && len(b.ended) > 0 {
			w.t.Fatalf("%s has ended by itself", b.name)
		}
	}
}

// settle waits until the last state of every record is told.
func (w *world) settle() {
	w.t.Helper()
	for _, p := range w.practices {
		p.api.Heal()
	}
	if w.refused { // else it would be ten minutes until the resource is tried again
		for _, b := range w.bridges {
			b.stop()
			b.start()
		}
	}
	w.rest(longestLate + time.Second) // then everything shows that was late
	waitFor(w.t, 3*time.Minute, "the last state of every record", func() bool {
		w.alive()
		w.tape.read(w.t)
		return !slices.ContainsFunc(w.practices, func(p *practice) bool {
			told := w.tape.told[p.name]
			return !p.judge.caughtUp(told) || !p.states.judge.caughtUp(told)
		})
	})
	w.flows("the evening") // what is told twice is told by now
}

// judge holds what the stream tells, and what the bridges asked, against what happened.
func (w *world) judge() {
	w.t.Helper()
	changes, told, asked := 0, 0, 0
	for _, p := range w.practices {
		all := eventsOn(w.t, w.js, "CLINIKO", "cliniko."+p.name+".>")
		edited, hidden := maps.Clone(all), maps.Clone(all)
		maps.DeleteFunc(edited, func(k key, _ []schemas.Event) bool { return slices.Contains(hiddenResources, k.resource) })
		maps.DeleteFunc(hidden, func(k key, _ []schemas.Event) bool { return slices.Contains(editedResources, k.resource) })
		told += p.judge.verdict(w.t, edited) + p.states.judge.verdict(w.t, hidden)
		changes += p.edits.changes() + p.states.count
		log := p.api.Requests()
		asked += len(log)
		w.judgeBudget(p, log)
		if len(w.bridges) > 1 {
			w.judgeTenures(p, log)
		}
	}
	w.t.Logf("%d changes, %d events, %d requests", changes, told, asked)
	for _, line := range w.slowest() {
		w.t.Log(line)
	}
}

// judgeBudget holds the requests of all bridges together against the budget. What Redis has forgotten to have been spent
// is not counted: whoever takes the account over then cannot know of it.
func (w *world) judgeBudget(p *practice, log []clinikotest.Request) {
	w.t.Helper()
	for _, r := range log {
		unknown := slices.ContainsFunc(w.flushed, func(at time.Time) bool { return r.At.After(at) && r.At.Sub(at) < 2*time.Minute })
		if r.Status == 429 && !slices.Contains(r.Faults, "rate limited") && !unknown {
			w.t.Errorf("%s: a request was refused with 429", p.name)
		}
	}
	known := slices.DeleteFunc(slices.Clone(log), func(r clinikotest.Request) bool {
		return slices.ContainsFunc(w.forgotten, func(s span) bool { return r.At.After(s.from) && r.At.Before(s.to) })
	})
	most := clinikotest.MostWithin(time.Minute, known)
	if most > 180 {
		w.t.Errorf("%s: %d requests in a minute, more than the budget of 180", p.name, most)
	}
	w.t.Logf("%s: at the most %d requests in a minute", p.name, most)
}

// overlap is for how long two bridges may ask for one account: one that was frozen has a request in its hands, and the
// next step of each resource, before it has heard that its lease is over.
const overlap = 5 * time.Second

// tenureGap is without a request for longer than that whoever has lost an account.
const tenureGap = 3 * time.Second

// judgeTenures looks whether two bridges asked for one account at once. A Redis that was put back has forgotten whose it
// was: what happens within a lease of that is left out.
func (w *world) judgeTenures(p *practice, log []clinikotest.Request) {
	w.t.Helper()
	tenures := make(map[string][]span)
	for _, r := range log {
		name, _, _ := strings.Cut(r.UserAgent, " (")
		of := tenures[name]
		if n := len(of); n > 0 && r.At.Sub(of[n-1].to) < tenureGap {
			of[n-1].to = r.At
			continue
		}
		tenures[name] = append(of, span{r.At, r.At})
	}
	var longest time.Duration
	for a, of := range tenures {
		for b, others := range tenures {
			if a >= b {
				continue
			}
			for _, s := range of {
				for _, o := range others {
					if both := s.and(o); both.to.After(both.from) && !w.forgetful(both.from) {
						longest = max(longest, both.to.Sub(both.from))
					}
				}
			}
		}
	}
	if longest > overlap {
		w.t.Errorf("%s: two bridges asked for it at once for %s", p.name, longest)
	}
	w.t.Logf("%s: two bridges at once for %s at the most", p.name, longest.Round(time.Millisecond))
}

// and is what two spans share; it ends before it begins if that is nothing.
func (s span) and(o span) span {
	if o.from.After(s.from) {
		s.from = o.from
	}
	if o.to.Before(s.to) {
		s.to = o.to
	}
	return s
}

func (w *world) forgetful(at time.Time) bool {
	const lease = 6 * time.Second
	return slices.ContainsFunc(w.forgotten, func(s span) bool { return at.After(s.from) && at.Before(s.to.Add(lease)) })
}

// slowest says how long it took until events flowed, by fault.
func (w *world) slowest() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(w.took)) {
		all := w.took[name]
		lines = append(lines, fmt.Sprintf("%s: %d times, flowing again after %.1fs at the most", name, len(all), slices.Max(all).Seconds()))
	}
	return lines
}

func (w *world) age() time.Duration { return time.Since(w.began).Round(100 * time.Millisecond) }

func (w *world) rest(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// A tape holds what the stream has told so far, by account.
type tape struct {
	js   jetstream.JetStream
	next uint64 // the stream sequence of the next event
	told map[string]map[key][]schemas.Event
}

// read adds what is new. If NATS does not answer there is nothing new.
func (p *tape) read(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	s, err := p.js.Stream(ctx, "CLINIKO")
	if err != nil {
		return
	}
	for ; p.next <= s.CachedInfo().State.LastSeq; p.next++ {
		m, err := s.GetMsg(ctx, p.next)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return
		}
		e, err := schemas.ParseEvent(m.Data)
		if err != nil {
			t.Fatalf("stream sequence %d: %v", p.next, err)
		}
		if p.told[e.Account] == nil {
			p.told[e.Account] = make(map[key][]schemas.Event)
		}
		k := key{e.Resource, e.RecordID}
		p.told[e.Account][k] = append(p.told[e.Account][k], e)
	}
}
