package poller

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func always(kind cliniko.Kind, after int) []error {
	all := make([]error, 1000)
	for i := after; i < len(all); i++ {
		all[i] = &cliniko.Error{Kind: kind, Path: "/patients", Status: 500}
	}
	return all
}

// A resource is overdue from when its poll was due until one comes through, and its account as long as the worst of its
// resources is. What the API refuses to show is not overdue, since no poll brings it: it is failing.
func TestAResourceIsOverdueUntilAPollComesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		p, g := newLane(t, plain, zap.NewNop(), reg)
		g.lists["/patients"].failures = always(cliniko.Server, 0)[:1]
		g.lists["/contacts"].failures = always(cliniko.Forbidden, 0)
		during(t, p, func() {
			time.Sleep(30 * time.Second)
			wantGauge(t, reg, "resource_overdue_seconds", map[string]float64{"resource=patients ": 30, "resource=taxes ": 0, "resource=contacts ": 0})
			wantGauge(t, reg, "resource_lag_seconds", map[string]float64{"resource=patients ": 30, "resource=taxes ": 29, "resource=contacts ": 30})
			wantGauge(t, reg, "account_overdue_seconds", map[string]float64{"account=northside ": 30})
			wantGauge(t, reg, "account_lag_seconds", map[string]float64{"account=northside ": 30})
			wantGauge(t, reg, "account_failing_resources", map[string]float64{
				"account=northside class=forbidden ": 1, "account=northside class=server ": 1,
			})
			time.Sleep(time.Hour) // the next poll comes through
			wantGauge(t, reg, "account_overdue_seconds", map[string]float64{"account=northside ": 0})
			wantGauge(t, reg, "account_failing_resources", map[string]float64{"account=northside class=forbidden ": 1})
			wantGauge(t, reg, "tracked_records", map[string]float64{"resource=patients ": 99 * 55, "resource=taxes ": 99, "resource=contacts ": 0})
			wantGauge(t, reg, "baselines", map[string]float64{"state=complete ": 2, "state=pending ": 1, "state=running ": 0})
		})
		wantGauge(t, reg, "account_overdue_seconds", nil)
	})
}

// A baseline that could go on and reads nothing is idle for as long; one that the API refuses could not.
func TestABaselineThatReadsNothingIsIdle(t *testing.T) {
	for kind, want := range map[cliniko.Kind]map[string]float64{
		cliniko.Server: {"account=northside ": 600 - 4}, cliniko.Forbidden: nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			p, g := newLane(t, plain, zap.NewNop(), reg)
			delete(g.lists, "/patients")
			p.resources = p.resources[1:]
			g.lists["/contacts"].failures = always(kind, 1)
			during(t, p, func() {
				time.Sleep(10 * time.Minute)
				wantGauge(t, reg, "baseline_idle_seconds", want)
			})
		})
	}
}

// Records that are held back are shown for as long as an operator has not decided, and to nobody else once another process
// has the account.
func TestWhatIsHeldIsShownByWhoHasTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		p, _ := newLane(t, plain, zap.NewNop(), reg)
		during(t, p, func() {
			time.Sleep(time.Second)
			wantGauge(t, reg, "sweep_held_records", nil)
			p.resources[1].sweeping(func(s *SweepStatus) { s.Held = 412 })
			wantGauge(t, reg, "sweep_held_records", map[string]float64{"account=northside resource=taxes ": 412})
		})
		wantGauge(t, reg, "sweep_held_records", nil)
	})
}

// A walk takes its time: it is late only once its next step does not come.
func TestAWalkIsDueAnewWithEachStep(t *testing.T) {
	r := &resource{schedule: staggered{every: 3600}, readers: []*reader{{feed: schemas.Feed{Name: schemas.Live}}}}
	r.readers[0].resource, r.spec.Parent = r, "patients"
	now := time.Now()
	r.begin(now.Add(-time.Hour))
	if v := r.view(now); v.overdue != notDue || v.lag != time.Hour {
		t.Errorf("before a later walk begins: overdue %s, lag %s", v.overdue, v.lag)
	}
	r.dueSince(now.Add(-time.Minute))
	if v := r.view(now); v.overdue != time.Minute {
		t.Errorf("a minute after its last step: overdue %s", v.overdue)
	}
	r.came(now)
	if v := r.view(now); v.overdue > 0 || v.lag != 0 {
		t.Errorf("when it has come through: overdue %s, lag %s", v.overdue, v.lag)
	}
}

// wantGauge checks all series of a gauge, to a few seconds where they are seconds.
func wantGauge(t *testing.T, reg *prometheus.Registry, name string, want map[string]float64) {
	t.Helper()
	got, off := gaugesOf(t, reg, "cliniko_bridge_"+name), 0.0
	if strings.HasSuffix(name, "_seconds") {
		off = 3
	}
	for labels, value := range want {
		if at, ok := got[labels]; !ok || at < value-off || at > value+off {
			t.Errorf("%s{%s}: got %v, want %v", name, labels, at, value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: got %v, want %v", name, got, want)
	}
}
