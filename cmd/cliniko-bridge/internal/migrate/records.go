package migrate

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// batch is how many records are written in one commit.
const batch = 500

// survey looks at what there is to move.
func (m *move) survey(ctx context.Context) error {
	state, err := m.from.stream.state(ctx)
	if err != nil {
		return err
	}
	m.report.Events = Events{Count: state.Msgs, First: state.FirstSeq, Last: state.LastSeq}
	m.findConsumers(ctx)
	for _, account := range m.accounts() {
		a := Account{Name: account}
		for _, resource := range resources() {
			snap, err := m.from.store.Load(ctx, account, resource, nil)
			if err != nil {
				return err
			}
			if snap.State != nil {
				a.Resources++
				a.Records += snap.Tracked
			}
		}
		m.report.Accounts = append(m.report.Accounts, a)
	}
	return m.fits(ctx, state)
}

// copyRecords copies the state of every resource, and the entries of its records.
func (m *move) copyRecords(ctx context.Context) error {
	if !m.movesStore() {
		return nil
	}
	for _, account := range m.accounts() {
		m.say("records of %s", account)
		for _, resource := range resources() {
			if err := m.copyResource(ctx, account, resource); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyResource writes one resource into the new store, whatever an interrupted move has left of it there.
func (m *move) copyResource(ctx context.Context, account string, resource schemas.Resource) error {
	snap, err := m.from.store.Load(ctx, account, resource, nil)
	if err != nil || snap.State == nil {
		return err
	}
	there, err := m.to.store.Load(ctx, account, resource, nil)
	if err != nil {
		return err
	}
	c := diff.Commit{
		Account: account, Resource: resource, Was: there.State, State: snap.State, Shapes: snap.Shapes, Expect: snap.Tracked,
		Entries: make(map[schemas.ID][]byte, batch),
	}
	commit := func() error {
		if err := m.step("batch"); err != nil {
			return err
		}
		if err := m.to.store.Commit(ctx, m.leases.to[account], c); err != nil {
			return fmt.Errorf("write %s/%s: %w", account, resource, err)
		}
		c.Was = c.State
		clear(c.Entries)
		return nil
	}
	err = m.from.store.Each(ctx, account, resource, func(id schemas.ID, entry []byte) error {
		c.Entries[id] = bytes.Clone(entry)
		if len(c.Entries) < batch {
			return nil
		}
		return commit()
	})
	if err != nil {
		return err
	}
	return commit()
}

// copyNotes copies what is kept beside the records.
func (m *move) copyNotes(ctx context.Context) error {
	if !m.movesStore() {
		return nil
	}
	for _, account := range m.accounts() {
		for name, ttl := range bridge.Notes() {
			value, err := m.from.store.Note(ctx, account, name)
			if err != nil {
				return err
			}
			if value == nil {
				continue
			}
			if err := m.to.store.PutNote(ctx, account, name, value, ttl); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare holds what was written against what it is a copy of.
func (m *move) compare(ctx context.Context) error {
	if m.movesStream() {
		if err := m.compareEvents(ctx); err != nil {
			return err
		}
	}
	if !m.movesStore() {
		return nil
	}
	for _, account := range m.accounts() {
		for _, resource := range resources() {
			if err := m.compareResource(ctx, account, resource); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareResource holds every byte of one resource against the other store's.
func (m *move) compareResource(ctx context.Context, account string, resource schemas.Resource) error {
	differs := func(what string) error {
		return fmt.Errorf("%s/%s: %s differs in the new store; run this again, and see that no bridge is running", account, resource, what)
	}
	var ids []schemas.ID
	var entries [][]byte
	check := func() error {
		snap, err := m.to.store.Load(ctx, account, resource, ids)
		if err != nil {
			return err
		}
		for i, entry := range snap.Entries {
			if !bytes.Equal(entry, entries[i]) {
				return differs("record " + string(ids[i]))
			}
		}
		ids, entries = ids[:0], entries[:0]
		return nil
	}
	count := 0
	err := m.from.store.Each(ctx, account, resource, func(id schemas.ID, entry []byte) error {
		ids, entries = append(ids, id), append(entries, bytes.Clone(entry))
		count++
		if len(ids) < batch {
			return nil
		}
		return check()
	})
	if err == nil {
		err = check()
	}
	if err != nil {
		return err
	}
	old, err := m.from.store.Load(ctx, account, resource, nil)
	if err != nil {
		return err
	}
	next, err := m.to.store.Load(ctx, account, resource, nil)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(old.State, next.State):
		return differs("its state")
	case next.Tracked != count:
		return differs("the number of its records")
	}
	for number, shape := range old.Shapes {
		if next.Shapes[number] != shape {
			return differs("a shape")
		}
	}
	return nil
}
