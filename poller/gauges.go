package poller

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// gauges are read off the pollers that run at each scrape, so that they go away by themselves: with the account when
// another process takes it, with a baseline when it is complete.
//
// A thousand accounts have forty thousand resources. So what every resource has is shown twice, each time the worst: by
// account, which is what an alert has to name, and by resource. Both labels together has only what an operator has to
// decide, and that is rare.
type gauges struct {
	left, leftTime, idle   *prometheus.Desc // by account, while a baseline has something to read
	lag, overdue, failing  *prometheus.Desc // by account
	held                   *prometheus.Desc // by account and resource, where records are held back
	lagOf, overdueOf       *prometheus.Desc // by resource
	trackedOf, baselinesBy *prometheus.Desc

	mu      sync.Mutex // guards pollers
	pollers map[string]*Poller
}

func newGauges(namespace string) *gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
	}
	return &gauges{
		left: desc("baseline_left_records",
			"Records that the baselines of an account have still to read. Absent if they are complete, or if none of them knows.", "account"),
		leftTime: desc("baseline_left_seconds",
			"How long the baselines of an account still take. Absent if they are complete or it is not known.", "account"),
		idle: desc("baseline_idle_seconds",
			"How long ago the baselines of an account last read anything. Absent if none of them could go on.", "account"),
		lag: desc("account_lag_seconds",
			"How long ago the last poll that came through was, of the account's resource that is overdue longest, or due next.", "account"),
		overdue: desc("account_overdue_seconds",
			"For how long a poll has been due that has not come through, of the account's resource where that is longest; 0 if all are in time. "+
				"What the API refuses to show is left out.", "account"),
		failing: desc("account_failing_resources",
			"Resources of an account of which a list did not come through when it was read last, by the class of the error. Absent if none.", "account", "class"),
		held: desc("sweep_held_records",
			"Records that are gone and not told, since they are more than sweep.limit: an operator decides. Absent if none.", "account", "resource"),
		lagOf: desc("resource_lag_seconds",
			"How long ago the last poll of a resource that came through was, of the account where that is longest.", "resource"),
		overdueOf: desc("resource_overdue_seconds",
			"For how long a poll of a resource has been due that has not come through, of the account where that is longest.", "resource"),
		trackedOf:   desc("tracked_records", "Records that are known, of all accounts that this process follows.", "resource"),
		baselinesBy: desc("baselines", "Resources of all accounts that this process follows, by how their baseline stands.", "state"),
		pollers:     make(map[string]*Poller),
	}
}

func (g *gauges) add(p *Poller) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pollers[p.Account] = p
}

// remove forgets p, unless another poller has the account by now.
func (g *gauges) remove(p *Poller) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pollers[p.Account] == p {
		delete(g.pollers, p.Account)
	}
}

// Describe is of prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		g.left, g.leftTime, g.idle, g.lag, g.overdue, g.failing, g.held, g.lagOf, g.overdueOf, g.trackedOf, g.baselinesBy,
	} {
		to <- desc
	}
}

// Collect is of prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	c := collection{now: now, to: to, resources: make(map[schemas.Resource]*worst), baselines: map[string]int{pending: 0, running: 0, complete: 0}}
	for _, p := range g.pollers {
		c.account(g, p)
	}
	for name, w := range c.resources {
		c.gauge(g.lagOf, w.lag.Seconds(), string(name))
		c.gauge(g.overdueOf, w.overdue.Seconds(), string(name))
		c.gauge(g.trackedOf, float64(w.tracked), string(name))
	}
	for state, n := range c.baselines {
		c.gauge(g.baselinesBy, float64(n), state)
	}
}

// A collection is one Collect at work.
type collection struct {
	now       time.Time
	to        chan<- prometheus.Metric
	resources map[schemas.Resource]*worst
	baselines map[string]int
}

// worst is how a resource is in the account where it is worst.
type worst struct {
	lag, overdue time.Duration
	tracked      int // of all accounts together
}

func (c *collection) gauge(desc *prometheus.Desc, value float64, labels ...string) {
	c.to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

func (c *collection) account(g *gauges, p *Poller) {
	var lag, overdue time.Duration
	failing := make(map[string]int)
	left, incomplete, reading := -1, false, false
	for i, r := range p.resources {
		v := r.view(c.now)
		w := c.resources[v.name]
		if w == nil {
			w = new(worst)
			c.resources[v.name] = w
		}
		w.lag, w.overdue, w.tracked = max(w.lag, v.lag), max(w.overdue, v.overdue), w.tracked+v.tracked
		if i == 0 || v.overdue > overdue {
			lag, overdue = v.lag, v.overdue
		}
		for class := range v.failing {
			failing[class]++
		}
		if v.held > 0 {
			c.gauge(g.held, float64(v.held), p.Account, string(v.name))
		}
		c.baselines[v.baseline]++
		if v.baseline != complete {
			incomplete = true
			if v.left >= 0 {
				left = max(left, 0) + v.left
			}
		}
		reading = reading || v.reading
	}
	if len(p.resources) > 0 {
		c.gauge(g.lag, lag.Seconds(), p.Account)
		c.gauge(g.overdue, max(overdue, 0).Seconds(), p.Account)
	}
	for class, n := range failing {
		c.gauge(g.failing, float64(n), p.Account, class)
	}
	if left >= 0 {
		c.gauge(g.left, float64(left), p.Account)
	}
	if reading {
		c.gauge(g.idle, c.now.Sub(p.pace.stepped(p.resources[0].began())).Seconds(), p.Account)
	}
	if !incomplete {
		return
	}
	longest := time.Duration(-1)
	for _, t := range p.timesLeft() {
		longest = max(longest, t)
	}
	if longest > 0 {
		c.gauge(g.leftTime, longest.Seconds(), p.Account)
	}
}
