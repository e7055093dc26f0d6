package publisher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Place is a stream on a server. The connection stays the caller's.
type Place struct {
	Conn   *nats.Conn
	Stream string
}

const (
	copyBatch  = 500     // messages that are asked for at once
	copyFlight = 8 << 20 // bytes, about, that may wait for their acknowledgements
	copyTries  = 4       // how often in a row a copying may begin anew without having got any further
)

// ErrOther says that a stream that was to be a copy holds something else.
var ErrOther = errors.New("it holds other messages")

// Copy copies all messages of the stream from into the stream to, each with its subject, headers and body, and at the very stream
// sequence that it has in from: whoever remembers a sequence of the one is right about the other. What was removed from the one
// is a gap in the other. Their time is new, as nobody can set it, and with it their age.
//
// to is empty, or holds what an earlier Copy left that was stopped at any moment: then it goes on behind that. It returns
// ErrOther if it finds that to ends otherwise. Nobody may publish into either of them meanwhile. t is the template of their
// subjects; progress is called now and then with the sequence up to which all is copied.
func Copy(ctx context.Context, from, to Place, t Template, progress func(at uint64)) error {
	c := &copying{from: from.Stream, to: to.Stream, filler: t.Subject("none", "none", "none", "none"), progress: progress}
	err := c.open(from.Conn, to.Conn)
	if err == nil {
		err = c.run(ctx)
	}
	if err != nil {
		return fmt.Errorf("copy stream %s: %w", from.Stream, err)
	}
	return nil
}

// A copying is one Copy at work.
type copying struct {
	reader, writer jetstream.JetStream
	from, to       string // the streams' names
	filler         string // the subject of what fills a gap for a moment
	progress       func(at uint64)

	at     uint64 // all up to this sequence are in to, and acknowledged
	sent   uint64 // and up to this one on their way
	flight []jetstream.PubAckFuture
	bytes  int // of the messages in flight
}

func (c *copying) open(from, to *nats.Conn) (err error) {
	if c.reader, err = jetstream.New(from); err != nil {
		return err
	}
	c.writer, err = jetstream.New(to, jetstream.WithPublishAsyncTimeout(DefaultAckTimeout), jetstream.WithPublishAsyncMaxPending(maxPending))
	return err
}

func (c *copying) run(ctx context.Context) error {
	source, err := c.reader.Stream(ctx, c.from)
	if err != nil {
		return err
	}
	state := source.CachedInfo().State
	for tries := 0; ; {
		was := c.at
		if err := c.resume(ctx, source, state.FirstSeq); err != nil {
			return err
		}
		if c.at >= state.LastSeq {
			if c.at > state.LastSeq {
				return fmt.Errorf("%w: it ends at %d, behind %d", ErrOther, c.at, state.LastSeq)
			}
			return nil
		}
		err := c.session(ctx, state.LastSeq)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case c.at > was:
			tries = 0
		}
		if tries++; tries == copyTries {
			return fmt.Errorf("message %d: %w", c.at+1, err)
		}
		select { // a connection that was lost comes back
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(tries) * time.Second):
		}
	}
}

// resume finds out where to ends, and makes it begin where source does.
func (c *copying) resume(ctx context.Context, source jetstream.Stream, first uint64) error {
	target, err := c.writer.Stream(ctx, c.to)
	if err != nil {
		return err
	}
	state := target.CachedInfo().State
	c.at, c.sent, c.flight, c.bytes = state.LastSeq, state.LastSeq, nil, 0
	switch {
	case c.at+1 < first:
		// What source has dropped is dropped here. Of an empty stream that sets the sequence of its next message.
		if err := target.Purge(ctx, jetstream.WithPurgeSequence(first)); err != nil {
			return fmt.Errorf("begin at %d: %w", first, err)
		}
		c.at, c.sent = first-1, first-1
		return nil
	case state.Msgs == 0 || c.at == 0:
		return nil
	}
	last, err := target.GetMsg(ctx, c.at)
	if errors.Is(err, jetstream.ErrMsgNotFound) { // a gap
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at message %d: %w", c.at, err)
	}
	if last.Subject == c.filler { // it was stopped before that was removed
		return target.DeleteMsg(ctx, c.at)
	}
	original, err := source.GetMsg(ctx, c.at)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound): // it was dropped since, by its age
		return nil
	case err != nil:
		return fmt.Errorf("look at message %d: %w", c.at, err)
	case original.Subject != last.Subject || original.Header.Get(HeaderID) != last.Header.Get(HeaderID):
		return fmt.Errorf("%w: message %d", ErrOther, c.at)
	}
	return nil
}

// session copies with one consumer until last, or something fails.
func (c *copying) session(ctx context.Context, last uint64) error {
	consumer, err := c.reader.CreateConsumer(ctx, c.from, jetstream.ConsumerConfig{
		Description:       "cliniko-bridge copies the stream",
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       c.at + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		Replicas:          1,
		MemoryStorage:     true,
		InactiveThreshold: time.Minute, // it is deleted below; this is for a process that is killed first
	})
	if err != nil {
		return err
	}
	info := consumer.CachedInfo()
	defer func() { _ = c.reader.DeleteConsumer(context.WithoutCancel(ctx), c.from, info.Name) }() // else it goes after a minute

	delivered := uint64(0)
	for pending := info.NumPending; pending > 0; {
		batch, err := consumer.Fetch(int(min(pending, copyBatch)), jetstream.FetchMaxWait(DefaultAckTimeout))
		if err != nil {
			return err
		}
		got := false
		for msg := range until(ctx, batch.Messages()) {
			meta, err := msg.Metadata()
			if err != nil {
				return err
			}
			if delivered++; meta.Sequence.Consumer != delivered {
				return errors.New("a message was lost on the way")
			}
			if err := c.put(ctx, meta.Sequence.Stream, msg); err != nil {
				return err
			}
			pending, got = meta.NumPending, true
		}
		if err := errors.Join(batch.Error(), ctx.Err()); err != nil {
			return err
		}
		if !got {
			return errors.New("the server has no more messages for us")
		}
	}
	if err := c.fill(ctx, last); err != nil { // what was removed at the end
		return err
	}
	return c.land(ctx)
}

// put sends a message that is to have the sequence.
func (c *copying) put(ctx context.Context, sequence uint64, msg jetstream.Msg) error {
	if err := c.fill(ctx, sequence-1); err != nil {
		return err
	}
	f, err := c.writer.PublishMsgAsync(
		&nats.Msg{Subject: msg.Subject(), Header: kept(msg.Headers()), Data: msg.Data()},
		jetstream.WithExpectStream(c.to), jetstream.WithExpectLastSequence(sequence-1),
		jetstream.WithRetryAttempts(0), jetstream.WithStallWait(DefaultAckTimeout))
	if err != nil {
		return err
	}
	c.flight, c.sent, c.bytes = append(c.flight, f), sequence, c.bytes+len(msg.Data())
	if len(c.flight) < copyBatch && c.bytes < copyFlight {
		return nil
	}
	return c.land(ctx)
}

// kept are the headers of a message that are its own: not those that told the server of its time what to expect, or to do.
func kept(h nats.Header) nats.Header {
	out := make(nats.Header, len(h))
	for name, values := range h {
		if name == HeaderID || !strings.HasPrefix(strings.ToLower(name), "nats-") {
			out[name] = values
		}
	}
	return out
}

// land waits for all acknowledgements.
func (c *copying) land(ctx context.Context) error {
	next := c.sent - uint64(len(c.flight)) + 1 // no gap is among them
	for _, f := range c.flight {
		select {
		case ack := <-f.Ok():
			if ack.Sequence != next {
				return fmt.Errorf("%w: message %d has the id of message %d", ErrOther, next, ack.Sequence)
			}
			c.at = next
			next++
		case err := <-f.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.flight, c.bytes = nil, 0
	c.progress(c.at)
	return nil
}

// fill leaves a gap up to the sequence to, if there is one: for each message that is not there one is stored and removed.
func (c *copying) fill(ctx context.Context, to uint64) error {
	if c.sent >= to {
		return nil
	}
	if err := c.land(ctx); err != nil {
		return err
	}
	target, err := c.writer.Stream(ctx, c.to)
	if err != nil {
		return err
	}
	for c.at < to {
		_, err := c.writer.PublishMsg(ctx, &nats.Msg{Subject: c.filler},
			jetstream.WithExpectStream(c.to), jetstream.WithExpectLastSequence(c.at))
		if err != nil {
			return fmt.Errorf("leave a gap: %w", err)
		}
		// If we stop here, the filler is the last message, and resume removes it.
		if err := target.DeleteMsg(ctx, c.at+1); err != nil {
			return fmt.Errorf("leave a gap: %w", err)
		}
		c.at, c.sent = c.at+1, c.at+1
	}
	return nil
}

// Last is the stream sequence of the last event of account's resource, 0 if there is none.
func (p *Publisher) Last(ctx context.Context, account string, resource schemas.Resource) (uint64, error) {
	return p.lastSequence(ctx, p.template.Filter(account, resource))
}
