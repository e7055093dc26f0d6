package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// A fault is something that goes wrong for a while. The files of the chaos tests call a bridge's process a bridge.
type fault struct {
	name        string
	parts       []part // two faults that share one do not happen at once
	least, most time.Duration
	begin       func(w *world, on aim) (end func())
}

// part is what a fault happens to.
type part int

const (
	bridges part = iota
	redis
	bus
	api
)

func allFaults() []fault {
	all := []fault{
		{"a bridge is killed", []part{bridges}, 0, 3 * time.Second, killed},
		{"a bridge is killed, and once more while it starts", []part{bridges}, 50 * time.Millisecond, 1500 * time.Millisecond, killedTwice},
		{"all bridges are killed", []part{bridges}, 0, 3 * time.Second, allKilled},
		{"a bridge is frozen for longer than its lease", []part{bridges}, 8 * time.Second, 11 * time.Second, frozen},

		{"Redis is killed", []part{redis}, 500 * time.Millisecond, 3 * time.Second, redisKilled},
		{"Redis is killed for longer than a lease", []part{redis}, 7 * time.Second, 9 * time.Second, redisKilled},
		{"Redis is put back", []part{redis}, 2 * time.Second, 6 * time.Second, redisPutBack},
		// It loses no change, but with it goes what the requests of the last minute were, and what the records without an event were
		// like: a touch of those may be told, which the judges take.
		{"Redis is flushed", []part{redis}, 0, 0, redisFlushed},
		{"the answers of Redis come late", []part{redis}, 3500 * time.Millisecond, 5 * time.Second, onWire(redisWire, func(w *wire) func() { return w.hold(answers) })},
		{"a bridge is cut off from Redis", []part{redis}, 5 * time.Second, 9 * time.Second, onWire(redisWire, (*wire).sever)},

		{"NATS is killed", []part{bus}, 500 * time.Millisecond, 4 * time.Second, natsKilled},
		{"NATS is frozen", []part{bus}, 2 * time.Second, 6 * time.Second, natsFrozen},
		{"the connection breaks in the middle of a page's acks", []part{bus}, 4 * time.Second, 6 * time.Second, broken(publishertest.CutBeforeAck)},
		{"the connection breaks in the middle of a page", []part{bus}, 4 * time.Second, 6 * time.Second, broken(publishertest.CutBeforePublish)},
		{"acks are lost", []part{bus}, 4 * time.Second, 6 * time.Second, broken(publishertest.SwallowAcks)},
		{"the answers of NATS come after the time-out", []part{bus}, 11 * time.Second, 13 * time.Second, onWire(natsWire, func(w *wire) func() { return w.hold(answers) })},
		{"a bridge is cut off from NATS", []part{bus}, 3 * time.Second, 6 * time.Second, onWire(natsWire, (*wire).sever)},
		{"the stream is full", []part{bus}, 3 * time.Second, 6 * time.Second, streamFull},
		// What a bridge has sent, and the network delivers when another has the account, stands behind what that one sends, as
		// ARCHITECTURE.md, Decisions, has it; the judges do not know that. So nothing may take the account away meanwhile.
		{"what goes to NATS comes late", []part{bus, bridges, redis}, 2 * time.Second, 5 * time.Second, onWire(natsWire, func(w *wire) func() { return w.hold(requests) })},

		{"the API is down", []part{api}, 2 * time.Second, 6 * time.Second, apiDown},
		{"the API is slow", []part{api}, 3 * time.Second, 6 * time.Second, apiSlow},
		{"the API limits", []part{api}, 3 * time.Second, 6 * time.Second, apiLimits},
		{"the API lies", []part{api}, 2 * time.Second, 6 * time.Second, apiLies},
		{"the API refuses a resource", []part{api}, 2 * time.Second, 6 * time.Second, apiRefuses},
	}
	return slices.DeleteFunc(all, func(f fault) bool { return !strings.Contains(f.name, *chaosOnly) })
}

func killed(w *world, on aim) func() {
	b := w.leader(on)
	b.die()
	return b.start
}

func killedTwice(w *world, on aim) func() {
	b := w.leader(on)
	b.die()
	b.start()
	return func() {
		b.die()
		b.start()
	}
}

func allKilled(w *world, _ aim) func() {
	for _, b := range w.bridges {
		b.die()
	}
	return func() {
		for _, b := range w.bridges {
			b.start()
		}
	}
}

// frozen stops a bridge that has an account. If nothing else happens meanwhile, another has to take that over.
func frozen(w *world, on aim) func() {
	w.t.Helper()
	b, of := w.leader(on), w.practices[on.practice%len(w.practices)]
	b.signal(syscall.SIGSTOP)
	b.frozen = true
	return func() {
		w.t.Helper()
		if on.alone && len(w.bridges) > 1 {
			waitFor(w.t, flowsWithin, "another bridge takes the account over", func() bool { return w.leads(of) != nil })
		}
		b.frozen = false
		b.signal(syscall.SIGCONT)
	}
}

func redisKilled(w *world, _ aim) func() {
	w.redis.Kill()
	return w.redis.Restart
}

// redisPutBack takes a copy of Redis's files, and puts it in their place at the end.
func redisPutBack(w *world, _ aim) func() {
	live, backup := filepath.Join(w.redis.Dir, "appendonlydir"), filepath.Join(w.t.TempDir(), "backup")
	began := time.Now()
	w.must(os.CopyFS(backup, os.DirFS(live)))
	return func() {
		w.redis.Kill()
		w.must(os.RemoveAll(live))
		w.must(os.CopyFS(live, os.DirFS(backup)))
		w.redis.Restart()
		w.forgotten = append(w.forgotten, span{began, time.Now()})
	}
}

func redisFlushed(w *world, _ aim) func() {
	w.must(w.client.FlushAll(context.Background()).Err())
	w.forgotten = append(w.forgotten, span{time.Now().Add(-time.Minute), time.Now()})
	w.flushed = append(w.flushed, time.Now())
	for _, p := range w.practices {
		p.judge.flushed = true
	}
	return func() {}
}

func natsKilled(w *world, _ aim) func() {
	w.nats.Kill()
	return func() { w.nats.Restart(w.t) }
}

func natsFrozen(w *world, _ aim) func() {
	w.nats.Stop(w.t)
	return func() { w.nats.Cont(w.t) }
}

// broken breaks at one of the next messages.
func broken(how publishertest.Fault) func(*world, aim) func() {
	return func(w *world, on aim) func() {
		w.breaks.Arm(how, on.choice%20)
		return w.breaks.Heal
	}
}

func redisWire(b *replica) *wire { return b.redis }
func natsWire(b *replica) *wire  { return b.nats }

// onWire does something to the wire of a bridge that has an account.
func onWire(which func(*replica) *wire, do func(*wire) func()) func(*world, aim) func() {
	return func(w *world, on aim) func() { return do(which(w.leader(on))) }
}

// streamFull leaves room for two events or so, and takes the limit away at the end.
func streamFull(w *world, _ aim) func() {
	limit := func(change func(jetstream.StreamState, *jetstream.StreamConfig)) {
		s, err := w.js.Stream(w.t.Context(), "CLINIKO")
		w.must(err)
		info := s.CachedInfo()
		change(info.State, &info.Config)
		_, err = w.js.UpdateStream(w.t.Context(), info.Config)
		w.must(err)
	}
	limit(func(now jetstream.StreamState, c *jetstream.StreamConfig) {
		c.MaxBytes, c.Discard = int64(now.Bytes)+5000, jetstream.DiscardNew
	})
	return func() {
		limit(func(_ jetstream.StreamState, c *jetstream.StreamConfig) {
			c.MaxBytes, c.Discard = -1, jetstream.DiscardOld
		})
	}
}

// inject spoils what the aim's API answers.
func inject(w *world, on aim, rule clinikotest.Rule) (end func()) {
	struck := w.practices
	if !on.everyone {
		struck = w.practices[on.practice%len(w.practices):][:1]
	}
	var stops []func()
	for _, p := range struck {
		stops = append(stops, p.api.Inject(rule))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

func oneOf(on aim, faults ...clinikotest.Fault) clinikotest.Fault {
	return faults[on.choice%len(faults)]
}

func apiDown(w *world, on aim) func() {
	return inject(w, on, clinikotest.Rule{Fault: oneOf(on,
		clinikotest.Status(500), clinikotest.Status(502), clinikotest.Status(503), clinikotest.Status(504), clinikotest.Cut())})
}

func apiSlow(w *world, on aim) func() {
	return inject(w, on, clinikotest.Rule{Fault: clinikotest.Slow(2 * time.Second)})
}

func apiLimits(w *world, on aim) func() {
	return inject(w, on, clinikotest.Rule{Fault: clinikotest.RateLimited(time.Now().Add(5 * time.Second))})
}

// apiLies answers every second request with something that is not what was asked for.
func apiLies(w *world, on aim) func() {
	return inject(w, on, clinikotest.Rule{Chance: 0.5, Fault: oneOf(on,
		clinikotest.HTML(), clinikotest.EmptyObject(), clinikotest.EmptyBody(), clinikotest.EmptyList(), clinikotest.Truncate(),
		clinikotest.WrongKey(), clinikotest.NoTotal(), clinikotest.Redirect("http://127.0.0.1:1/v1/patients"))})
}

// apiRefuses refuses one resource, which rests for ten minutes then or until its bridge starts anew. The others go on.
func apiRefuses(w *world, on aim) func() {
	w.refused = true
	return inject(w, on, clinikotest.Rule{Resource: "medical_alerts", Fault: oneOf(on, clinikotest.Forbidden(), clinikotest.NotFound())})
}
