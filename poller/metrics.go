package poller

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the counters of the poller, shared by all accounts.
type Metrics struct {
	requests  *prometheus.CounterVec
	failures  *prometheus.CounterVec
	late      prometheus.Histogram
	missed    *prometheus.CounterVec
	sweeps    *prometheus.CounterVec
	gauges    *gauges
	fallbacks *prometheus.CounterVec // lists that were found to refuse something
}

// NewMetrics registers the counters with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	const ns = "cliniko_bridge"
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "requests_total", Help: "Requests to the API, by lane and by what became of them.",
		}, []string{"lane", "outcome"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "poll_failures_total", Help: "Polls that did not come through, by the class of the error.",
		}, []string{"resource", "class"}),
		fallbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "fallbacks_total", Help: "Lists found to refuse a sort or a filter, which are read without it since.",
		}, []string{"resource", "refused"}),
		late: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: ns, Name: "row_lateness_seconds",
			Help:    "How far behind the cursor a change was when it showed.",
			Buckets: []float64{1, 2, 5, 10, 30, 60, 120, 300, 900, 3600},
		}),
		missed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "missed_total",
			Help: "Changes that the sweep found and following the lists had not. It stays 0 if all is well.",
		}, []string{"resource"}),
		sweeps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "sweeps_total", Help: "Sweeps of a resource, by how they ended: ok, held, failed, skipped.",
		}, []string{"resource", "outcome"}),
		gauges: newGauges(ns),
	}
	reg.MustRegister(m.requests, m.failures, m.fallbacks, m.late, m.missed, m.sweeps, m.gauges)
	return m
}
