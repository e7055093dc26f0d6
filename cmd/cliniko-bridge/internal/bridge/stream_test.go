package bridge

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
)

// hanging is a JetStream that has no answer until it is let go.
type hanging struct {
	jetstream.JetStream
	asked, done chan struct{}
}

func (h *hanging) Stream(context.Context, string) (jetstream.Stream, error) {
	close(h.asked)
	<-h.done
	return nil, errors.New("no answer")
}

// While one publisher mends the stream, which may take a minute, no other waits for it.
func TestNobodyWaitsForTheOneWhoMendsTheStream(t *testing.T) {
	js := &hanging{asked: make(chan struct{}), done: make(chan struct{})}
	s := &stream{js: js, log: zap.NewNop()}
	first, others := make(chan struct{}), make(chan struct{})
	go func() { s.mend(t.Context(), jetstream.ErrStreamNotFound); close(first) }()
	<-js.asked
	go func() {
		s.mend(t.Context(), jetstream.ErrStreamNotFound)
		s.mend(t.Context(), nil)
		close(others)
	}()
	select {
	case <-others:
	case <-time.After(time.Minute):
		t.Error("another waits")
	}
	close(js.done)
	<-first
	<-others
	if reasons := s.troubles.reasons(); len(reasons) != 1 {
		t.Errorf("the trouble is %q, want that the stream cannot be made again", reasons)
	}
}
