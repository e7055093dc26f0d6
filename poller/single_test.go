package poller

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func forbidden(path string) error {
	return &cliniko.Error{Kind: cliniko.Forbidden, Path: path, Status: 403}
}

// The settings that a role may not see are followed by their public part, under the same id, which is said once; and as
// soon as the role may see them, by the whole of them.
func TestSettingsFallBackToTheirPublicPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := newTree(), newSink(t)
		src.objects["/settings/public"] = `{"account":1}`
		src.objects["/settings"] = `{"account":1,"sms":2}`
		src.failures["/settings"] = forbidden("/settings")
		core, logs := observer.New(zap.InfoLevel)
		r := newWalker(src, s, "settings", zap.New(core))
		poll := func() {
			r.poll(t.Context(), t.Context())
			time.Sleep(time.Minute)
		}
		for range 30 {
			poll()
		}
		if got := s.seen["settings"]; got != `{"account":1}` || r.status().LastError != "" || r.status().Baseline != "complete" {
			t.Fatalf("the sink has %q; %+v", got, r.status())
		}
		if tries := src.count("/settings"); tries < 2 || tries > 4 {
			t.Errorf("the settings were tried %d times in half an hour", tries)
		}
		if n := logs.FilterMessageSnippet("public part").Len(); n != 1 {
			t.Errorf("it was said %d times", n)
		}

		delete(src.failures, "/settings")
		for range 11 {
			poll()
		}
		if got := s.seen["settings"]; got != `{"account":1,"sms":2}` {
			t.Fatalf("with the right: %q", got)
		}
		if n := len(s.seen); n != 1 {
			t.Errorf("%d records, want the settings alone", n)
		}
	})
}

// One 403 after the settings were seen in full may be a mistake: they do not shrink by it, but by one that lasts.
func TestOneForbiddenAnswerDoesNotShrinkTheSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, s := newTree(), newSink(t)
		src.objects["/settings/public"] = `{"account":1}`
		src.objects["/settings"] = `{"account":1,"sms":2}`
		r := newWalker(src, s, "settings", zap.NewNop())
		for minute := range 60 {
			switch minute {
			case 1, 30:
				src.failures["/settings"] = forbidden("/settings")
			case 5:
				delete(src.failures, "/settings")
			}
			r.poll(t.Context(), t.Context())
			if got, want := s.seen["settings"], src.objects["/settings"]; minute < 30 && got != want {
				t.Fatalf("minute %d: the sink has %q", minute, got)
			}
			time.Sleep(time.Minute)
		}
		if got, want := s.seen["settings"], src.objects["/settings/public"]; got != want {
			t.Errorf("after half an hour of 403: %q", got)
		}
	})
}

// newWalker is the reader of a resource of 2017 that has one feed.
func newWalker(src Source, s Sink, name schemas.Resource, log *zap.Logger) *reader {
	spec, _ := schemas.Lookup(schemas.Edition2017, name)
	r := newResource(&Config{
		Account: "northside", Source: src, Sink: s, Log: log, Metrics: NewMetrics(prometheus.NewRegistry()),
	}, spec, staggered{every: 60})
	return r.readers[0]
}
