package publisher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const (
	// readBatch is how many messages are asked for at once while reading back.
	readBatch = 1000
	// readTries is how often in a row a reading may begin anew without having got any further.
	readTries = 4
	// readPause is the wait before the second try; it doubles.
	readPause = 50 * time.Millisecond
)

// ReadBack calls f with the events of account's resource behind the stream sequence after, oldest first, up to the
// last that is there when it is called, and returns the extent of the stream. sequence is the event's own stream
// sequence. It stops at the first error of f and returns it.
//
// A message that is no event of this resource of this account is passed over, with a warning for all of them. The
// extent counts it all the same, as the expectation of Publish does. A message that is removed while it is due to be
// read is not waited for.
func (p *Publisher) ReadBack(ctx context.Context, account string, resource schemas.Resource, after uint64,
	f func(sequence uint64, e schemas.Event) error,
) (schemas.Extent, error) {
	r := reading{
		p: p, account: account, resource: resource, filter: p.template.Filter(account, resource), f: f, at: after,
	}
	extent, err := r.run(ctx)
	if r.strange > 0 {
		p.logger.Warn("messages that are no events of the resource were passed over", zap.String("account", account),
			zap.String("resource", string(resource)), zap.Int("messages", r.strange), zap.Uint64("first_sequence", r.firstStrange))
	}
	if err != nil && !errors.Is(err, r.refused) {
		err = fmt.Errorf("read %s/%s back behind %d: %w", account, resource, after, err)
	}
	return extent, err
}

// A reading is one call of ReadBack.
type reading struct {
	p            *Publisher
	account      string
	resource     schemas.Resource
	filter       string
	f            func(uint64, schemas.Event) error
	at           uint64 // all events up to this stream sequence have been given to f
	refused      error  // what f returned, if it was an error
	strange      int    // messages that were passed over
	firstStrange uint64
}

func (r *reading) run(ctx context.Context) (schemas.Extent, error) {
	// In this order: what is in the stream up to newest is read below, and what is dropped until the end of the
	// reading shows in the second look.
	before, err := r.p.look(ctx)
	if err != nil {
		return schemas.Extent{}, err
	}
	last, err := r.p.lastSequence(ctx, r.filter)
	if err != nil {
		return schemas.Extent{}, err
	}
	if err := r.upTo(ctx, last); err != nil {
		return schemas.Extent{}, err
	}
	now, err := r.p.look(ctx)
	if err != nil {
		return schemas.Extent{}, err
	}
	return schemas.Extent{
		Last:    last,
		Dropped: now.State.Msgs < now.State.LastSeq, // sequences begin at 1 and have no gap but for what was removed
		Newest:  max(before.State.LastSeq, last),
	}, nil
}

// upTo reads until at reaches last, beginning anew where it stopped whenever something comes in between.
func (r *reading) upTo(ctx context.Context, last uint64) error {
	pause := readPause
	for tries := 0; r.at < last; {
		at := r.at
		err := r.session(ctx, last)
		switch {
		case r.refused != nil:
			return r.refused
		case ctx.Err() != nil:
			return ctx.Err()
		case r.at > at:
			tries, pause = 0, readPause
			continue
		}
		if tries++; tries == readTries {
			return fmt.Errorf("stuck at %d of %d: %w", r.at, last, err)
		}
		// Nothing came. Either the connection is in a bad way, or the last message has gone meanwhile.
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		pause *= 2
		if still, err := r.p.lastSequence(ctx, r.filter); err == nil {
			last = min(last, still)
		}
	}
	return nil
}

// session reads with one consumer until at reaches last or the consumer has no more. An error tells why it ended
// early; a message that was lost on the way is such a reason.
func (r *reading) session(ctx context.Context, last uint64) error {
	short, cancel := context.WithTimeout(ctx, r.p.ackTimeout)
	defer cancel()
	consumer, err := r.p.js.CreateConsumer(short, r.p.stream, jetstream.ConsumerConfig{
		Name:              "", // of the server's choice
		Description:       "cliniko-bridge reads back",
		FilterSubject:     r.filter,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       r.at + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		Replicas:          1,
		MemoryStorage:     true,
		InactiveThreshold: time.Minute, // it is deleted below; this is for a connection that is lost first
	})
	if err != nil {
		return err
	}
	info := consumer.CachedInfo()
	defer func() { _ = r.p.js.DeleteConsumer(short, r.p.stream, info.Name) }() // else it goes after a minute

	delivered := uint64(0)
	for pending := info.NumPending; pending > 0 && r.at < last; {
		batch, err := consumer.FetchNoWait(int(min(pending, readBatch)))
		if err != nil {
			return err
		}
		pending = 0 // unless a message says otherwise
		for msg := range until(ctx, batch.Messages()) {
			meta, err := msg.Metadata()
			if err != nil {
				return err
			}
			if delivered++; meta.Sequence.Consumer != delivered {
				return errors.New("a message was lost on the way")
			}
			if meta.Sequence.Stream > last {
				r.at = last // what came later is not asked for
				return nil
			}
			if err := r.give(meta.Sequence.Stream, msg); err != nil {
				return err
			}
			pending = meta.NumPending
		}
		if err := batch.Error(); err != nil {
			return err
		}
	}
	return errNoMore
}

// errNoMore says that a consumer had nothing further to give.
var errNoMore = errors.New("the server has no more messages for us")

// give hands one message to f.
func (r *reading) give(sequence uint64, msg jetstream.Msg) error {
	e, err := parseMessage(msg.Headers(), msg.Data())
	if err != nil || e.Account != r.account || e.Resource != r.resource {
		if r.strange++; r.strange == 1 {
			r.firstStrange = sequence
		}
	} else if r.refused = r.f(sequence, e); r.refused != nil {
		return r.refused
	}
	r.at = sequence
	return nil
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
func (p *Publisher) lastSequence(ctx context.Context, filter string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, p.ackTimeout)
	defer cancel()
	request, err := json.Marshal(map[string]string{"last_by_subj": filter})
	if err != nil {
		return 0, err
	}
	answer, err := p.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+p.stream, request)
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
