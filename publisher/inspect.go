package publisher

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Inspect looks at the stream as Ensure does, and makes none. Where there is none it looks whether another stream has
// its subjects, since then Ensure would fail.
func Inspect(ctx context.Context, js jetstream.JetStream, cfg StreamConfig) (Report, error) {
	s, err := js.Stream(ctx, cfg.Name)
	if err == nil {
		return review(s.CachedInfo(), cfg.wanted(), cfg.Template), nil
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return Report{}, fmt.Errorf("stream %s: %w", cfg.Name, explain(ctx, js, cfg, err))
	}
	r := Report{Missing: true}
	filter := cfg.Template.All()
	others := js.StreamNames(ctx, jetstream.WithStreamListSubject(filter))
	for name := range others.Name() {
		r.Faults = append(r.Faults, fmt.Sprintf(
			"stream %s has subjects of %s already; give nats.stream that name, or choose another nats.subject", name, filter))
	}
	if err := others.Err(); err != nil { // the user may not list streams, which a bridge does not need
		r.Warnings = append(r.Warnings, fmt.Sprintf("whether another stream has subjects of %s is not known: %s", filter, err))
	}
	return r, nil
}
