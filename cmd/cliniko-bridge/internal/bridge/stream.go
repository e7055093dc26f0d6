package bridge

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A stream publishes, notes what the server refuses, and makes the stream again if somebody has deleted it under a running bridge. What was being published or
// read fails all the same; it is tried again like anything that fails.
type stream struct {
	*publisher.Publisher
	js     jetstream.JetStream
	config publisher.StreamConfig
	log    *zap.Logger

	troubles troubles
}

// Publish is diff.Publisher's.
func (s *stream) Publish(ctx context.Context, events []schemas.Event, last uint64) (uint64, error) {
	end, err := s.Publisher.Publish(ctx, events, last)
	if reason := publisher.Refusal(s.config.Name, err); len(events) > 0 && (err == nil || reason != "") {
		s.troubles.note(place(events[0].Account, events[0].Resource), reason)
	}
	s.mend(ctx, err)
	return end, err
}

// ReadBack is diff.Publisher's.
func (s *stream) ReadBack(ctx context.Context, account string, resource schemas.Resource, after uint64,
	f func(uint64, schemas.Event) error,
) (schemas.Extent, error) {
	extent, err := s.Publisher.ReadBack(ctx, account, resource, after, f)
	if reason := publisher.Refusal(s.config.Name, err); reason != "" { // one that comes through says nothing of publishing
		s.troubles.note(place(account, resource), reason)
	}
	s.mend(ctx, err)
	return extent, err
}

// PutCheckpoint is diff.Publisher's. A bucket that somebody has deleted is made again, for the next one.
func (s *stream) PutCheckpoint(ctx context.Context, account string, resource schemas.Resource, value []byte) error {
	err := s.Publisher.PutCheckpoint(ctx, account, resource, value)
	if errors.Is(err, jetstream.ErrNoStreamResponse) {
		_, _ = publisher.EnsureCheckpoints(ctx, s.js, s.config)
	}
	return err
}

func place(account string, resource schemas.Resource) string { return account + "/" + string(resource) }

func (s *stream) mend(ctx context.Context, err error) {
	if !errors.Is(err, jetstream.ErrStreamNotFound) && !errors.Is(err, jetstream.ErrNoStreamResponse) {
		return
	}
	report, err := publisher.Ensure(ctx, s.js, s.config)
	switch {
	case err != nil:
		s.log.Warn("the stream is gone and could not be made again; trying again", zap.Error(err))
	case report.Created:
		s.log.Warn("the stream was gone and is made again; what it held is lost", zap.String("stream", s.config.Name))
	}
}
