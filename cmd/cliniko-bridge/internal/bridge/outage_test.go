package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats-server/v2/server/ats"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A line is the way to a NATS server in this process. While it is cut, nobody comes through; it counts who tries.
type line struct {
	server *server.Server

	mu    sync.Mutex // guards the following
	isCut bool
	tries int64
	conns []net.Conn
}

func (l *line) InProcessConn() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries++
	if l.isCut {
		return nil, errors.New("connection refused")
	}
	conn, err := l.server.InProcessConn()
	l.conns = append(l.conns, conn)
	return conn, err
}

func (l *line) cut(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = away
	for _, conn := range l.conns {
		if away {
			_ = conn.Close()
		}
	}
}

func (l *line) tried() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tries
}

// An hourly is a whole bridge in a bubble of fake time, with a real NATS server, whose servers go away for an hour.
type hourly struct {
	*testing.T
	*Bridge
	clinic *clinikotest.Clinic
	line   *line
	logs   *observer.ObservedLogs
	edits  int

	asked, called      atomic.Int64 // requests to the API, calls to the store
	apiAway, storeAway atomic.Bool
}

// newHourly starts it. stop ends it.
func newHourly(t *testing.T, dir string) (h *hourly, stop func()) {
	t.Helper()
	ns, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: dir, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	core, logs := observer.New(zap.InfoLevel)
	h = &hourly{T: t, clinic: clinikotest.New(clinikotest.Options{}), line: &line{server: ns}, logs: logs}
	h.clinic.Populate(clinikotest.Sizes{"patients": 250, "businesses": 2, "appointments": 20})
	h.Bridge = h.bridge(zap.New(core))
	ctx, cancel := context.WithCancel(context.Background())
	if h.nats, err = publisher.Connect(ctx, publisher.ConnectConfig{InProcess: h.line}, h.log); err != nil {
		t.Fatal(err)
	}
	if h.js, err = jetstream.New(h.nats); err != nil {
		t.Fatal(err)
	}
	if err := h.openStream(ctx); err != nil {
		t.Fatal(err)
	}
	h.replica = h.newReplica()
	h.opened.Store(true)
	h.wait("")
	var running sync.WaitGroup
	running.Go(func() { h.replica.Run(ctx) })
	return h, func() {
		cancel()
		running.Wait()
		h.close()
		ns.Shutdown()
		ns.WaitForShutdown()
	}
}

// bridge makes the bridge, with a store and an API that are a call away.
func (h *hourly) bridge(log *zap.Logger) *Bridge {
	path := filepath.Join(h.TempDir(), "bridge.yaml")
	text := fmt.Sprintf(`
accounts: [{api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: "http://127.0.0.1/v1", resources: [patients, businesses, appointments]}]
resources: {patients: {schedule: "@every 2s"}}
data_dir: %q
`, h.clinic.Key(), h.TempDir())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
	cfg, err := config.Load(path, func(string) string { return "" })
	if err != nil {
		h.Fatal(err)
	}
	b, err := New(cfg, Options{Log: log})
	if err != nil {
		h.Fatal(err)
	}
	b.store = &watchedStore{Store: &difftest.Memory{OnReach: func() error {
		h.called.Add(1)
		if h.storeAway.Load() {
			return errors.New("dial tcp 127.0.0.1:6379: connect: connection refused")
		}
		return nil
	}}}
	api := clinikotest.NewHandler(h.clinic)
	b.shared.RegisterProtocol("http", tripper(func(r *http.Request) (*http.Response, error) {
		h.asked.Add(1)
		if h.apiAway.Load() {
			return nil, errors.New("connection refused")
		}
		answer := httptest.NewRecorder()
		api.ServeHTTP(answer, r)
		return answer.Result(), nil
	}))
	return b
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// edited is how many patients, the first of the list, are edited all the time.
const edited = 5

// busy lets minutes pass, in each of which a patient is edited, and in every fourth another is registered.
func (h *hourly) busy(minutes int) {
	for range minutes {
		h.clinic.EditField("patients", h.clinic.IDs("patients")[h.edits%edited])
		if h.edits%4 == 0 {
			h.clinic.Create("patients")
		}
		h.edits++
		time.Sleep(time.Minute)
	}
}

// A load is what a bridge holds, and what it has done so far.
type load struct {
	heap, goroutines    int64 // heap in bytes
	lines               int64 // in the log
	tries, store, asked int64 // connections to NATS, calls to the store, requests to the API
}

func (h *hourly) load() load {
	synctest.Wait()
	runtime.GC()
	runtime.GC() // what had a finalizer
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return load{
		heap: int64(m.HeapAlloc), goroutines: int64(runtime.NumGoroutine()), lines: int64(h.logs.Len()), //nolint:gosec // a heap of 8 EiB
		tries: h.line.tried(), store: h.called.Load(), asked: h.asked.Load(),
	}
}

// judge holds what was told against what happened: of each patient every sequence once, the last state last, and one
// created for whom came after the first look.
func (h *hourly) judge(existed int) {
	last := make(map[schemas.ID]schemas.Event)
	for _, m := range publishertest.Collect(h.T, h.js, "CLINIKO", "cliniko.patients.*") {
		e, err := schemas.ParseEvent(m.Body)
		if err != nil {
			h.Fatal(err)
		}
		before := last[e.RecordID]
		if e.Sequence != before.Sequence+1 || string(e.Record) == string(before.Record) {
			h.Errorf("patient %s: event %d comes after event %d", e.RecordID, e.Sequence, before.Sequence)
		}
		last[e.RecordID] = e
	}
	ids := h.clinic.IDs("patients")
	for i, id := range ids {
		now, _ := h.clinic.Record("patients", id)
		e, told := last[id]
		if told != (i < edited || i >= existed) || told && string(e.Record) != string(now) {
			h.Errorf("patient %s, number %d of %d: what was told last is not how it is", id, i, len(ids))
		}
		if i >= existed && e.Verb != schemas.Created {
			h.Errorf("patient %s, who is new, was told as %s", id, e.Verb)
		}
	}
}

// NATS, the store or the API is away for an hour of a busy day: /readyz says which of the first two, nobody is asked more often
// than it takes to see that it is back, nothing heaps up, the log says it a few times, and then all that changed is told once.
func TestAServerThatIsAwayForAnHour(t *testing.T) {
	ats.Register() // the server's own clock, one for a process, must not be started in a bubble
	defer ats.Unregister()
	for name, c := range map[string]struct {
		cut    func(h *hourly, away bool)
		reason string
		asked  int64 // requests to the API in that hour, at most; it is 4,500 otherwise
	}{
		"NATS":      {func(h *hourly, away bool) { h.line.cut(away) }, "NATS is not connected", 1500}, // of what has no news
		"the store": {func(h *hourly, away bool) { h.storeAway.Store(away) }, "the store does not answer", 20},
		"the API":   {func(h *hourly, away bool) { h.apiAway.Store(away) }, "", 300}, // every five minutes for each list
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				h, stop := newHourly(t, dir)
				defer stop()
				existed := len(h.clinic.IDs("patients"))
				time.Sleep(time.Minute) // for the first look
				h.busy(10)
				if reasons := h.Ready(t.Context()); len(reasons) > 0 || !complete(h.Bridge) {
					t.Fatalf("before it is not ready: %q", reasons)
				}
				before := h.load()
				c.cut(h, true)
				h.busy(30)
				reasons := h.Ready(t.Context())
				if c.reason != "" && !slices.ContainsFunc(reasons, func(s string) bool { return strings.HasPrefix(s, c.reason) }) {
					t.Errorf("/readyz says %q, and not that %s", reasons, c.reason)
				}
				h.busy(30)
				h.bounded(before, h.load(), c.asked)
				c.cut(h, false)
				time.Sleep(10 * time.Minute) // what failed is tried again within five
				if reasons := h.Ready(t.Context()); len(reasons) > 0 {
					t.Errorf("ten minutes after it is back: %q", reasons)
				}
				h.judge(existed)
			})
		})
	}
}

// bounded says that the hour between before and after was one of waiting.
func (h *hourly) bounded(before, after load, asked int64) {
	h.Helper()
	h.Logf("before %+v, after %+v", before, after)
	for _, c := range []struct {
		what      string
		got, most int64
	}{
		{"bytes", after.heap - before.heap, 4 << 20},
		{"goroutines", after.goroutines - before.goroutines, 5},
		{"lines in the log", after.lines - before.lines, 10},
		{"connections to NATS", after.tries - before.tries, 3600},
		{"calls to the store", after.store - before.store, 8000}, // of which 5,400 keep lease and place
		{"requests to the API", after.asked - before.asked, asked},
	} {
		if c.got > c.most {
			h.Errorf("the hour made %d %s, want %d at most", c.got, c.what, c.most)
		}
	}
}
