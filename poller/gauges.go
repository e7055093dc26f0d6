package poller

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// progressGauges are the gauges of the baselines that are not complete. They are read off the pollers that run at each
// scrape, so that they go away by themselves: with the baseline, and with the account when another process takes it.
type progressGauges struct {
	records, seconds *prometheus.Desc

	mu      sync.Mutex // guards pollers
	pollers map[string]*Poller
}

func newProgressGauges(namespace string) *progressGauges {
	labels := []string{"account", "resource"}
	return &progressGauges{
		records: prometheus.NewDesc(namespace+"_baseline_left_records",
			"Records that the baselines of a resource have still to read. Absent if complete or not known.", labels, nil),
		seconds: prometheus.NewDesc(namespace+"_baseline_left_seconds",
			"How long that takes, with the baselines that are read before it. Absent if complete or not known.", labels, nil),
		pollers: make(map[string]*Poller),
	}
}

func (g *progressGauges) add(p *Poller) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pollers[p.Account] = p
}

// remove forgets p, unless another poller has the account by now.
func (g *progressGauges) remove(p *Poller) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pollers[p.Account] == p {
		delete(g.pollers, p.Account)
	}
}

// Describe is of prometheus.Collector.
func (g *progressGauges) Describe(to chan<- *prometheus.Desc) {
	to <- g.records
	to <- g.seconds
}

// Collect is of prometheus.Collector.
func (g *progressGauges) Collect(to chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for account, p := range g.pollers {
		times := p.timesLeft()
		for i, r := range p.resources {
			s := r.status()
			if s.Baseline == complete {
				continue
			}
			gauge := func(desc *prometheus.Desc, value float64) {
				to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, account, string(s.Resource))
			}
			if s.Remaining >= 0 {
				gauge(g.records, float64(s.Remaining))
			}
			if times[i] >= 0 {
				gauge(g.seconds, times[i].Seconds())
			}
		}
	}
}
