package publisher

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const (
	// readBatch is how many messages are asked for at once while reading back.
	readBatch = 1000
	// readTries is how often in a row a reading may begin anew without having got any further.
	readTries = 4
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
		p: p, account: account, resource: resource, filter: p.template.Filter(account, resource), f: f,
	}
	r.walk = walk{
		nc: p.nc, js: p.js, stream: p.stream, purpose: "cliniko-bridge reads back", filters: []string{r.filter}, timeout: p.ackTimeout, batch: readBatch, tries: readTries,
		visit: r.give, at: after,
	}
	extent, err := r.run(ctx)
	if r.strange > 0 {
		p.logger.Warn("messages that are no events of the resource were passed over", zap.String("account", account),
			zap.String("resource", string(resource)), zap.Int("messages", r.strange), zap.Uint64("first_sequence", r.firstStrange))
	}
	if err != nil && !errors.Is(err, r.refused) {
		err = fmt.Errorf("read %s/%s back behind %d: %w", account, resource, after, disconnected(err))
	}
	return extent, err
}

// A reading is one call of ReadBack.
type reading struct {
	walk
	p            *Publisher
	account      string
	resource     schemas.Resource
	filter       string
	f            func(uint64, schemas.Event) error
	strange      int // messages that were passed over
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
		First:   now.State.FirstSeq,
		Newest:  max(before.State.LastSeq, last),
	}, nil
}

// give hands one message to f.
func (r *reading) give(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
	e, err := parseMessage(msg.Headers(), msg.Data())
	if err != nil || e.Account != r.account || e.Resource != r.resource {
		if r.strange++; r.strange == 1 {
			r.firstStrange = meta.Sequence.Stream
		}
		return nil
	}
	return r.f(meta.Sequence.Stream, e)
}

func (p *Publisher) lastSequence(ctx context.Context, filter string) (uint64, error) {
	return lastSequence(ctx, p.nc, p.stream, filter, p.ackTimeout)
}
