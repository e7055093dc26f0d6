package publisher

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Metrics are the counters of the publisher.
type Metrics struct {
	stored, duplicate prometheus.Counter // acknowledgements
	failures          *prometheus.CounterVec
	retries           prometheus.Counter
	duration          prometheus.Histogram

	mu     sync.Mutex // guards failed
	failed map[where]bool
}

// A where is a resource of an account. There are as many as the bridge follows.
type where struct {
	account  string
	resource schemas.Resource
}

// The reasons of a failure.
const (
	reasonAhead        = "ahead"        // the stream ends elsewhere than was thought: read back, and published again if need be
	reasonTimeout      = "timeout"      // no acknowledgement came
	reasonDisconnected = "disconnected" // from NATS
	reasonLease        = "lease"        // it ended before all was sent
	reasonRefused      = "refused"      // the server does not store it
	reasonOther        = "other"
)

// NewMetrics registers the counters with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	const ns = "cliniko_bridge"
	acks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: ns, Name: "publish_acks_total",
		Help: "Acknowledgements of events by the stream: stored, or a duplicate of one that it has.",
	}, []string{"result"})
	m := &Metrics{
		stored: acks.WithLabelValues("stored"), duplicate: acks.WithLabelValues("duplicate"),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: ns, Name: "publish_failures_total",
			Help: "Pages of events of which not all are known to be stored, by reason; they are read back and published again.",
		}, []string{"reason"}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: ns, Name: "publish_retries_total",
			Help: "Pages of events that were published after the one before, of the same resource and account, had failed.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: ns, Name: "publish_duration_seconds",
			Help:    "From the first event of a page being sent to the last acknowledgement.",
			Buckets: []float64{.001, .002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		failed: make(map[where]bool),
	}
	for _, reason := range []string{reasonAhead, reasonTimeout, reasonDisconnected, reasonLease, reasonRefused, reasonOther} {
		m.failures.WithLabelValues(reason)
	}
	reg.MustRegister(acks, m.failures, m.retries, m.duration)
	return m
}

func (m *Metrics) acknowledged(ack *jetstream.PubAck) {
	if ack.Duplicate {
		m.duplicate.Inc()
		return
	}
	m.stored.Inc()
}

// published takes note of how a page ended that began with e. To be asked to stop is no failure.
func (m *Metrics) published(e *schemas.Event, began time.Time, err error) {
	switch {
	case err == nil:
		m.duration.Observe(time.Since(began).Seconds())
	case errors.Is(err, context.Canceled):
		return
	default:
		m.failures.WithLabelValues(reasonOf(err)).Inc()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := where{e.Account, e.Resource}
	if m.failed[at] {
		m.retries.Inc()
	}
	if err == nil {
		delete(m.failed, at)
	} else {
		m.failed[at] = true
	}
}

// reasonOf is the label of a failure.
func reasonOf(err error) string {
	var api *jetstream.APIError
	switch {
	case errors.Is(err, schemas.ErrStreamAhead):
		return reasonAhead
	case errors.Is(err, jetstream.ErrAsyncPublishTimeout), errors.Is(err, nats.ErrTimeout), errors.Is(err, jetstream.ErrTooManyStalledMsgs):
		return reasonTimeout
	case errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionReconnecting),
		errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrConnectionDraining):
		return reasonDisconnected
	case errors.Is(err, context.DeadlineExceeded):
		return reasonLease
	case errors.As(err, &api), errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return reasonRefused
	default:
		return reasonOther
	}
}
