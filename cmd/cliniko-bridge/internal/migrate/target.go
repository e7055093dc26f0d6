package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// vacant returns an error unless what is moved to is empty, or was begun by an earlier run of the same move and not ended.
func (m *move) vacant(ctx context.Context) error {
	begun, done := 0, 0
	count := func(mark *bridge.Move) error {
		switch {
		case mark == nil:
			return nil
		case mark.From != m.report.From():
			return fmt.Errorf("the target holds what was moved there from elsewhere: %s; choose an empty one", mark.From)
		case mark.Done:
			done++
		default:
			begun++
		}
		return nil
	}
	marked, markedStream := make(map[string]bool), false // accounts
	if m.movesStore() && m.to.store != nil {
		for _, account := range m.accounts() {
			mark, err := bridge.ReadMove(ctx, m.to.store, account)
			if err == nil {
				err = count(mark)
			}
			if err != nil {
				return err
			}
			marked[account] = mark != nil
		}
	}
	if m.movesStream() && m.to.stream != nil && m.to.stream.checkpoints != nil {
		mark, err := bridge.ReadStreamMove(ctx, m.to.stream.checkpoints)
		if err == nil {
			err = count(mark)
		}
		if err != nil {
			return err
		}
		markedStream = mark != nil
	}
	if done > 0 && begun == 0 {
		return errors.New("all of it was moved already; a bridge may have gone on there since. Start it with the new configuration, " +
			"or empty the target to move it once more")
	}
	m.report.Resumed = begun > 0
	if err := m.emptyStore(ctx, marked); err != nil {
		return err
	}
	if !markedStream {
		return m.emptyStream(ctx)
	}
	return nil
}

// emptyStore looks at the accounts that have no mark yet: an earlier run may have been told of fewer.
func (m *move) emptyStore(ctx context.Context, marked map[string]bool) error {
	if !m.movesStore() || m.to.store == nil {
		return nil
	}
	for _, account := range m.accounts() {
		if marked[account] {
			continue
		}
		for _, resource := range resources() {
			snap, err := m.to.store.Load(ctx, account, resource, nil)
			if err != nil {
				return err
			}
			if snap.State != nil {
				return fmt.Errorf("the store that is to be moved to, %s, holds %s of the account %s already; choose an empty one",
					storePlace(m.To), resource, account)
			}
		}
	}
	return nil
}

func (m *move) emptyStream(ctx context.Context) error {
	s := m.to.stream
	if !m.movesStream() || s == nil || s.js == nil {
		return nil
	}
	if s.publisher != nil {
		state, err := s.state(ctx)
		if err != nil {
			return err
		}
		if state.LastSeq > 0 {
			return fmt.Errorf("the stream that is to be moved to, %s, has had %d messages already; delete it, or choose another", streamPlace(m.To), state.LastSeq)
		}
	}
	if s.checkpoints == nil {
		return nil
	}
	status, err := s.checkpoints.Status(ctx)
	if err != nil {
		return err
	}
	if status.Values() > 0 {
		return fmt.Errorf("the bucket %s beside the new stream is not empty; delete it: it tells of a stream that is gone", s.checkpoints.Bucket())
	}
	return nil
}

// setMarks sets the marks of what is moved. The order does not matter: no bridge begins while one of them is not done.
func (m *move) setMarks(ctx context.Context, done bool) error {
	if m.movesStore() {
		for _, account := range m.accounts() {
			if err := bridge.PutMove(ctx, m.to.store, account, m.mark(done)); err != nil {
				return err
			}
		}
	}
	if m.movesStream() {
		if err := m.step("mark of the stream"); err != nil {
			return err
		}
		return bridge.PutStreamMove(ctx, m.to.stream.checkpoints, m.mark(done))
	}
	return nil
}

// resources are all that any edition of the API has, sorted.
func resources() []schemas.Resource {
	var all []schemas.Resource
	for _, edition := range []schemas.Edition{schemas.Edition2017, schemas.Edition2025} {
		for _, spec := range schemas.Catalogue(edition) {
			all = append(all, spec.Resource)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
