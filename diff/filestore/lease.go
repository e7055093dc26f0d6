package filestore

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// held is a lease that was given and not given up. It may have expired.
type held struct {
	token  uint64
	holder string
	until  time.Time // our clock, the monotonic one
}

// current tells whether lease is its account's and has not expired. s.mu is held.
func (s *Store) current(lease diff.Lease) bool {
	h, ok := s.held[lease.Account]
	return ok && h.token == lease.Token && time.Now().Before(h.until)
}

// Acquire is diff.Store's. A holder that has the lease already gets it anew.
func (s *Store) Acquire(ctx context.Context, account, holder string, ttl time.Duration) (diff.Lease, error) {
	if err := s.Ping(ctx); err != nil {
		return diff.Lease{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h, ok := s.held[account]; ok && h.holder != holder {
		if left := time.Until(h.until); left > 0 {
			return diff.Lease{}, &diff.HeldError{Account: account, Holder: h.holder, Left: left}
		}
	}
	var token uint64
	err := s.update(ctx, func(tx *bbolt.Tx) error {
		b, err := create(tx, account)
		if err != nil {
			return err
		}
		if token, err = number(b.Get(tokenKey)); err != nil {
			return err
		}
		token++
		return b.Put(tokenKey, binary.BigEndian.AppendUint64(nil, token))
	})
	if err != nil {
		return diff.Lease{}, fmt.Errorf("acquire the lease of %s: %w", account, err)
	}
	s.held[account] = held{token: token, holder: holder, until: time.Now().Add(ttl)}
	return diff.Lease{Account: account, Token: token}, nil
}

// Renew is diff.Store's.
func (s *Store) Renew(ctx context.Context, lease diff.Lease, ttl time.Duration) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.current(lease) {
		return diff.ErrLeaseLost
	}
	h := s.held[lease.Account]
	h.until = time.Now().Add(ttl)
	s.held[lease.Account] = h
	return nil
}

// Release is diff.Store's.
func (s *Store) Release(ctx context.Context, lease diff.Lease) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current(lease) {
		delete(s.held, lease.Account)
	}
	return nil
}
