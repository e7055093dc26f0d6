package publisher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// DefaultAckTimeout is how long a message may wait for its acknowledgement if nothing else is said.
const DefaultAckTimeout = 10 * time.Second

// maxPending is how many messages of all accounts together may wait for an acknowledgement. More is no faster
// (measured: 256 to 4096 do 100,000 messages a second and more); this many let forty pages be on their way at once.
const maxPending = 4096

// A Config says what a Publisher publishes into.
type Config struct {
	Stream     string // the stream's name; it exists
	Template   Template
	AckTimeout time.Duration // how long to wait for an acknowledgement; 0 means DefaultAckTimeout
	// Checkpoints is the bucket of EnsureCheckpoints; nil: no checkpoint is kept.
	Checkpoints jetstream.KeyValue
	Metrics     *Metrics // nil: nobody looks at them
}

// A Publisher puts events into one stream. It is safe for concurrent use, by many accounts at once, as long as one
// caller at a time publishes one resource of one account.
type Publisher struct {
	nc         *nats.Conn
	js         jetstream.JetStream
	stream     string
	template   Template
	ackTimeout time.Duration
	logger     *zap.Logger

	checkpoints jetstream.KeyValue // nil: none is kept

	metrics *Metrics

	maxMsgSize atomic.Int32 // of the stream, as it was last seen; 0 and less: it has none
}

// New makes a Publisher on nc, which stays the caller's and has to be closed after the last use of the Publisher.
// It asks for the stream once and returns an error if it is not there.
func New(ctx context.Context, nc *nats.Conn, cfg Config, logger *zap.Logger) (*Publisher, error) {
	timeout := cfg.AckTimeout
	if timeout == 0 {
		timeout = DefaultAckTimeout
	}
	js, err := jetstream.New(nc,
		// Without a time limit the acknowledgements that a closed connection owes are waited for for ever.
		jetstream.WithPublishAsyncTimeout(timeout),
		jetstream.WithPublishAsyncMaxPending(maxPending))
	if err != nil {
		return nil, err
	}
	p := &Publisher{
		nc: nc, js: js, stream: cfg.Stream, template: cfg.Template, ackTimeout: timeout, logger: logger,
		checkpoints: cfg.Checkpoints, metrics: cmp.Or(cfg.Metrics, NewMetrics(prometheus.NewRegistry())),
	}
	if _, err := p.look(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// MaxBytes is the size of the largest body of an event that the stream takes, in bytes. It follows what the server
// said last, and may be 0 for a stream with a tiny limit.
func (p *Publisher) MaxBytes() int {
	limit := p.nc.MaxPayload()
	if size := int64(p.maxMsgSize.Load()); size > 0 { // counts headers and body together, as the server's limit does
		limit = min(limit, size)
	}
	return int(max(limit-headerRoom, 0))
}

// Publish stores events, which are of one account and one resource, in their order, and returns the stream sequence
// of the last once every one is acknowledged. It returns last itself if nothing had to be stored, because the
// server remembers every id.
//
// It stores nothing and returns an error that wraps schemas.ErrStreamAhead unless the resource's last message has
// the stream sequence last (0: there is none). An error that says "not sent" stored nothing either. After any other
// error it is not known which events are stored: those that are, are the first n of them or some of the rest behind
// the first, but never a record's later event without its earlier ones; read back and see.
func (p *Publisher) Publish(ctx context.Context, events []schemas.Event, last uint64) (end uint64, err error) {
	if len(events) == 0 {
		return last, nil
	}
	began := time.Now()
	defer func() { p.metrics.published(&events[0], began, err) }()
	msgs, err := p.messages(events)
	if err != nil {
		return 0, fmt.Errorf("publish %s/%s: not sent: %w", events[0].Account, events[0].Resource, err)
	}
	end, err = p.store(ctx, events, msgs, p.template.Filter(events[0].Account, events[0].Resource), last)
	if err != nil {
		return 0, fmt.Errorf("publish %s/%s behind %d: %w", events[0].Account, events[0].Resource, last, disconnected(err))
	}
	return end, nil
}

// store is the order in which a page reaches the stream. msgs are those of events.
func (p *Publisher) store(ctx context.Context, events []schemas.Event, msgs []*nats.Msg, filter string, last uint64) (uint64, error) {
	// 1. One message alone, stored only if the resource ends at last. If we stop here: it is in the stream or it is
	//    not, and whoever publishes next with the same last finds out.
	//    A duplicate is a change that was told not long ago, and it is not told again. But it also took no place, so
	//    the next message has to carry the expectation in its stead. A single server looks at the expectation before it
	//    looks for the id, and a cluster after it (nats-server 2.15; tests hold it to that): where all are
	//    duplicates, whether the resource does end at last is asked for.
	sent, end := 0, last
	for end == last && sent < len(msgs) {
		ack, err := p.one(ctx, msgs[sent], filter, last)
		if err != nil {
			return 0, err
		}
		sent++
		if !ack.Duplicate {
			end = ack.Sequence
		}
	}
	if end == last {
		return last, p.endsAt(ctx, filter, last)
	}
	// 2. The others, all on their way at once. If we stop here, some of them are in the stream; the next publish
	//    fails on its expectation, and the caller reads them back. What a full stream or a new leader refuses may
	//    leave a gap among them, behind which others are stored. So a record's next event waits until those
	//    before it are acknowledged: whoever reads it back takes for told what stands before it.
	for sent < len(msgs) {
		n := distinct(events[sent:])
		last, err := p.burst(ctx, msgs[sent:sent+n])
		if err != nil {
			return 0, err
		}
		end, sent = max(end, last), sent+n
	}
	return end, nil
}

// distinct is how many events from the first on are of records of their own.
func distinct(events []schemas.Event) int {
	seen := make(map[schemas.ID]bool, len(events))
	for i := range events {
		if seen[events[i].RecordID] {
			return i
		}
		seen[events[i].RecordID] = true
	}
	return len(events)
}

// burst stores msgs, all on their way at once, and returns the greatest sequence of them.
func (p *Publisher) burst(ctx context.Context, msgs []*nats.Msg) (end uint64, failed error) {
	futures := make([]jetstream.PubAckFuture, 0, len(msgs))
	for _, m := range msgs {
		f, err := p.send(ctx, m)
		if err != nil {
			failed = err
			break
		}
		futures = append(futures, f)
	}
	// Every acknowledgement, even after one has failed: what is under way should have arrived, or be given up,
	// before anybody reads back. A duplicate among them carries the sequence of the first copy.
	for _, f := range futures {
		ack, err := p.wait(ctx, f)
		if err != nil {
			failed = errors.Join(failed, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		end = max(end, ack.Sequence)
	}
	if failed != nil {
		return 0, first(failed)
	}
	return end, nil
}

// one stores a single message under the condition that the last message matching filter has the sequence last.
func (p *Publisher) one(ctx context.Context, m *nats.Msg, filter string, last uint64) (*jetstream.PubAck, error) {
	f, err := p.send(ctx, m,
		jetstream.WithExpectStream(p.stream), // nothing goes into another stream that took over our subjects
		jetstream.WithExpectLastSequenceForSubject(last, filter))
	if err != nil {
		return nil, err
	}
	ack, err := p.wait(ctx, f)
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant) { // the latter while a cluster is still at another message
		return nil, fmt.Errorf("%w: %w", schemas.ErrStreamAhead, err)
	}
	return ack, err
}

// endsAt returns an error unless the last message that matches filter has the sequence last.
func (p *Publisher) endsAt(ctx context.Context, filter string, last uint64) error {
	switch end, err := p.lastSequence(ctx, filter); {
	case err != nil:
		return err
	case end != last:
		return fmt.Errorf("%w: it ends at %d", schemas.ErrStreamAhead, end)
	}
	return nil
}

// inTime tells whether ctx allows to send now. It looks at the wall clock, too: a timer may not have fired yet in a process
// that has just woken, and a deadline is the end of the sender's right to the account.
func inTime(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Round(0).Before(deadline.Round(0)) {
		return context.DeadlineExceeded
	}
	return ctx.Err()
}

func (p *Publisher) send(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	if err := inTime(ctx); err != nil {
		return nil, err
	}
	opts = append(opts,
		jetstream.WithStallWait(p.ackTimeout), // for room among maxPending
		jetstream.WithRetryAttempts(0))        // a message sent again later would stand behind those that follow it
	return p.js.PublishMsgAsync(m, opts...)
}

func (p *Publisher) wait(ctx context.Context, f jetstream.PubAckFuture) (*jetstream.PubAck, error) {
	select {
	case ack := <-f.Ok():
		p.metrics.acknowledged(ack)
		return ack, nil
	case err := <-f.Err():
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// first is the first of errors that errors.Join put together: a lost connection fails a hundred messages alike.
func first(err error) error {
	var joined interface{ Unwrap() []error }
	for errors.As(err, &joined) {
		err = joined.Unwrap()[0]
	}
	return err
}

// messages makes a message of each event, and says which cannot be one.
func (p *Publisher) messages(events []schemas.Event) ([]*nats.Msg, error) {
	limit := p.MaxBytes()
	msgs := make([]*nats.Msg, len(events))
	for i := range events {
		e := &events[i]
		if err := checkParts(e); err != nil {
			return nil, err
		}
		if e.Account != events[0].Account || e.Resource != events[0].Resource {
			return nil, fmt.Errorf("an event of %s/%s among them", e.Account, e.Resource)
		}
		body := e.AppendJSON(make([]byte, 0, len(e.Record)+768))
		if len(body) > limit {
			return nil, fmt.Errorf("the event of record %s has %d bytes and the stream takes %d", e.RecordID, len(body), limit)
		}
		msgs[i] = &nats.Msg{
			Subject: p.template.Subject(e.Account, e.Resource, e.Verb, e.RecordID),
			Header:  headersOf(e),
			Data:    body,
		}
	}
	return msgs, nil
}

// look asks the server how the stream stands.
func (p *Publisher) look(ctx context.Context) (*jetstream.StreamInfo, error) {
	s, err := p.js.Stream(ctx, p.stream)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", p.stream, err)
	}
	info := s.CachedInfo()
	p.maxMsgSize.Store(info.Config.MaxMsgSize)
	return info, nil
}
