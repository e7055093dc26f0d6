package poller

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// sinks is a Sink of many resources.
type sinks map[schemas.Resource]*guardedSink

func (s sinks) Standing(ctx context.Context, name schemas.Resource) (schemas.Standing, error) {
	return s[name].Standing(ctx, name)
}

func (s sinks) Accept(ctx context.Context, page schemas.Page) (schemas.Outcome, error) {
	return s[page.Resource].Accept(ctx, page)
}

func (s sinks) Renew(ctx context.Context, name schemas.Resource) error {
	return s[name].Renew(ctx, name)
}

// budgeted is a source that has a budget of 60 requests a minute, of which nothing is spent.
type budgeted struct{ *guarded }

func (budgeted) Budget() *cliniko.Budget { return cliniko.NewBudget(60, nil) }

// newLane makes a poller of three resources whose requests take a second, and whose baselines take about 55, 1 and 33.
func newLane(t *testing.T, source func(*guarded) Source, log *zap.Logger, reg prometheus.Registerer) (*Poller, *guarded) {
	t.Helper()
	g := &guarded{lists: map[string]*list{}, asked: map[string][]time.Time{}, inside: map[string]int{}, takes: time.Second}
	c := Config{
		Account: "northside", Source: source(g), Sink: sinks{}, Schedules: map[schemas.Resource]string{},
		Log: log, Metrics: NewMetrics(reg),
	}
	for _, r := range []struct {
		name  schemas.Resource
		pages int
	}{{"patients", 55}, {"taxes", 1}, {"contacts", 33}} {
		spec, _ := schemas.Lookup(schemas.Edition2017, r.name)
		spec.Feeds = spec.Feeds[:1]
		l := newList()
		for range r.pages {
			l.create(99) // and one that comes again
			l.now += 300
		}
		g.lists["/"+string(r.name)] = l
		c.Specs = append(c.Specs, spec)
		c.Sink.(sinks)[r.name] = &guardedSink{sink: newSink(t)}
		c.Schedules[r.name] = "@every 1h"
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p, g
}

func plain(g *guarded) Source { return g }

// during runs p and calls f; Run has ended when it returns.
func during(t *testing.T, p *Poller, f func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	f()
	stop()
	<-done
}

// From the opening look to the end, what was read and what is left are together all that there was: rows that come
// twice, at the end of a page or around a second of many, are counted once.
func TestWhatWasReadAndWhatIsLeftAreTheWhole(t *testing.T) {
	l, s := anImport(), newSink(t)
	r := newReader(l, s)
	if st := r.status(); st.Remaining != -1 {
		t.Errorf("before the first look: %+v", st)
	}
	r.mustFollow(t)
	for steps := 0; r.pending(t.Context()); steps++ {
		if st := r.status(); st.Read+st.Remaining != len(l.rows) || st.Baseline != running {
			t.Fatalf("after %d steps: %+v, want %d rows together", steps, st, len(l.rows))
		}
		if steps == 8 { // another process
			read := r.status().Read
			r = newReader(l, s)
			r.mustFollow(t)
			if st := r.status(); st.Read != 0 || st.Remaining != -1 {
				t.Errorf("after a start in the middle of a second: %+v", st)
			}
			for r.status().Remaining < 0 {
				r.baseline(t.Context(), t.Context())
			}
			r.progress.read += read
			continue
		}
		r.baseline(t.Context(), t.Context())
	}
	if st := r.status(); st.Remaining != 0 || st.Read != len(l.rows) || st.Baseline != complete {
		t.Errorf("at the end: %+v", st)
	}
}

// A list that does not count its rows leaves what is left unknown, and the time.
func TestAListThatDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, g := newLane(t, plain, zap.NewNop(), prometheus.NewRegistry())
		g.lists["/patients"].noTotal = true
		during(t, p, func() {
			time.Sleep(30 * time.Second)
			all := p.Status()
			if st := all[0]; st.Remaining != -1 || st.TimeLeft != -1 {
				t.Errorf("%+v", st)
			}
			if all[0].Read > 100 { // more than the page that was to count it: its turn came first, which is by chance
				for _, st := range all[1:] {
					if st.TimeLeft != -1 {
						t.Errorf("%s: %s left behind a list that does not count", st.Resource, st.TimeLeft)
					}
				}
			}
			time.Sleep(10 * time.Minute)
			if st := p.Status()[0]; st.Remaining != 0 || st.TimeLeft != 0 {
				t.Errorf("at the end: %+v", st)
			}
		})
	})
}

// The time left of each resource, its wait for those before it included, is what it then takes.
func TestTheTimeLeftIsWhatItTakes(t *testing.T) {
	for _, at := range []time.Duration{30 * time.Second, 70 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			p, _ := newLane(t, plain, zap.NewNop(), prometheus.NewRegistry())
			during(t, p, func() {
				time.Sleep(5 * time.Second)
				if st := p.Status()[0]; st.Remaining <= 0 || st.TimeLeft != -1 {
					t.Errorf("with neither measure nor budget: %+v", st)
				}
				time.Sleep(at - 5*time.Second)
				before, took := p.Status(), make([]time.Duration, 3)
				// Which resource is open first is by chance, and so which ends first.
				for now, left := at, len(took); left > 0; now += time.Second {
					for i, st := range p.Status() {
						if took[i] == 0 && st.Baseline == complete {
							took[i], left = max(now-at, 1), left-1
						}
					}
					time.Sleep(time.Second)
				}
				for i, st := range before {
					if off := st.TimeLeft - took[i]; off < -5*time.Second || off > 5*time.Second {
						t.Errorf("at %s: %s was to take %s, it took %s", at, st.Resource, st.TimeLeft, took[i])
					}
				}
			})
		})
	}
}

// A process that takes baselines up again soon knows how much is left of each, and how long that takes.
func TestWhatIsLeftIsKnownSoonAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, g := newLane(t, plain, zap.NewNop(), prometheus.NewRegistry())
		during(t, p, func() { time.Sleep(20 * time.Second) })
		c := p.Config
		c.Source, c.Metrics = budgeted{g}, NewMetrics(prometheus.NewRegistry())
		p, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		during(t, p, func() {
			time.Sleep(10 * time.Second)
			for _, st := range p.Status() {
				if st.Baseline != complete && (st.Remaining <= 0 || st.TimeLeft <= 0) {
					t.Errorf("ten seconds after a restart: %+v", st)
				}
			}
		})
	})
}

// Before there is a measure, the time left is what the budget allows.
func TestTheTimeLeftByTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newLane(t, func(g *guarded) Source { return budgeted{g} }, zap.NewNop(), prometheus.NewRegistry())
		during(t, p, func() {
			time.Sleep(5 * time.Second)
			st := p.Status()
			sooner, later, own := st[0].TimeLeft, st[2].TimeLeft, 55*time.Second
			if sooner > later { // which resource is open first is by chance
				sooner, later, own = later, sooner, 33*time.Second
			}
			// A second a request: its own, but for what was read already, and with all others in the end.
			if sooner < own-10*time.Second || sooner > own+2*time.Second || later < 80*time.Second || later > 91*time.Second {
				t.Errorf("patients %s, contacts %s", st[0].TimeLeft, st[2].TimeLeft)
			}
		})
	})
}

// A resource that cannot be opened is not waited for by those behind it, and has no time of its own.
func TestAResourceThatCannotBeOpenedIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, g := newLane(t, plain, zap.NewNop(), prometheus.NewRegistry())
		g.lists["/patients"].failures = []error{&cliniko.Error{Kind: cliniko.Forbidden, Path: "/patients", Status: 403}}
		during(t, p, func() {
			time.Sleep(30 * time.Second)
			st := p.Status()
			if st[0].Remaining != -1 || st[0].TimeLeft != -1 {
				t.Errorf("what cannot be opened: %+v", st[0])
			}
			if left := st[2].TimeLeft; left <= 0 || left > 15*time.Second {
				t.Errorf("what is behind it: %+v", st[2])
			}
		})
	})
}

// The gauges are there while a baseline has something to read, one of each kind for an account, and go away with the
// baseline, and with the account.
func TestTheGaugesGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		p, _ := newLane(t, plain, zap.NewNop(), reg)
		during(t, p, func() {
			for _, want := range []int{1, 1, 0} { // the last baseline ends after about 95 s
				time.Sleep(40 * time.Second)
				for _, name := range []string{"cliniko_bridge_baseline_left_records", "cliniko_bridge_baseline_left_seconds"} {
					if got := gaugesOf(t, reg, name); len(got) != want {
						t.Errorf("%s: %v, want %d", name, got, want)
					}
				}
			}
		})
		p, _ = newLane(t, plain, zap.NewNop(), prometheus.NewRegistry())
		p.Metrics.gauges = newGauges("again")
		reg.MustRegister(p.Metrics.gauges)
		during(t, p, func() {
			time.Sleep(30 * time.Second)
			if got := gaugesOf(t, reg, "again_baseline_left_records"); got["account=northside "] == 0 {
				t.Errorf("while it runs: %v", got)
			}
		})
		if got := gaugesOf(t, reg, "again_baseline_left_records"); len(got) > 0 {
			t.Errorf("after the poller has ended: %v", got)
		}
	})
}

// gaugesOf are the values of a gauge by their labels.
func gaugesOf(t *testing.T, reg *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := ""
			for _, l := range m.GetLabel() {
				labels += fmt.Sprintf("%s=%s ", l.GetName(), l.GetValue())
			}
			values[labels] = m.GetGauge().GetValue()
		}
	}
	return values
}

// The log is told of a baseline that goes on once a minute, and not at all of one that is shorter than that.
func TestTheLogIsToldOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		p, g := newLane(t, plain, zap.New(core), prometheus.NewRegistry())
		g.takes = 4 * time.Second // about 90 requests: six minutes
		during(t, p, func() { time.Sleep(20 * time.Minute) })
		lines := logs.FilterMessage("the baseline goes on").All()
		if len(lines) < 4 || len(lines) > 6 {
			t.Errorf("%d lines in six minutes", len(lines))
		}
		fields := lines[2].ContextMap()
		for _, key := range []string{"account", "resource", "records_read", "records_left", "resources_left", "time_left"} {
			if _, ok := fields[key]; !ok {
				t.Errorf("a line without %s: %v", key, fields)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		p, g := newLane(t, plain, zap.New(core), prometheus.NewRegistry())
		g.takes = 500 * time.Millisecond
		during(t, p, func() { time.Sleep(5 * time.Minute) })
		if n := logs.FilterMessage("the baseline goes on").Len(); n != 0 {
			t.Errorf("%d lines of baselines of 45 s", n)
		}
	})
}

// The pace is a mean of the last requests, and falls while nothing comes through.
func TestThePaceFallsWhileTheLaneStandsStill(t *testing.T) {
	var p pace
	now := time.Now()
	for range leastSteps {
		if _, every := p.now(now); every != 0 {
			t.Fatalf("a pace of %s after too few requests", every)
		}
		p.step(now)
		now = now.Add(time.Second)
	}
	p.step(now)
	if _, every := p.now(now); every != time.Second {
		t.Errorf("one request a second is one in %s", every)
	}
	if _, every := p.now(now.Add(10 * time.Minute)); every < 20*time.Second {
		t.Errorf("after ten minutes without a request: one in %s", every)
	}
	p.rest()
	if _, every := p.now(now.Add(10 * time.Minute)); every != time.Second {
		t.Errorf("after a rest of ten minutes: one in %s", every)
	}
}
