package publisher_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// Inspect makes no stream, finds nothing wrong with the one that Ensure makes, and says of a bad one what Ensure says.
func TestInspectLooksAndMakesNothing(t *testing.T) {
	js := publishertest.Start(t, publishertest.Options{}).JetStream(t)
	cfg := publisher.StreamConfig{Name: stream, Template: parse(t, publisher.DefaultTemplate)}
	report, err := publisher.Inspect(t.Context(), js, cfg)
	if err != nil || !report.Missing || report.Created || len(report.Faults)+len(report.Warnings) > 0 {
		t.Errorf("without a stream: %+v, %v", report, err)
	}
	if _, err := js.Stream(t.Context(), stream); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("after Inspect the stream answers %v, want that there is none", err)
	}
	if _, err := publisher.Ensure(t.Context(), js, cfg); err != nil {
		t.Fatal(err)
	}
	report, err = publisher.Inspect(t.Context(), js, cfg)
	if err != nil || report.Missing || report.Created || len(report.Faults)+len(report.Warnings) > 0 {
		t.Errorf("with the stream of Ensure: %+v, %v", report, err)
	}
	cfg.Template = parse(t, "clinic.{resource}.{verb}")
	report, err = publisher.Inspect(t.Context(), js, cfg)
	if err != nil || len(report.Faults) != 1 || !strings.Contains(report.Faults[0], "does not take clinic.*.*") {
		t.Errorf("with a stream on other subjects: %+v, %v", report, err)
	}
}

// What would keep Ensure from making the stream is a fault before it tries.
func TestInspectFindsAnOverlap(t *testing.T) {
	js := publishertest.Start(t, publishertest.Options{}).JetStream(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"cliniko.>"}}); err != nil {
		t.Fatal(err)
	}
	report, err := publisher.Inspect(t.Context(), js, publisher.StreamConfig{Name: stream, Template: parse(t, publisher.DefaultTemplate)})
	if err != nil || !report.Missing || len(report.Faults) != 1 || !strings.Contains(report.Faults[0], "stream OTHER has subjects of cliniko.*.*") {
		t.Errorf("Inspect: %+v, %v", report, err)
	}
}

func TestInspectWithoutJetStream(t *testing.T) {
	js := publishertest.Start(t, publishertest.Options{NoJetStream: true}).JetStream(t)
	_, err := publisher.Inspect(t.Context(), js, publisher.StreamConfig{Name: stream, Template: parse(t, publisher.DefaultTemplate)})
	if err == nil || !strings.Contains(err.Error(), "runs without JetStream") {
		t.Errorf("Inspect: %v", err)
	}
}
