package bridge

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// gauges are what the bridge as a whole shows: whether it does its work, which accounts it has, and their budgets. They are
// looked up at each scrape.
type gauges struct {
	b *Bridge

	ready, nats, store           *prometheus.Desc
	accounts, assigned, followed *prometheus.Desc
	left, limit, spent, waited   *prometheus.Desc // of the budgets of requests
}

// scrapeWait is how long a scrape waits for a store that does not answer. Prometheus waits for ten seconds.
const scrapeWait = 3 * time.Second

func newGauges(b *Bridge) *gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("cliniko_bridge_"+name, help, labels, nil)
	}
	return &gauges{
		b:        b,
		ready:    desc("ready", "1 if /readyz says that the bridge does its work, 0 if it has a reason why not."),
		nats:     desc("nats_connected", "1 if the bridge is connected to NATS. Absent until it has tried: it opens its store first."),
		store:    desc("store_reachable", "1 if the store, Redis or the file, answers."),
		accounts: desc("accounts", "Accounts of the configuration."),
		assigned: desc("accounts_assigned", "Accounts that are this process's share among the bridges on the same store."),
		followed: desc("account_followed", "1 if this process has the account's lease and follows it. Each account should be followed by one process.", "account"),
		left: desc("budget_left_requests",
			"Requests that an account's budget has left in the current minute. Absent if this process does not follow it.", "account"),
		limit: desc("budget_limit_requests", "Requests a minute that all accounts that this process follows may send together."),
		spent: desc("budget_spent_requests",
			"Requests of the last minute of all accounts that this process follows, by lane; earlier: a process's before this one.", "lane"),
		waited: desc("budget_wait_seconds",
			"How long a lane of an account's budget has been waiting for a turn of its own. Absent if nobody waits in it.", "account", "lane"),
	}
}

// Describe is of prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		g.ready, g.nats, g.store, g.accounts, g.assigned, g.followed, g.left, g.limit, g.spent, g.waited,
	} {
		to <- desc
	}
}

// Collect is of prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWait)
	defer cancel()
	opened := g.b.Opened()
	hasStore := g.b.hasStore.Load()
	gauge(g.store, truth(hasStore && g.b.store.Ping(ctx) == nil))
	if hasStore { // else whoever starts it without a store would look for what is wrong with NATS
		gauge(g.nats, truth(g.b.hasNATS.Load() && g.b.nats.IsConnected()))
	}
	gauge(g.ready, truth(len(g.b.Ready(ctx)) == 0))
	assigned := 0
	for _, post := range g.b.posts() {
		if post.Mine && opened {
			assigned++
		}
	}
	gauge(g.accounts, float64(len(g.b.accounts)))
	gauge(g.assigned, float64(assigned))

	limit, spent := 0, map[string]int{"earlier": 0}
	for lane := cliniko.LaneLive; lane <= cliniko.LaneBaseline; lane++ {
		spent[lane.String()] = 0
	}
	for _, a := range g.b.accounts {
		client, p := a.running()
		gauge(g.followed, truth(p != nil), a.cfg.Name)
		if p == nil {
			continue
		}
		s := client.Budget().Stats()
		gauge(g.left, float64(max(s.PerMinute-s.Total(), 0)), a.cfg.Name)
		limit += s.PerMinute
		spent["earlier"] += s.Earlier
		for lane, n := range s.Spent {
			spent[cliniko.Lane(lane).String()] += n
		}
		for lane, wait := range s.Waited {
			if s.Waiting[lane] > 0 {
				gauge(g.waited, wait.Seconds(), a.cfg.Name, cliniko.Lane(lane).String())
			}
		}
	}
	gauge(g.limit, float64(limit))
	for lane, n := range spent {
		gauge(g.spent, float64(n), lane)
	}
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
