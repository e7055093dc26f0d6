package filestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Load is diff.Store's.
func (s *Store) Load(ctx context.Context, account string, resource schemas.Resource, ids []schemas.ID) (diff.Snapshot, error) {
	snap := diff.Snapshot{Entries: make([][]byte, len(ids))}
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		b := find(tx, account, resourcesBucket, []byte(resource))
		if b == nil {
			return nil
		}
		// All is copied: bbolt's own memory ends with the transaction.
		snap.State = bytes.Clone(b.Get(stateKey))
		tracked, err := number(b.Get(trackedKey))
		if err != nil {
			return err
		}
		snap.Tracked = int(tracked)
		if snap.Shapes, err = shapes(b.Bucket(shapesBucket)); err != nil {
			return err
		}
		records := b.Bucket(recordsBucket)
		for i, id := range ids {
			snap.Entries[i] = bytes.Clone(records.Get([]byte(id)))
		}
		return nil
	})
	if err != nil {
		return diff.Snapshot{}, fmt.Errorf("load %s/%s: %w", account, resource, err)
	}
	return snap, nil
}

func shapes(b *bbolt.Bucket) (map[uint32]string, error) {
	m := map[uint32]string{}
	err := b.ForEach(func(k, v []byte) error {
		if len(k) != 4 {
			return errors.New("the file is damaged: the number of a shape has not 4 bytes")
		}
		m[binary.BigEndian.Uint32(k)] = string(v)
		return nil
	})
	return m, err
}

// Commit is diff.Store's. It returns once the disk has it.
func (s *Store) Commit(ctx context.Context, lease diff.Lease, c diff.Commit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.update(ctx, func(tx *bbolt.Tx) error {
		if lease.Account != c.Account || !s.current(lease) {
			return diff.ErrLeaseLost
		}
		return write(tx, c)
	})
	if err != nil && !errors.Is(err, diff.ErrLeaseLost) && !errors.Is(err, diff.ErrConflict) {
		return fmt.Errorf("commit %s/%s: %w", c.Account, c.Resource, err)
	}
	return err
}

// write writes c if the state is what it was. What was written when it returns an error is undone by bbolt.
func write(tx *bbolt.Tx, c diff.Commit) error {
	b := find(tx, c.Account, resourcesBucket, []byte(c.Resource))
	if known := b != nil; known != (c.Was != nil) || known && !bytes.Equal(b.Get(stateKey), c.Was) {
		return diff.ErrConflict
	}
	b, err := create(tx, c.Account, resourcesBucket, []byte(c.Resource))
	if err != nil {
		return err
	}
	if err := b.Put(stateKey, c.State); err != nil {
		return err
	}
	shapes, err := b.CreateBucketIfNotExists(shapesBucket)
	if err != nil {
		return err
	}
	for number, shape := range c.Shapes {
		if err := shapes.Put(binary.BigEndian.AppendUint32(nil, number), []byte(shape)); err != nil {
			return err
		}
	}
	fresh, err := writeRecords(b, c.Entries)
	if err != nil {
		return err
	}
	tracked, err := number(b.Get(trackedKey))
	if err != nil {
		return err
	}
	return b.Put(trackedKey, binary.BigEndian.AppendUint64(nil, tracked+fresh))
}

// writeRecords puts entries into the resource b and returns how many of them it did not have.
func writeRecords(b *bbolt.Bucket, entries map[schemas.ID][]byte) (fresh uint64, err error) {
	records, err := b.CreateBucketIfNotExists(recordsBucket)
	if err != nil {
		return 0, err
	}
	for id, entry := range entries {
		if records.Get([]byte(id)) == nil {
			fresh++
		}
		if err := records.Put([]byte(id), entry); err != nil {
			return 0, fmt.Errorf("record %q: %w", id, err)
		}
	}
	return fresh, nil
}
