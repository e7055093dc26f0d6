package diff

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// forget makes a store that was put back to an earlier day one that is lost, if the stream does not reach back to that day: what
// was told between then and the stream's first event can be read back from nowhere, so that neither an entry nor its absence
// says what was told of a record. The state is committed as one that is being rebuilt, and from there on all is as with an
// empty store (follow, rebuild), but for the entries: those of before stay where they are and count for nothing.
//
// A resource of which nothing changed for long is known up to a place that the stream has dropped: if the first event
// behind that is the one that came next (nothingBetween), nothing is lacking.
//
// That the store was put back the checkpoint says, which is never newer than what was once committed.
func (c *catching) forget(ctx context.Context) error {
	if c.st.Revision == 0 || c.st.Rebuilt == rebuilding || c.kept.High <= c.st.high() {
		return nil
	}
	extent, err := c.d.Publisher.ReadBack(ctx, c.d.Account, c.r.name, math.MaxUint64, nil) // there is nothing behind that
	if err != nil {
		return fmt.Errorf("read the stream back: %w", err)
	}
	knows := c.st.high() - c.st.Floor // the place in the stream up to which the store has seen it
	floor := c.kept.Floor - c.kept.Stream
	madeAnew := floor != c.st.Floor && floor >= c.st.high()
	if !madeAnew && extent.First <= knows+1 {
		return nil
	}
	if !madeAnew {
		whole, err := c.nothingBetween(ctx)
		if whole || err != nil {
			return err
		}
	}
	c.d.Log.Warn("the store was put back to a day before the oldest event of the stream; what exists is taken up anew in silence, "+
		"and what has changed since the checkpoint beside the stream is told",
		zap.String("account", c.d.Account), zap.String("resource", string(c.r.name)),
		zap.Uint64("stream_first", extent.First), zap.Uint64("stored_sequence", knows), zap.Uint64("checkpoint_sequence", c.kept.Stream))
	next := c.st.next()
	next.Rebuilt, next.Oldest, next.Stream, next.Floor = rebuilding, time.Time{}, 0, 0
	next.Generation++
	next.Forgotten = next.Generation
	maps.DeleteFunc(next.Marks, func(name string, _ schemas.Mark) bool { return schemas.IsBaseline(name) })
	c.r.printer.renew(next.Generation)
	return c.write(ctx, next, nil, nil)
}

// nothingBetween says that the first event in the stream behind what the store knows is the very one that came next: a resource of
// which nothing changed for long is known up to a place that the stream has dropped, with nothing of it in between.
func (c *catching) nothingBetween(ctx context.Context) (yes bool, err error) {
	_, err = c.d.Publisher.ReadBack(ctx, c.d.Account, c.r.name, c.st.Stream, func(_ uint64, e schemas.Event) error {
		yes = e.After == c.st.high()+1
		return errSeen
	})
	if err != nil && !errors.Is(err, errSeen) {
		return false, fmt.Errorf("read the stream back: %w", err)
	}
	return yes, nil
}

// errSeen ends a reading of which the first event was all that was wanted.
var errSeen = errors.New("seen")

// forgot says that an entry of that shape counts for nothing.
func (st *state) forgot(s *shape) bool { return s.generation() < st.Forgotten }

// forgotten are the shapes of the store's entries that count for nothing.
func (d *Differ) forgotten(ctx context.Context, name schemas.Resource) (map[uint32]bool, error) {
	snap, err := d.Store.Load(ctx, d.Account, name, nil)
	if err != nil {
		return nil, err
	}
	st, err := parseState(snap.State)
	if err != nil {
		return nil, err
	}
	numbers := make(map[uint32]bool)
	for number, text := range snap.Shapes {
		if st.forgot(parseShape(number, text)) {
			numbers[number] = true
		}
	}
	return numbers, nil
}
