package diff_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A stream that lost events and a store that was rebuilt are each counted once, and stand at 0 before, so that the first of them
// is seen as a rise.
func TestLossesAreCountedOnce(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := newBench(t)
	b.metrics = diff.NewMetrics(registry)
	b.restart(t)
	b.accept(t, opening(0, row("1", -500, 0, "A")), baseline(true), live(3, row("1", -500, 3, "B")))
	wantMetric(t, registry, "cliniko_bridge_stream_losses_total", 0)
	wantMetric(t, registry, "cliniko_bridge_store_rebuilds_total", 0)

	b.stream.messages, b.stream.sequence = nil, 0
	b.restart(t)
	b.accept(t, live(5, row("1", -500, 5, "C")))
	b.restart(t)
	b.accept(t, live(6, row("1", -500, 6, "D")))
	wantMetric(t, registry, "cliniko_bridge_stream_losses_total", 1)

	b.store.Flush()
	b.restart(t)
	b.accept(t, live(7, row("1", -500, 7, "E")))
	b.restart(t)
	b.accept(t, live(8, row("1", -500, 8, "F")))
	wantMetric(t, registry, "cliniko_bridge_store_rebuilds_total", 1)
}

// A snapshot tells of what is long known: it is no detection, and its age no delay.
func TestASnapshotHasNoDelay(t *testing.T) {
	registry := prometheus.NewRegistry()
	b := newBench(t)
	b.snapshot, b.metrics = true, diff.NewMetrics(registry)
	b.restart(t)
	b.accept(t, opening(0), baseline(true, row("1", -500, -400, "A")))
	delays := func() (n uint64) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "cliniko_bridge_detection_delay_seconds" {
				n += f.GetMetric()[0].GetHistogram().GetSampleCount()
			}
		}
		return n
	}
	if told := b.told(); len(told) != 1 || b.stream.messages[0].event.Verb != schemas.Snapshot || delays() != 0 {
		t.Errorf("told %q with %d delays, want a snapshot without", told, delays())
	}
	b.accept(t, live(3, row("1", -500, 3, "B")))
	if got := delays(); got != 1 {
		t.Errorf("%d delays after an update, want 1", got)
	}
}
