package publisher_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// A stream that is not there is made as the bridge wants it, once, and then there is nothing to say about it.
func TestEnsureCreates(t *testing.T) {
	js := publishertest.Start(t, publishertest.Options{}).JetStream(t)
	cfg := publisher.StreamConfig{Name: stream, Template: parse(t, publisher.DefaultTemplate)}
	var wg sync.WaitGroup
	for range 4 { // replicas that start together
		wg.Go(func() {
			if report, err := publisher.Ensure(t.Context(), js, cfg); err != nil || len(report.Faults)+len(report.Warnings) > 0 {
				t.Errorf("Ensure: %+v, %v", report, err)
			}
		})
	}
	wg.Wait()
	if report, err := publisher.Ensure(t.Context(), js, cfg); err != nil || report.Created {
		t.Errorf("Ensure again: %+v, %v", report, err)
	}
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	got := s.CachedInfo().Config
	if got.Storage != jetstream.FileStorage || got.Retention != jetstream.LimitsPolicy || got.Discard != jetstream.DiscardOld ||
		got.MaxAge != 720*time.Hour || got.Replicas != 1 || got.Duplicates != 2*time.Minute || !got.AllowDirect ||
		len(got.Subjects) != 1 || got.Subjects[0] != "cliniko.*.*" {
		t.Errorf("created %+v", got)
	}
}

func TestEnsureAges(t *testing.T) {
	js := publishertest.Start(t, publishertest.Options{}).JetStream(t)
	for _, c := range []struct{ age, window, wantAge, wantWindow time.Duration }{
		{time.Minute, 0, time.Minute, time.Minute},
		{time.Hour, time.Second, time.Hour, time.Second},
		{-1, 0, 0, 2 * time.Minute},
	} {
		_, err := publisher.Ensure(t.Context(), js, publisher.StreamConfig{
			Name: stream, Template: parse(t, publisher.DefaultTemplate), MaxAge: c.age, Duplicates: c.window,
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := js.Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.CachedInfo().Config; got.MaxAge != c.wantAge || got.Duplicates != c.wantWindow {
			t.Errorf("age %s, window %s: got %s and %s", c.age, c.window, got.MaxAge, got.Duplicates)
		}
		if err := js.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
	}
}

// What an operator's stream has that would break a promise is a fault, what may surprise is a warning, each a
// sentence; and the stream is left as it is.
func TestEnsureReviews(t *testing.T) {
	const byID = "cliniko.{resource}.{verb}.{id}"
	for name, c := range map[string]struct {
		template string
		change   func(*jetstream.StreamConfig)
		fault    string
		warning  string
	}{
		"nothing":             {change: func(*jetstream.StreamConfig) {}},
		"wider subjects":      {change: func(c *jetstream.StreamConfig) { c.Subjects = []string{"other", "cliniko.>"} }},
		"subjects to the end": {change: func(c *jetstream.StreamConfig) { c.Subjects = []string{"cliniko.*.>"} }},
		"narrow subjects":     {change: func(c *jetstream.StreamConfig) { c.Subjects = []string{"cliniko.patients.*"} }, fault: "does not take cliniko.*.*"},
		"shorter subjects":    {change: func(c *jetstream.StreamConfig) { c.Subjects = []string{"cliniko.*"} }, fault: "does not take cliniko.*.*"},
		"longer subjects":     {change: func(c *jetstream.StreamConfig) { c.Subjects = []string{"cliniko.*.*.>"} }, fault: "does not take cliniko.*.*"},
		"transform": {change: func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "cliniko.*.*", Destination: "x.{{wildcard(1)}}.{{wildcard(2)}}"}
		}, fault: "subject transform"},
		"work queue":     {change: func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }, fault: "retention WorkQueue"},
		"interest":       {change: func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy }, fault: "retention Interest"},
		"no ack":         {change: func(c *jetstream.StreamConfig) { c.NoAck = true }, fault: "no_ack"},
		"async persist":  {change: func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }, fault: "persist mode"},
		"one a subject":  {change: func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }, fault: "max_msgs_per_subject"},
		"one a record":   {template: byID, change: func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }, warning: "max_msgs_per_subject"},
		"memory":         {change: func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }, warning: "held in memory"},
		"discard new":    {change: func(c *jetstream.StreamConfig) { c.Discard, c.MaxBytes = jetstream.DiscardNew, 1<<20 }, warning: "refuses events when it is full"},
		"limits":         {change: func(c *jetstream.StreamConfig) { c.MaxMsgs = 1000 }, warning: "drops its oldest"},
		"small messages": {change: func(c *jetstream.StreamConfig) { c.MaxMsgSize = 4096 }, warning: "4096 bytes"},
		"short age":      {change: func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, warning: "for 1h0m0s, not 720h0m0s"},
		"no age":         {change: func(c *jetstream.StreamConfig) { c.MaxAge = 0 }, warning: "for ever, not 720h0m0s"},
		"sources": {change: func(c *jetstream.StreamConfig) {
			c.Sources = []*jetstream.StreamSource{{Name: "ELSEWHERE"}}
		}, warning: "copies messages"},
		"mirror": {change: func(c *jetstream.StreamConfig) {
			c.Mirror, c.Subjects = &jetstream.StreamSource{Name: "ELSEWHERE"}, nil
		}, fault: "is a mirror"},
	} {
		t.Run(name, func(t *testing.T) {
			js := publishertest.Start(t, publishertest.Options{}).JetStream(t)
			if c.template == "" {
				c.template = publisher.DefaultTemplate
			}
			cfg := publisher.StreamConfig{Name: stream, Template: parse(t, c.template)}
			made := jetstream.StreamConfig{Name: stream, Subjects: []string{cfg.Template.All()}, MaxAge: 720 * time.Hour}
			c.change(&made)
			if _, err := js.CreateStream(t.Context(), made); err != nil {
				t.Fatal(err)
			}
			report, err := publisher.Ensure(t.Context(), js, cfg)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, "fault", report.Faults, c.fault)
			expect(t, "warning", report.Warnings, c.warning)
			s, err := js.Stream(t.Context(), stream)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.CachedInfo().Config; got.MaxAge != made.MaxAge || got.MaxMsgSize != max(made.MaxMsgSize, -1) && made.MaxMsgSize != 0 {
				t.Errorf("the stream was changed: %+v", got)
			}
		})
	}
}

// expect fails unless one of got contains want, or none is there if want is "".
func expect(t *testing.T, kind string, got []string, want string) {
	t.Helper()
	if want == "" {
		if len(got) > 0 {
			t.Errorf("%ss are %q, want none", kind, got)
		}
		return
	}
	if !strings.Contains(strings.Join(got, "\n"), want) {
		t.Errorf("%ss are %q, want %q among them", kind, got, want)
	}
}

// A sealed stream can only be made by sealing one.
func TestEnsureSealed(t *testing.T) {
	js := publishertest.Start(t, publishertest.Options{}).JetStream(t)
	cfg := publisher.StreamConfig{Name: stream, Template: parse(t, publisher.DefaultTemplate)}
	if _, err := publisher.Ensure(t.Context(), js, cfg); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	sealed := s.CachedInfo().Config
	sealed.Sealed, sealed.MaxAge = true, 0
	if _, err := js.UpdateStream(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
	report, err := publisher.Ensure(t.Context(), js, cfg)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "fault", report.Faults, "sealed")
}

// Each way in which a stream cannot be had is told in words that an operator can act on.
func TestEnsureErrors(t *testing.T) {
	cfg := publisher.StreamConfig{Name: stream, Template: parse(t, publisher.DefaultTemplate)}
	t.Run("overlap", func(t *testing.T) {
		js := publishertest.Start(t, publishertest.Options{}).JetStream(t)
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "THEIRS", Subjects: []string{"cliniko.patients.>"}}); err != nil {
			t.Fatal(err)
		}
		_, err := publisher.Ensure(t.Context(), js, cfg)
		if err == nil || !strings.Contains(err.Error(), "stream THEIRS has subjects of cliniko.*.*") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("no JetStream", func(t *testing.T) {
		js := publishertest.Start(t, publishertest.Options{NoJetStream: true}).JetStream(t)
		_, err := publisher.Ensure(t.Context(), js, cfg)
		if err == nil || !strings.Contains(err.Error(), "runs without JetStream") {
			t.Errorf("error is %v", err)
		}
	})
	t.Run("replicas without a cluster", func(t *testing.T) {
		js := publishertest.Start(t, publishertest.Options{}).JetStream(t)
		many := cfg
		many.Replicas = 3
		if _, err := publisher.Ensure(t.Context(), js, many); err == nil || !strings.Contains(err.Error(), "stream CLINIKO") {
			t.Errorf("error is %v", err)
		}
	})
}
