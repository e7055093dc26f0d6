package diff

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Metrics are the counters of the diff stage, shared by all accounts.
type Metrics struct {
	events    *prometheus.CounterVec
	delay     *prometheus.HistogramVec
	setAside  *prometheus.CounterVec
	aside     *prometheus.GaugeVec
	drift     drift
	recovered *prometheus.CounterVec
	rebuilt   *prometheus.CounterVec // stores that were lost
	lost      *prometheus.CounterVec // streams that were
	refused   prometheus.Counter
}

// NewMetrics registers the counters with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	const ns = "cliniko_bridge"
	m := &Metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "events_total", Help: "Events acknowledged by the stream and committed.",
		}, []string{"resource", "verb"}),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: ns, Name: "detection_delay_seconds",
			Help:    "From a record's updated_at, by the API's clock, to its event being committed, by ours.",
			Buckets: []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 900, 3600, 6 * 3600, 24 * 3600},
		}, []string{"resource"}),
		setAside: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "records_set_aside_total", Help: "Records, and rows that are no record, that could not be handled.",
		}, []string{"resource"}),
		aside: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: ns, Name: "records_set_aside", Help: "Records that cannot be handled as they are now; /status names them. Absent if none.",
		}, []string{"account", "resource"}),
		drift: drift{changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "api_field_changes_total",
			Help: "Fields of the API that are not as documented, each once: appeared, vanished or retyped.",
		}, []string{"resource", "change"})},
		recovered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "events_recovered_total",
			Help: "Events that were in the stream and not in the store, read back after a stop or a loss.",
		}, []string{"resource"}),
		rebuilt: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "store_rebuilds_total",
			Help: "Resources whose state the store had lost, and that were made again from the stream and its checkpoints.",
		}, []string{"resource"}),
		lost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "stream_losses_total",
			Help: "Resources whose newest events were gone from the stream, which was purged, emptied by age or made anew.",
		}, []string{"resource"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: ns, Name: "pages_refused_total", Help: "Pages read again because stream or store had moved meanwhile.",
		}),
	}
	reg.MustRegister(m.events, m.delay, m.setAside, m.aside, m.drift.changes, m.recovered, m.rebuilt, m.lost, m.refused)
	return m
}

// begin has the counters of a resource that are rare stand at 0, so that the first time is seen as a rise.
func (m *Metrics) begin(name schemas.Resource) {
	for _, counter := range []*prometheus.CounterVec{m.setAside, m.recovered, m.rebuilt, m.lost} {
		counter.WithLabelValues(string(name))
	}
}
