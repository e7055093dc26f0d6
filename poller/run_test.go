package poller

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guarded is a Source in front of a list, for many goroutines: it takes a while, and watches that a resource is asked by
// one at a time.
type guarded struct {
	mu     sync.Mutex
	lists  map[string]*list
	asked  map[string][]time.Time
	inside map[string]int
	takes  time.Duration
	most   int
}

func (g *guarded) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	g.mu.Lock()
	g.asked[q.Path] = append(g.asked[q.Path], time.Now())
	g.inside[q.Path]++
	g.most = max(g.most, g.inside[q.Path])
	g.mu.Unlock()
	timer := time.NewTimer(g.takes)
	defer timer.Stop()
	var err error
	select {
	case <-timer.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock() // also when the list panics
	g.inside[q.Path]--
	if err != nil {
		return cliniko.Page{}, err
	}
	return g.lists[q.Path].List(ctx, q)
}

func (g *guarded) Get(ctx context.Context, q cliniko.Query) ([]byte, time.Time, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lists[q.Path].Get(ctx, q)
}

func (g *guarded) Reserve(ctx context.Context, _ cliniko.Lane) error { return ctx.Err() }

type guardedSink struct {
	mu sync.Mutex
	*sink
}

func (g *guardedSink) Standing(ctx context.Context, r schemas.Resource) (schemas.Standing, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sink.Standing(ctx, r)
}

func (g *guardedSink) Accept(ctx context.Context, p schemas.Page) (schemas.Outcome, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sink.Accept(ctx, p)
}

func (g *guardedSink) Renew(ctx context.Context, r schemas.Resource) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.sink.Renew(ctx, r)
}

func newGuarded(takes time.Duration) *guarded {
	g := &guarded{lists: map[string]*list{}, asked: map[string][]time.Time{}, inside: map[string]int{}, takes: takes}
	g.lists["/patients"] = newList()
	g.lists["/patients"].create(3)
	return g
}

func newPoller(t *testing.T, g *guarded, s Sink, schedule string, log *zap.Logger) *Poller {
	t.Helper()
	spec, _ := schemas.Lookup(schemas.Edition2017, "patients")
	spec.Feeds = spec.Feeds[:1]
	p, err := New(Config{
		Account: "northside", Source: g, Sink: s, Specs: []schemas.Spec{spec},
		Schedules: map[schemas.Resource]string{"patients": schedule}, Log: log, Metrics: NewMetrics(prometheus.NewRegistry()),
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs p for d of the bubble's time and returns how long it took to stop.
func run(t *testing.T, p *Poller, d time.Duration) time.Duration {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	time.Sleep(d)
	stop()
	began := time.Now()
	<-done
	return time.Since(began)
}

func TestAResourceIsPolledAtOnceAndThenOnItsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(100 * time.Millisecond)
		began := time.Now()
		run(t, newPoller(t, g, &guardedSink{sink: newSink(t)}, "@every 10s", zap.NewNop()), 65*time.Second)
		asked := g.asked["/patients"]
		if first := asked[0].Sub(began); first > time.Second {
			t.Errorf("the first request was after %s", first)
		}
		polls := 0
		for _, at := range asked {
			if at.Sub(began) > 5*time.Second {
				polls++
				if at.Nanosecond() != 0 {
					t.Errorf("a poll at %s, not on a whole second", at)
				}
			}
		}
		if polls < 5 || polls > 7 {
			t.Errorf("%d polls in the minute after the start, want about 6", polls)
		}
	})
}

func TestPollsOfAResourceNeverOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(7 * time.Second) // slower than its schedule
		run(t, newPoller(t, g, &guardedSink{sink: newSink(t)}, "@every 2s", zap.NewNop()), 2*time.Minute)
		if g.most != 1 {
			t.Errorf("%d requests of one resource at once", g.most)
		}
	})
}

func TestStoppingLetsTheStepInFlightFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(3 * time.Second)
		s := &guardedSink{sink: newSink(t)}
		took := run(t, newPoller(t, g, s, "@every 1m", zap.NewNop()), time.Second)
		if len(s.pages) != 1 || took > 3*time.Second {
			t.Errorf("%d pages were accepted, it stopped after %s; want the one in flight", len(s.pages), took)
		}
	})
}

func TestStoppingDoesNotWaitForAServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(time.Hour)
		if took := run(t, newPoller(t, g, &guardedSink{sink: newSink(t)}, "@every 1m", zap.NewNop()), time.Second); took > stopGrace {
			t.Errorf("it stopped after %s", took)
		}
	})
}

func TestAPanicDoesNotStopAResourceForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.ErrorLevel)
		g := newGuarded(time.Millisecond)
		s := &guardedSink{sink: newSink(t)}
		p := newPoller(t, g, s, "@every 5s", zap.New(core))
		g.lists["/patients"].before = func(n int) {
			if n == 3 {
				panic("the secret of a record")
			}
		}
		run(t, p, time.Minute)
		if len(g.asked["/patients"]) < 8 {
			t.Errorf("after a panic there were %d requests in a minute", len(g.asked["/patients"]))
		}
		for _, entry := range logs.All() {
			if strings.Contains(fmt.Sprint(entry.Message, entry.ContextMap()), "secret") {
				t.Error("the log has the panic's value")
			}
		}
	})
}

func TestFailuresBackOffAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(time.Millisecond)
		l := g.lists["/patients"]
		for range 6 {
			l.failures = append(l.failures, &cliniko.Error{Kind: cliniko.Server, Path: "/patients", Status: 502})
		}
		s := &guardedSink{sink: newSink(t)}
		core, logs := observer.New(zap.WarnLevel)
		run(t, newPoller(t, g, s, "@every 1s", zap.New(core)), 5*time.Minute)
		s.holds(t, l)
		if n := logs.FilterMessageSnippet("did not come through").Len(); n != 1 {
			t.Errorf("a row of failures was logged %d times, want once", n)
		}
		asked := g.asked["/patients"]
		if gap := asked[5].Sub(asked[4]); gap < 4*time.Second {
			t.Errorf("after five failures it waited %s", gap)
		}
	})
}

func TestAResourceThatMayNotBeSeenRestsAndIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(time.Millisecond)
		l := g.lists["/patients"]
		l.failures = []error{&cliniko.Error{Kind: cliniko.Forbidden, Path: "/patients", Status: 403}}
		s := &guardedSink{sink: newSink(t)}
		p := newPoller(t, g, s, "@every 1s", zap.NewNop())
		run(t, p, 20*time.Minute)
		s.holds(t, l)
		if gap := g.asked["/patients"][1].Sub(g.asked["/patients"][0]); gap < asideWait/2 {
			t.Errorf("after a 403 it waited %s", gap)
		}
	})
}

func TestStatusTellsHowAResourceIsDoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(time.Millisecond)
		s := &guardedSink{sink: newSink(t)}
		p := newPoller(t, g, s, "@every 10s", zap.NewNop())
		if st := p.Status()[0]; st.Baseline != "pending" || st.Resource != "patients" {
			t.Errorf("before: %+v", st)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); p.Run(ctx) }()
		time.Sleep(15 * time.Second)
		st := p.Status()[0]
		if st.Baseline != "complete" || st.Tracked != 3 || !st.Cursor.Equal(at(0)) || st.LastPoll.IsZero() || !st.NextPoll.After(st.LastPoll) {
			t.Errorf("after: %+v", st)
		}
		stop()
		<-done
	})
}

// A poll is late a minute after the third run that brought none; and why the last one failed is told by its class.
func TestStatusTellsFromWhenAResourceIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(time.Millisecond)
		p := newPoller(t, g, &guardedSink{sink: newSink(t)}, "@every 10s", zap.NewNop())
		daily, err := ParseSchedule("0 30 3 * * *")
		if err != nil {
			t.Fatal(err)
		}
		noon := time.Date(2027, 3, 27, 12, 0, 0, 0, time.UTC)
		if got, want := (&resource{schedule: daily}).lateFrom(noon), time.Date(2027, 3, 30, 3, 31, 0, 0, time.UTC); !got.Equal(want) {
			t.Errorf("polled once a day: late from %s, want %s", got, want)
		}
		if st := p.Status()[0]; !st.LateFrom.IsZero() {
			t.Errorf("before the first poll: late from %s", st.LateFrom)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); p.Run(ctx) }()
		time.Sleep(15 * time.Second)
		st := p.Status()[0]
		if late := st.LateFrom.Sub(st.LastPoll); late <= 80*time.Second || late > 90*time.Second || st.FailureClass != "" {
			t.Errorf("late %s after the last poll, class %q", late, st.FailureClass)
		}
		g.mu.Lock()
		for range 100 {
			g.lists["/patients"].failures = append(g.lists["/patients"].failures,
				&cliniko.Error{Kind: cliniko.Unauthorized, Path: "/patients", Status: 401})
		}
		g.mu.Unlock()
		time.Sleep(time.Minute)
		if now := p.Status()[0]; now.FailureClass != cliniko.Unauthorized.String() || !now.LateFrom.Equal(st.LateFrom) {
			t.Errorf("class %q, late from %s, want that of before", now.FailureClass, now.LateFrom)
		}
		stop()
		<-done
	})
}

func TestParseSchedule(t *testing.T) {
	for _, good := range []string{"@every 1s", "@every 1h30m", "*/5 * * * *", "0 */5 * * * *", "@daily", "CRON_TZ=Australia/Sydney 0 3 * * *"} {
		if _, err := ParseSchedule(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "@every 1ms", "@every 90.5s", "@every x", "* * *", "61 * * * *", "0 0 31 2 *", "TZ=UTC", "@every -1m"} {
		if _, err := ParseSchedule(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// FuzzParseSchedule: whatever the text, there is a schedule that fires, or an error.
func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"@every 5s", "0 0 1 1 *", "CRON_TZ=UTC * * * * *", "TZ=", "*/0 * * * *"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if sched, err := ParseSchedule(s); err == nil {
			now := time.Unix(1_800_000_000, 0)
			if next := stagger(sched, s).Next(now); !next.After(now) {
				t.Errorf("%q: the next run is not in the future", s)
			}
		}
	})
}

func TestIntervalsAreSpread(t *testing.T) {
	s, err := ParseSchedule("@every 30s")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	seen := map[int64]bool{}
	for _, name := range []string{"a/patients", "a/appointments", "b/patients", "b/appointments", "c/invoices", "c/taxes"} {
		first := stagger(s, name).Next(now)
		if d := stagger(s, name).Next(first).Sub(first); d != 30*time.Second {
			t.Errorf("%s: %s between two runs", name, d)
		}
		seen[first.Unix()] = true
	}
	if len(seen) < 4 {
		t.Errorf("six resources run in %d different seconds", len(seen))
	}
	if fixed, _ := ParseSchedule("0 3 * * *"); stagger(fixed, "x").Next(now).Minute() != 0 {
		t.Error("a time of the clock was moved")
	}
}

func TestNewNamesEveryScheduleThatIsWrong(t *testing.T) {
	_, err := New(Config{
		Specs:     schemas.Catalogue(schemas.Edition2017),
		Schedules: map[schemas.Resource]string{"patients": "x", "taxes": "@every 0s"},
		Log:       zap.NewNop(),
	})
	if err == nil || !strings.Contains(err.Error(), "patients") || !strings.Contains(err.Error(), "taxes") {
		t.Errorf("got %v", err)
	}
}
