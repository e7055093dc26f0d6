package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// NATS or Redis is killed while changes are told, and a while later it is there again. Until then the bridge knocks a few times
// a second and holds no more than before, by its own metrics, and then it tells everything, and nothing twice.
func TestAServerThatIsAwayForAWhile(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel()
	for name, c := range map[string]struct {
		reason string // of /readyz
		knocks int64  // to wait for: a quarter of a minute's, about
	}{
		"NATS":  {"NATS is not connected", 20}, // of which every second is the test's own
		"Redis": {"the store does not answer", 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stream, redis := publishertest.StartProcess(t), difftest.StartRedis(t)
			js := publishertest.JetStream(t, publishertest.Connect(t, stream.URL(), nats.ReconnectWait(time.Second)))
			m := startMorning(t, js, fmt.Sprintf("nats: {url: %q}\n", stream.URL())+onRedis(redis.URL))
			m.further(t, 40)
			addr, kill, restart := redis.Addr, redis.Kill, redis.Restart
			if name == "NATS" {
				addr, kill, restart = strings.TrimPrefix(stream.URL(), "nats://"), stream.Kill, func() { stream.Restart(t) }
			}
			before := m.bridge.load()
			kill()
			door := shut(t, addr)
			m.bridge.unready(c.reason)
			began, until := time.Now(), door.knocks.Load()+c.knocks
			waitFor(t, 2*time.Minute, "knocks", func() bool { return door.knocks.Load() >= until })
			rate := float64(c.knocks) / time.Since(began).Seconds()
			after := m.bridge.load()
			t.Logf("%.1f knocks a second", rate)
			if rate > 10 {
				t.Errorf("it knocks %.1f times a second, want 10 at most", rate)
			}
			for what, more := range map[string]float64{
				"go_goroutines": 20, "go_memstats_heap_inuse_bytes": 16 << 20, "process_resident_memory_bytes": 64 << 20,
			} {
				t.Logf("%s: %.0f before, %.0f after", what, before[what], after[what])
				if before[what] == 0 || after[what] > before[what]+more {
					t.Errorf("%s was %.0f before and is %.0f", what, before[what], after[what])
				}
			}
			door.open()
			restart()
			m.end(t)
		})
	}
}

// A door is where a server was: who knocks is turned away, and counted.
type door struct {
	knocks atomic.Int64
	open   func()
}

// shut takes the address of a server that has ended.
func shut(tb testing.TB, addr string) *door {
	tb.Helper()
	d := &door{}
	var l net.Listener
	waitFor(tb, time.Minute, addr+" is free", func() (ok bool) {
		var err error
		l, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
		return err == nil
	})
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			d.knocks.Add(1)
			_ = conn.Close()
		}
	})
	d.open = sync.OnceFunc(func() { _ = l.Close(); accepting.Wait() })
	tb.Cleanup(d.open)
	return d
}

// load is what the bridge holds, by its own metrics that have no labels.
func (p *process) load() map[string]float64 {
	p.t.Helper()
	body, _ := p.get("/metrics")
	load := make(map[string]float64)
	for line := range strings.Lines(string(body)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil && !strings.Contains(name, "{") {
			load[name] = value
		}
	}
	return load
}
