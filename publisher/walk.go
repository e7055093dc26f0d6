package publisher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// readPause is the wait before a reading begins anew a second time without having got any further; it doubles.
	readPause = 50 * time.Millisecond
	// readPauseMost is the longest such wait.
	readPauseMost = 2 * time.Second
	// leaveWithin is how long a consumer's end may take. The caller may be on its way out.
	leaveWithin = time.Second
	// listenBeat is how often the server says that it is there while there is nothing to tell. A listener that misses
	// two of them begins anew.
	listenBeat = 2 * time.Second
)

// A walk goes through the messages of a stream in their order, each once, over lost connections, servers that start
// anew and messages that are removed meanwhile: it begins anew behind the last message that was visited.
type walk struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	stream  string
	purpose string        // of its consumers, for people who look at the server
	filters []string      // one at least; none of them overlaps with another
	timeout time.Duration // of one request to the server
	batch   int           // messages that are asked for at once
	tries   int           // how often in a row it may begin anew without having got any further
	visit   func(jetstream.Msg, *jetstream.MsgMetadata) error

	first   uint64    // the stream sequence of the first message that was visited, 0 before
	at      uint64    // all messages up to this stream sequence were visited
	since   time.Time // while at is 0: the first message is one that was stored then or later; zero: the first there is
	refused error     // what visit returned, if it was an error
}

// upTo visits the messages up to the stream sequence last. It stops at the first error of visit, and returns it.
func (w *walk) upTo(ctx context.Context, last uint64) error {
	w.refused = nil
	pause := readPause
	for tries := 0; w.at < last; {
		at := w.at
		err := w.session(ctx, last)
		switch {
		case w.refused != nil:
			return w.refused
		case ctx.Err() != nil:
			return ctx.Err()
		case w.at > at:
			tries, pause = 0, readPause
			continue
		}
		if tries++; tries == w.tries {
			return fmt.Errorf("stuck at %d of %d: %w", w.at, last, err)
		}
		// Nothing came. Either the connection is in a bad way, or the last message has gone meanwhile.
		if !rest(ctx, pause) {
			return ctx.Err()
		}
		pause = min(2*pause, readPauseMost)
		if still, err := w.end(ctx); err == nil {
			last = min(last, still)
		}
	}
	return nil
}

// session visits with one consumer until at reaches last or the consumer has no more. An error tells why it ended
// early; a message that was lost on the way is such a reason.
func (w *walk) session(ctx context.Context, last uint64) error {
	consumer, end, err := w.open(ctx)
	if err != nil {
		return err
	}
	defer end()
	delivered, pending := uint64(0), consumer.CachedInfo().NumPending
	if pending == 0 && w.byTime() { // everything is older
		w.at = last
		return nil
	}
	for pending > 0 && w.at < last {
		batch, err := consumer.FetchNoWait(int(min(pending, uint64(w.batch))))
		if err != nil {
			return err
		}
		if pending, err = w.take(ctx, batch, &delivered, last); err != nil {
			return err
		}
	}
	return errNoMore
}

// errNoMore says that a consumer had nothing further to give.
var errNoMore = errors.New("the server has no more messages for us")

// listen visits with one consumer what is there and what comes, until something is in the way. Its error is context.Canceled
// if the connection was lost.
func (w *walk) listen(ctx context.Context) error {
	ctx, stop := w.whileConnected(ctx)
	defer stop()
	consumer, end, err := w.open(ctx)
	if err != nil {
		return err
	}
	defer end()
	for delivered := uint64(0); ; {
		batch, err := consumer.Fetch(w.batch, jetstream.FetchContext(ctx), jetstream.FetchHeartbeat(listenBeat))
		if err != nil {
			return err
		}
		if _, err := w.take(ctx, batch, &delivered, 0); err != nil {
			return err
		}
	}
}

// whileConnected is ctx, and ends also when the connection is lost: else that would show in a missing heartbeat alone. stop
// has to be called.
func (w *walk) whileConnected(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	lost := w.nc.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-lost:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		<-watched
		w.nc.RemoveStatusListener(lost)
	}
}

// byTime tells whether a consumer has to begin at a time: nothing was visited yet that it could begin behind.
func (w *walk) byTime() bool { return w.at == 0 && !w.since.IsZero() }

// open makes a consumer of what is behind at. end deletes it.
func (w *walk) open(ctx context.Context) (consumer jetstream.Consumer, end func(), err error) {
	cfg := jetstream.ConsumerConfig{
		Name:              "", // of the server's choice
		Description:       w.purpose,
		FilterSubjects:    w.filters,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       w.at + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		Replicas:          1,
		MemoryStorage:     true,
		InactiveThreshold: time.Minute, // it is deleted by end; this is for a connection that is lost first
	}
	if len(w.filters) == 1 { // then the subject of the request names it, for the server's permissions
		cfg.FilterSubject, cfg.FilterSubjects = w.filters[0], nil
	}
	if w.byTime() {
		cfg.DeliverPolicy, cfg.OptStartSeq, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, 0, &w.since
	}
	short, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	consumer, err = w.js.CreateConsumer(short, w.stream, cfg)
	if err != nil {
		return nil, nil, err
	}
	return consumer, func() {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
		defer cancel()
		_ = w.js.DeleteConsumer(short, w.stream, consumer.CachedInfo().Name) // else it goes after a minute
	}, nil
}

// take visits what a batch brings, up to last if that is not 0, and returns how many messages the consumer has left; 0
// if the batch brought none. delivered counts the consumer's messages.
func (w *walk) take(ctx context.Context, batch jetstream.MessageBatch, delivered *uint64, last uint64) (left uint64, err error) {
	for msg := range until(ctx, batch.Messages()) {
		meta, err := msg.Metadata()
		if err != nil {
			return 0, err
		}
		if *delivered++; meta.Sequence.Consumer != *delivered {
			return 0, errors.New("a message was lost on the way")
		}
		if last > 0 && meta.Sequence.Stream > last {
			w.at = last // what came later is not asked for
			return 0, nil
		}
		if w.refused = w.visit(msg, meta); w.refused != nil {
			return 0, w.refused
		}
		if w.first == 0 {
			w.first = meta.Sequence.Stream
		}
		w.at, left = meta.Sequence.Stream, meta.NumPending
	}
	return left, batch.Error()
}

// end is the stream sequence of the last message that matches one of the filters, 0 if there is none.
func (w *walk) end(ctx context.Context) (uint64, error) {
	last := uint64(0)
	for _, filter := range w.filters {
		sequence, err := lastSequence(ctx, w.nc, w.stream, filter, w.timeout)
		if err != nil {
			return 0, err
		}
		last = max(last, sequence)
	}
	return last, nil
}

// rest waits, and tells whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// until yields what comes from c until it is closed or ctx ends.
func until(ctx context.Context, c <-chan jetstream.Msg) func(yield func(jetstream.Msg) bool) {
	return func(yield func(jetstream.Msg) bool) {
		for {
			select {
			case msg, ok := <-c:
				if !ok || !yield(msg) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// lastSequence is the stream sequence of the last message that matches filter, 0 if there is none. It asks the
// stream's leader, as the expectation of Publish does: a direct get may be answered by a replica that is behind.
func lastSequence(ctx context.Context, nc *nats.Conn, stream, filter string, timeout time.Duration) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := json.Marshal(map[string]string{"last_by_subj": filter})
	if err != nil {
		return 0, err
	}
	answer, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, request)
	if err != nil {
		return 0, fmt.Errorf("last message on %s: %w", filter, err)
	}
	var got struct {
		Message struct {
			Sequence uint64 `json:"seq"`
		} `json:"message"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &got); err != nil {
		return 0, fmt.Errorf("last message on %s: the answer is not JSON", filter)
	}
	if got.Error != nil && got.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		return 0, nil
	}
	if got.Error != nil {
		return 0, fmt.Errorf("last message on %s: %w", filter, got.Error)
	}
	return got.Message.Sequence, nil
}
