package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// A Move is the mark that `migrate` sets where it moves a bridge to, before it writes anything else there, and as its last step
// sets to done. Until then no bridge begins there: with half of a stream or of a store it would tell of the other half anew.
type Move struct {
	// From is what is moved, for people and to know it again.
	From string `json:"from"`
	Done bool   `json:"done"`
}

// moveMark names the mark: a note of each account in the store, and a key in the bucket beside the stream. No checkpoint has that
// key, for there is no dot in it.
const moveMark = "move"

// moveWait is how long a start may wait to see whether there is a mark.
const moveWait = 2 * time.Second

// ReadMove returns the mark of an account in store, nil if there is none.
func ReadMove(ctx context.Context, store diff.Store, account string) (*Move, error) {
	text, err := store.Note(ctx, account, moveMark)
	if err != nil || text == nil {
		return nil, err
	}
	return parseMove(text)
}

// PutMove sets the mark of an account in store.
func PutMove(ctx context.Context, store diff.Store, account string, m Move) error {
	return store.PutNote(ctx, account, moveMark, m.bytes(), 0)
}

// ReadStreamMove returns the mark of the stream that has this bucket of checkpoints, nil if there is none.
func ReadStreamMove(ctx context.Context, checkpoints jetstream.KeyValue) (*Move, error) {
	entry, err := checkpoints.Get(ctx, moveMark)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", checkpoints.Bucket(), err)
	}
	return parseMove(entry.Value())
}

// PutStreamMove sets the mark of the stream that has this bucket of checkpoints.
func PutStreamMove(ctx context.Context, checkpoints jetstream.KeyValue, m Move) error {
	if _, err := checkpoints.Put(ctx, moveMark, m.bytes()); err != nil {
		return fmt.Errorf("bucket %s: %w", checkpoints.Bucket(), err)
	}
	return nil
}

func parseMove(text []byte) (*Move, error) {
	var m Move
	if json.Unmarshal(text, &m) != nil {
		return nil, errors.New("the mark of a move is damaged")
	}
	return &m, nil
}

func (m Move) bytes() []byte {
	b, _ := json.Marshal(m) // nothing in it cannot be encoded
	return b
}

// unfinished is why a bridge must not begin where m stands, nil if it may.
func (m *Move) unfinished(where string) error {
	if m == nil || m.Done {
		return nil
	}
	return &SetupError{fmt.Errorf("%s is not whole yet: `cliniko-bridge migrate` was stopped before its end; run it again, as before. "+
		"Or go on with what it moved, which is as it was: %s", where, m.From)}
}

// movedWhole looks whether the store is what a finished move, or none, has left.
func (b *Bridge) movedWhole(ctx context.Context) error {
	return newPatience(b.log, b.wait).until(ctx, "the store", func() error {
		for _, a := range b.accounts {
			m, err := ReadMove(ctx, b.store, a.cfg.Name)
			if err != nil {
				return err
			}
			if err := m.unfinished("the store"); err != nil {
				return err
			}
		}
		return nil
	})
}

// movedWhole looks once more, under the account's lease: `migrate` holds that while it moves, so that a bridge which was started just
// before the marks were set has waited since, and would begin when it is killed. On half of a move it waits until ctx ends, and
// returns false.
func (a *account) movedWhole(ctx context.Context) bool {
	err := newPatience(a.b.log, func(string) {}).until(ctx, "the store", func() error {
		m, err := ReadMove(ctx, a.b.store, a.cfg.Name)
		if err != nil {
			return err
		}
		return m.unfinished("the store")
	})
	if err == nil {
		err = streamMovedWhole(ctx, a.b.beside)
	}
	if err == nil || ctx.Err() != nil {
		return err == nil
	}
	a.say(err.Error())
	a.b.log.Error("the account cannot be followed", zap.String("account", a.cfg.Name), zap.Error(err))
	<-ctx.Done()
	a.say("") // another bridge may have the account now
	return false
}

// streamMovedWhole is movedWhole for the stream. A bucket that cannot be read is no reason not to begin.
func streamMovedWhole(ctx context.Context, checkpoints jetstream.KeyValue) error {
	if checkpoints == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, moveWait)
	defer cancel()
	m, _ := ReadStreamMove(ctx, checkpoints) // as said above
	return m.unfinished("the stream")
}

// Notes are those that a bridge keeps beside the records of an account, with how long each is kept, 0 for ever: all but the
// mark of a move.
func Notes() map[string]time.Duration {
	return map[string]time.Duration{
		ledgerNote: ledgerTTL, editionNote: editionTTL, sweepNote: 0, diff.AsideNote: 0,
	}
}
