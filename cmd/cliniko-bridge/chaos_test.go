package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	chaosFor  = flag.Duration("chaos.for", 45*time.Second, "how long the chaos tests let faults happen")
	chaosSeed = flag.Uint64("chaos.seed", 0, "of the chaos tests' plan of faults; 0 takes another one each time")
	chaosOnly = flag.String("chaos.only", "", "a text that the names of the chaos tests' faults have to contain")
)

// flowsWithin is within what time of a fault's end events flow again: the lease has to end (6 s) and be taken (1 s), a
// bridge connects to NATS again (3 s) and waits for acknowledgements that it will not get (10 s), and whatever failed in
// a row backs off about as long again as the fault lasted (13 s at the most), or half a minute if two came at once. And the
// budget may be spent just then, for the rest of a minute. As a rule it takes five seconds, which is the schedule.
const flowsWithin = 90 * time.Second

// Whatever stops, breaks, lies or forgets around one bridge, for as long as it likes and two at once: soon after it is
// over events flow again, and at the end everything was told that happened, once, in order, within the budget.
//
// It can go on for longer, with -chaos.for=20m and a -timeout above that.
func TestChaos(t *testing.T) {
	chaos(t, 1, 1, 5)
}

// The same with three accounts that three bridges share. One that is frozen or cut off loses its accounts to another,
// and no two ask for one account for longer than a request and its commit take.
func TestChaosWithThreeReplicas(t *testing.T) {
	chaos(t, 3, 3, 2)
}

// chaos runs the test: bridges and practices, as many as it says, each practice with about twice rate changes a second.
func chaos(t *testing.T, bridges, practices, rate int) { //nolint:thelper // its lines say where a fault was
	if testing.Short() {
		t.Skip("takes two minutes")
	}
	t.Parallel() // most of it is waiting
	seed := *chaosSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano()) >> 10
	}
	again := fmt.Sprintf("go test ./cmd/cliniko-bridge -run '^%s$' -race -v -chaos.seed=%d -chaos.for=%s -chaos.only='%s'",
		t.Name(), seed, *chaosFor, *chaosOnly)
	t.Logf("the same faults again: %s", again)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the same faults again: %s", again)
		}
	})
	w := newWorld(t, seed, bridges, practices)
	evening := w.work(rate)
	plan := newPlan(seed)
	for began := time.Now(); time.Since(began) < *chaosFor; {
		w.rest(plan.pause())
		w.strike(plan.next())
	}
	evening()
	defer w.judge() // after a failure, too: it says what is missing
	w.settle()
}

// A plan says which faults happen. It depends on its seed alone, and goes through all faults before any comes again.
type plan struct {
	rng  *rand.Rand
	deck []fault
}

// A happening is a fault as it is planned.
type happening struct {
	fault
	after  time.Duration // from the beginning of the step
	length time.Duration
	on     aim
}

// A aim is to whom a fault happens.
type aim struct {
	practice int  // its number, to be taken modulo how many there are
	everyone bool // to all practices
	choice   int  // among the kinds of the fault, and whatever else is left open: 0 to 999
	alone    bool // nothing else happens meanwhile
}

func newPlan(seed uint64) *plan { return &plan{rng: rand.New(rand.NewPCG(seed, 7))} }

func (p *plan) pause() time.Duration { return time.Duration(p.rng.IntN(2000)) * time.Millisecond }

// next is what happens in the next step: one fault, or two of different parts at about the same time.
func (p *plan) next() []happening {
	first := p.draw(nil)
	if p.rng.IntN(4) > 0 {
		first.on.alone = true
		return []happening{first}
	}
	second := p.draw(first.parts) // of -chaos.only there may be none
	if second.begin == nil {
		return []happening{first}
	}
	second.after = time.Duration(p.rng.IntN(2000)) * time.Millisecond
	return []happening{first, second}
}

// draw takes the next fault of the deck that has nothing to do with parts.
func (p *plan) draw(parts []part) happening {
	fits := func(f fault) bool {
		return !slices.ContainsFunc(f.parts, func(part part) bool { return slices.Contains(parts, part) })
	}
	i := slices.IndexFunc(p.deck, fits)
	if i < 0 {
		more := allFaults()
		p.rng.Shuffle(len(more), func(i, j int) { more[i], more[j] = more[j], more[i] })
		p.deck = append(p.deck, more...)
		i = slices.IndexFunc(p.deck, fits)
	}
	if i < 0 {
		return happening{}
	}
	f := p.deck[i]
	p.deck = slices.Delete(p.deck, i, i+1)
	return happening{
		fault: f, length: f.least + time.Duration(p.rng.Int64N(int64(f.most-f.least)+1)).Round(time.Millisecond),
		on: aim{practice: p.rng.IntN(1000), everyone: p.rng.IntN(3) == 0, choice: p.rng.IntN(1000)},
	}
}

// strike lets happenings happen, and waits until events flow again.
func (w *world) strike(step []happening) {
	w.t.Helper()
	type act struct {
		at time.Duration
		do func()
	}
	var acts []act
	var names []string
	for i := range step {
		h := &step[i]
		var end func()
		acts = append(acts,
			act{h.after, func() { end = h.begin(w, h.on) }},
			act{h.after + h.length, func() { end() }})
		names = append(names, h.name)
	}
	slices.SortStableFunc(acts, func(a, b act) int { return int(a.at - b.at) })
	name, began := strings.Join(names, ", and "), time.Now()
	last := acts[len(acts)-1].at
	w.t.Logf("at %s: %s, for %s", w.age(), name, last)
	for _, a := range acts {
		w.rest(a.at - time.Since(began))
		a.do()
	}
	took := w.flows(name)
	w.t.Logf("at %s: events flow again after %.1fs", w.age(), took.Seconds())
	for _, n := range names {
		w.took[n] = append(w.took[n], took)
	}
}
