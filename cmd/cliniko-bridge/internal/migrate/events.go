package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
)

// sayEvery is between two words on how far a copying has come.
const sayEvery = 5 * time.Second

// copyEvents copies the stream.
func (m *move) copyEvents(ctx context.Context) error {
	if !m.movesStream() {
		return nil
	}
	m.say("events up to %d", m.report.Events.Last)
	said := time.Now()
	last := m.report.Events.Last
	err := publisher.Copy(ctx, m.from.stream.place(), m.to.stream.place(), m.from.stream.template, func(at uint64) {
		if time.Since(said) >= sayEvery {
			said = time.Now()
			m.say("events: %d of %d", at, last)
		}
	})
	if errors.Is(err, publisher.ErrOther) {
		return fmt.Errorf("%w; the new stream is no copy of the old one: delete it, and run this again", err)
	}
	return err
}

func (s *stream) place() publisher.Place { return publisher.Place{Conn: s.nc, Stream: s.name} }

// copyCheckpoints copies what lies beside the stream.
func (m *move) copyCheckpoints(ctx context.Context) error {
	if !m.movesStream() || m.from.stream.checkpoints == nil {
		return nil
	}
	for _, account := range m.accounts() {
		for _, resource := range resources() {
			value, err := m.from.stream.publisher.Checkpoint(ctx, account, resource)
			if err != nil {
				return err
			}
			if value == nil {
				continue
			}
			if err := m.to.stream.publisher.PutCheckpoint(ctx, account, resource, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// fits says why the new stream would not take all events of the old one, nil if it does.
func (m *move) fits(ctx context.Context, old jetstream.StreamState) error {
	if !m.movesStream() || m.to.stream == nil || m.to.stream.publisher == nil {
		return nil
	}
	found, err := m.to.stream.js.Stream(ctx, m.to.stream.name)
	if err != nil {
		return err
	}
	limits := found.CachedInfo().Config
	if limits.MaxMsgs > 0 && uint64(limits.MaxMsgs) < old.Msgs || limits.MaxBytes > 0 && uint64(limits.MaxBytes) < old.Bytes {
		return fmt.Errorf("the new stream takes %d messages and %d bytes (-1: any), and the old one has %d and %d: raise max_msgs and max_bytes",
			limits.MaxMsgs, limits.MaxBytes, old.Msgs, old.Bytes)
	}
	return nil
}

// compareEvents holds the new stream against the old one: where it ends, how much is in it, and the last event of each resource.
func (m *move) compareEvents(ctx context.Context) error {
	from, err := m.from.stream.state(ctx)
	if err != nil {
		return err
	}
	to, err := m.to.stream.state(ctx)
	if err != nil {
		return err
	}
	// The old stream may have dropped what became too old meanwhile, and the new one has it still.
	if to.LastSeq != from.LastSeq || to.Msgs < from.Msgs || to.FirstSeq == from.FirstSeq && to.Msgs != from.Msgs {
		return fmt.Errorf("the new stream has %d messages up to sequence %d, and the old one %d up to %d; run this again, and see that nobody publishes into either",
			to.Msgs, to.LastSeq, from.Msgs, from.LastSeq)
	}
	for _, account := range m.accounts() {
		for _, resource := range resources() {
			want, err := m.from.stream.publisher.Last(ctx, account, resource)
			if err != nil {
				return err
			}
			got, err := m.to.stream.publisher.Last(ctx, account, resource)
			if err != nil {
				return err
			}
			if got != want && got >= from.FirstSeq {
				return fmt.Errorf("%s/%s ends at sequence %d in the new stream, and at %d in the old one; run this again", account, resource, got, want)
			}
		}
	}
	return nil
}

// findConsumers lists the durable consumers of the stream, which are not moved.
func (m *move) findConsumers(ctx context.Context) {
	if !m.movesStream() {
		return
	}
	found, err := m.from.stream.js.Stream(ctx, m.from.stream.name)
	if err == nil {
		list := found.ListConsumers(ctx)
		for info := range list.Info() {
			if info.Config.Durable != "" {
				m.report.Consumers = append(m.report.Consumers, Consumer{Name: info.Config.Durable, Next: info.AckFloor.Stream + 1})
			}
		}
		err = list.Err()
	}
	if err != nil {
		m.report.ConsumersUnknown = err.Error()
	}
}
