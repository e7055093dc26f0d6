package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

var statefulResources = []schemas.Resource{"patients", "invoices", "medical_alerts", "practitioners", "taxes"}

// A hostile day of another kind: records are cancelled, archived, deleted softly and brought back, and some are removed
// without a trace, while the bridge sweeps every twenty seconds and is killed five times with kill -9. At the end every
// record was told to be in the state that it is in, what was removed was told as deleted once, and no event tells of a
// state that there was not.
func TestAHostileDayOfStates(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two minutes")
	}
	t.Run("2017", func(t *testing.T) {
		t.Parallel() // both wait for the budget most of the time
		redis := difftest.StartRedis(t)
		server := publishertest.Start(t, publishertest.Options{})
		statesDay(t, clinikotest.Edition2017, "appointments", server.URL(), fmt.Sprintf(`
nats: {url: %q}
state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}
`, server.URL(), redis.URL))
	})
	t.Run("2025", func(t *testing.T) {
		t.Parallel()
		addr := freeAddr(t)
		statesDay(t, clinikotest.Edition2025, "individual_appointments", "nats://"+addr, fmt.Sprintf("nats: {listen: %q}\n", addr))
	})
}

func statesDay(t *testing.T, edition clinikotest.Edition, bookings schemas.Resource, natsURL, servers string) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, states move no stamp: %v", seed, seed%2 == 0)
	// Whether entering and leaving a state moves updated_at is not known: on one day in two it does not.
	clinic := clinikotest.New(clinikotest.Options{Seed: seed, Edition: edition, QuietStates: seed%2 == 0})
	clinic.Populate(clinikotest.Sizes{"patients": 150, bookings: 250, "invoices": 40, "medical_alerts": 40, "practitioners": 8, "taxes": 8})
	api := clinikotest.NewServer(clinic)
	defer api.Close()
	resources := append([]schemas.Resource{bookings}, statefulResources...)
	config := fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Hostile Day (ops@clinic.example)", base_url: %q, requests_per_minute: 200, resources: [`, clinic.Key(), api.URL)
	for _, r := range resources {
		config += string(r) + ", "
	}
	config += fmt.Sprintf(`]}
sweep: {schedule: "*/20 * * * * *", confirm_after: 1s, limit: 50%%}
data_dir: %q
admin: {listen: ADMIN}
resources:
`, t.TempDir())
	for _, r := range resources {
		config += fmt.Sprintf("  %s: {schedule: \"@every 10s\"}\n", r)
	}
	bridge := startProcess(t, config+servers)
	waitFor(t, 2*time.Minute, "the first look", bridge.baselinesComplete)
	js := publishertest.JetStream(t, publishertest.Connect(t, natsURL, nats.MaxReconnects(-1)))
	j := newStatesJudge(clinic, resources)

	d := &statesDayOf{clinic: clinic, rng: rand.New(rand.NewPCG(seed, 2)), judge: j, removes: true}
	ctx, evening := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() { d.run(ctx, 10) })
	for i := range 5 {
		killAfter(t, bridge, time.Duration(3+i)*time.Second, i)
	}
	evening()
	work.Wait()
	waitFor(t, time.Minute, "the bridge at work again", bridge.baselinesComplete)

	var told map[key][]schemas.Event
	judged := false
	defer func() {
		if !judged { // say what it waited for
			j.verdict(t, told)
		}
	}()
	waitFor(t, 6*time.Minute, "the last state of every record", func() bool {
		told = events(t, js, "CLINIKO")
		return t.Failed() || j.caughtUp(told)
	})
	judged = true
	total := j.verdict(t, told)
	bridge.stop()
	t.Logf("%d acts, %d records removed, %d events", d.count, len(j.removed), total)
}

// statesDayOf is what happens in the clinic.
type statesDayOf struct {
	clinic  *clinikotest.Clinic
	rng     *rand.Rand
	judge   *statesJudge
	removes bool // some records without a trace
	count   int
}

// run acts rate times a second until ctx ends.
func (d *statesDayOf) run(ctx context.Context, rate int) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.act()
		}
	}
}

// act does one thing to one record. A record is in one hidden state at a time, and stays deleted.
func (d *statesDayOf) act() {
	c := d.clinic
	r := d.judge.resources[d.rng.IntN(len(d.judge.resources))]
	all := c.AllIDs(r)
	id := all[d.rng.IntN(len(all))]
	d.count++
	switch state := c.State(r, id); {
	case d.rng.IntN(4) == 0:
		d.judge.add(key{r, c.Create(r)})
	case d.removes && d.rng.IntN(10) == 0 && len(all) > 4:
		c.Remove(r, id)
		d.judge.removed[key{r, id}] = true
	case state == clinikotest.StateCancelled:
		c.Uncancel(r, id)
	case state == clinikotest.StateArchived:
		c.Unarchive(r, id)
	case state == clinikotest.StateInactive:
		c.Activate(id)
	case state == clinikotest.StateDeleted:
	case d.rng.IntN(2) == 0:
		c.EditField(r, id)
	default:
		d.hide(r, id)
	}
}

func (d *statesDayOf) hide(r schemas.Resource, id schemas.ID) {
	states := d.clinic.States(r)
	if len(states) == 0 {
		d.clinic.Touch(r, id)
		return
	}
	spec, _ := schemas.Lookup(schemas.Edition(d.clinic.Edition()), r)
	state := states[d.rng.IntN(len(states))]
	enter := map[clinikotest.State]func(){
		clinikotest.StateCancelled: func() { d.clinic.Cancel(r, id) },
		clinikotest.StateArchived:  func() { d.clinic.Archive(r, id) },
		clinikotest.StateInactive:  func() { d.clinic.Deactivate(id) },
		clinikotest.StateDeleted: func() {
			if slices.ContainsFunc(spec.Feeds, func(f schemas.Feed) bool { return f.Implies == schemas.DeletedState }) {
				d.clinic.SoftDelete(r, id)
			}
		},
	}
	enter[state]()
}

// A statesJudge holds what a stream tells of records and their states against what happened in a clinic.
type statesJudge struct {
	clinic    *clinikotest.Clinic
	resources []schemas.Resource
	keys      []key
	before    map[key]int // how many versions a record had when the bridge had taken its first look
	removed   map[key]bool
}

func newStatesJudge(clinic *clinikotest.Clinic, resources []schemas.Resource) *statesJudge {
	j := &statesJudge{clinic: clinic, resources: resources, before: make(map[key]int), removed: make(map[key]bool)}
	for _, r := range resources {
		for _, id := range clinic.AllIDs(r) {
			k := key{r, id}
			j.before[k] = len(clinic.History(r, id))
			j.add(k)
		}
	}
	return j
}

func (j *statesJudge) add(k key) { j.keys = append(j.keys, k) }

func (j *statesJudge) caughtUp(told map[key][]schemas.Event) bool {
	return !slices.ContainsFunc(j.keys, func(k key) bool {
		faults, waits := j.record(k, told[k])
		return waits && len(faults) == 0
	})
}

func (j *statesJudge) verdict(tb testing.TB, told map[key][]schemas.Event) int {
	tb.Helper()
	total := 0
	for _, k := range j.keys {
		faults, waits := j.record(k, told[k])
		if waits {
			faults = append(faults, "its last state was not told")
		}
		for _, fault := range faults {
			tb.Errorf("%s/%s: %s", k.resource, k.id, fault)
		}
		total += len(told[k])
		delete(told, k)
	}
	for k := range told {
		tb.Errorf("%s/%s: %d events of a record that there is not", k.resource, k.id, len(told[k]))
	}
	return total
}

var verbOf = map[clinikotest.State]schemas.Verb{
	clinikotest.StateCancelled: schemas.Cancelled, clinikotest.StateArchived: schemas.Archived,
	clinikotest.StateInactive: schemas.Archived, clinikotest.StateDeleted: schemas.Deleted,
}

// record replays the events of one record. waits says that there is something that was not told yet.
func (j *statesJudge) record(k key, told []schemas.Event) (faults []string, waits bool) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	history := j.clinic.History(k.resource, k.id)
	at := max(j.before[k]-1, 0)        // the version that was told last
	state := verbOf[history[at].State] // that it was told to be in; after created it is in none
	known, sequence := j.before[k] > 0, uint64(0)
	gone := false
	for i, e := range told {
		if e.Sequence <= sequence {
			fault("event %d has sequence %d behind %d", i, e.Sequence, sequence)
		}
		sequence = e.Sequence
		if gone {
			fault("event %d, %s, of a record that was told as deleted", i, e.Verb)
		}
		if (e.Verb == schemas.Created) == known {
			fault("event %d is %s, and the record was known: %v", i, e.Verb, known)
		}
		fresh := !known || told[max(i-1, 0)].Verb == schemas.Created
		known = true
		if e.Verb == schemas.Deleted {
			soft := slices.ContainsFunc(history, func(v clinikotest.Version) bool { return v.State == clinikotest.StateDeleted })
			if !soft && !j.removed[k] {
				fault("event %d tells that it is deleted, and it never was", i)
			}
			gone = true
			continue
		}
		next := slices.IndexFunc(history[at:], func(v clinikotest.Version) bool {
			hidden, was := verbOf[v.State], verbOf[history[at].State]
			fits := map[schemas.Verb]bool{
				schemas.Created: true, schemas.Updated: hidden == was, schemas.Restored: hidden == "" && was != "",
				schemas.Cancelled: hidden == schemas.Cancelled && (was == "" || fresh),
				schemas.Archived:  hidden == schemas.Archived && (was == "" || fresh),
			}[e.Verb]
			return fits && bytes.Equal(v.Raw, e.Record)
		})
		if next < 0 {
			fault("event %d, %s, tells of a state that there was not, or not any more", i, e.Verb)
			continue
		}
		at += next
		if e.Verb != schemas.Updated {
			state = map[schemas.Verb]schemas.Verb{schemas.Cancelled: e.Verb, schemas.Archived: e.Verb}[e.Verb]
		}
	}
	switch last := history[len(history)-1]; {
	case j.removed[k]:
		waits = known && !gone
	case last.State == clinikotest.StateDeleted:
		waits = known && !gone
	case gone:
		fault("it was told as deleted, and is %s", last.State)
	default:
		waits = !known || verbOf[last.State] != state || len(differing(history[at].Raw, last.Raw)) > 0
	}
	return faults, waits
}
