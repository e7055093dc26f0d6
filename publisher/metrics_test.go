package publisher_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Acknowledgements, failures by reason, and what is published again after a failure are counted; the time that a page took,
// if it came through.
func TestPublishingIsCounted(t *testing.T) {
	r := standard(t)
	reg := prometheus.NewRegistry()
	p, err := publisher.New(t.Context(), r.nc, publisher.Config{
		Stream: stream, Template: parse(t, publisher.DefaultTemplate), Metrics: publisher.NewMetrics(reg),
	}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"acks stored": 0, "acks duplicate": 0, "failures ahead": 0, "failures timeout": 0, "failures disconnected": 0,
		"failures lease": 0, "failures refused": 0, "failures other": 0, "retries": 0, "pages": 0,
	}
	hold := func(when string) {
		t.Helper()
		if got := counts(t, reg); !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", when, got, want)
		}
	}
	hold("at first")
	list := events("northside", 1, 5)
	end, err := p.Publish(t.Context(), list, 0)
	if err != nil {
		t.Fatal(err)
	}
	want["acks stored"], want["pages"] = 5, 1
	hold("a page")
	if _, err := p.Publish(t.Context(), events("northside", 10, 2), 0); !errors.Is(err, schemas.ErrStreamAhead) {
		t.Fatal(err)
	}
	want["failures ahead"] = 1
	hold("a page that expected less")
	if end, err = p.Publish(t.Context(), events("northside", 10, 2), end); err != nil {
		t.Fatal(err)
	}
	want["acks stored"], want["pages"], want["retries"] = 7, 2, 1
	hold("the same again")
	if _, err := p.Publish(t.Context(), events("northside", 10, 2), end); err != nil {
		t.Fatal(err)
	}
	want["acks duplicate"], want["pages"] = 2, 3
	hold("what the stream has")
	r.nc.Close()
	if _, err := p.Publish(t.Context(), list, end); err == nil {
		t.Fatal("published into a closed connection")
	}
	want["failures disconnected"] = 1
	hold("without a connection")
}

// counts are the publisher's counters, by name and label.
func counts(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	short := map[string]string{
		"cliniko_bridge_publish_acks_total": "acks ", "cliniko_bridge_publish_failures_total": "failures ",
		"cliniko_bridge_publish_retries_total": "retries", "cliniko_bridge_publish_duration_seconds": "pages",
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := short[f.GetName()]
			if labels := m.GetLabel(); len(labels) > 0 {
				name += labels[0].GetValue()
			}
			got[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return got
}
