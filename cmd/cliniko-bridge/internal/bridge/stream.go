package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/embedded"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A stream publishes, notes what the server refuses, and makes the stream again if somebody has deleted it under a running
// bridge, and the embedded server if it has met a full disk. What was being published or read fails all the same; it is tried
// again like anything that fails.
type stream struct {
	*publisher.Publisher
	js       jetstream.JetStream
	config   publisher.StreamConfig
	embedded *embedded.Server // nil if NATS is another process
	log      *zap.Logger

	troubles troubles

	mu      sync.Mutex // guards the following
	mending bool       // somebody is at it; nobody waits for that
	mended  time.Time  // when it was last tried
	broken  bool       // it was said that nothing can be published
}

// mendWait is between two tries to mend a stream.
const mendWait = 5 * time.Second

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
	if err != nil {
		s.mend(ctx, err)
	}
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

// Error codes of a server that cannot store (nats-server 2.15, errors.json).
const (
	codeStoreFailed           jetstream.ErrorCode = 10077 // JSStreamStoreFailedF
	codeInsufficientResources jetstream.ErrorCode = 10023 // JSInsufficientResourcesErr
)

// mend does what can be done about err. What goes on for a night is said once, when it begins, and when it ends.
func (s *stream) mend(ctx context.Context, err error) {
	api, answered := errors.AsType[*jetstream.APIError](err)
	gone := errors.Is(err, jetstream.ErrStreamNotFound) || errors.Is(err, jetstream.ErrNoStreamResponse)
	unwritten := answered && (api.ErrorCode == codeStoreFailed || api.ErrorCode == codeInsufficientResources) ||
		err != nil && s.embedded != nil && s.embedded.Full()
	switch {
	case err == nil:
		s.settle("")
	case unwritten && s.begin():
		s.settle("the stream cannot be written to; it goes on when its disk has room: " + err.Error())
		if s.embedded != nil && s.embedded.StartAgain() == nil {
			s.settle("")
		}
		s.end(true)
	case gone && s.begin():
		report, err := publisher.Ensure(ctx, s.js, s.config)
		stopped := err != nil && errors.Is(ctx.Err(), context.Canceled) // that says nothing of the stream, and another may try at once
		switch {
		case stopped:
		case err != nil:
			s.settle("the stream is gone and cannot be made again: " + err.Error())
		default: // this bridge has made it, or another
			s.settle("")
		}
		if report.Created {
			s.log.Warn("the stream was gone and is made again; what it held is lost", zap.String("stream", s.config.Name))
		}
		s.end(!stopped)
	}
}

// begin says whether to mend the stream now: nobody is at it, and it is a while since somebody was. end has to follow.
func (s *stream) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mending || time.Since(s.mended) < mendWait {
		return false
	}
	s.mending = true
	return true
}

// end is the end of what begin began; tried says that it counts as a try.
func (s *stream) end(tried bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mending = false
	if tried {
		s.mended = time.Now()
	}
}

// settle takes note of what is the matter with the whole stream, "" if nothing is.
func (s *stream) settle(trouble string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.troubles.note("", trouble)
	switch {
	case trouble != "" && !s.broken:
		s.log.Warn("nothing can be published; it is tried again", zap.String("trouble", trouble))
	case trouble == "" && s.broken:
		s.log.Info("publishing goes on")
	}
	s.broken = trouble != ""
}
