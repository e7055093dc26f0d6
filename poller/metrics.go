package poller

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the counters of the poller, shared by all accounts.
type Metrics struct {
	requests *prometheus.CounterVec
	failures *prometheus.CounterVec
	badRows  *prometheus.CounterVec
	late     prometheus.Histogram
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
		badRows: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "bad_rows_total", Help: "Rows of the API that are no record: no id, no stamp.",
		}, []string{"resource"}),
		late: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: ns, Name: "row_lateness_seconds",
			Help:    "How far behind the cursor a change was when it showed.",
			Buckets: []float64{1, 2, 5, 10, 30, 60, 120, 300, 900, 3600},
		}),
	}
	reg.MustRegister(m.requests, m.failures, m.badRows, m.late)
	return m
}
