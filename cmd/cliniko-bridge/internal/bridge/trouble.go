package bridge

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
)

// troubleLasts is for how long a refusal counts if nothing is tried again where it came up. What failed is tried again within
// five minutes; a change that was undone meanwhile is not.
const troubleLasts = 10 * time.Minute

// A troubles is why a server does not take what it is given: what /readyz says. The zero value knows of none.
type troubles struct {
	mu sync.Mutex
	at map[string]trouble // guarded by mu; by the account, or account and resource, that met it
}

type trouble struct {
	reason string // a sentence
	since  time.Time
}

// note takes up how something ended at that place: reason is "" if it came through.
func (t *troubles) note(place, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if reason == "" {
		delete(t.at, place)
		return
	}
	if t.at == nil {
		t.at = make(map[string]trouble)
	}
	t.at[place] = trouble{reason, time.Now()}
}

// reasons are the sentences, each once.
func (t *troubles) reasons() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for _, place := range slices.Sorted(maps.Keys(t.at)) {
		if now := t.at[place]; time.Since(now.since) < troubleLasts && !slices.Contains(out, now.reason) {
			out = append(out, now.reason)
		}
	}
	return out
}

// A watchedStore notes whether the store takes writes. To be reached is not enough: Redis answers PING when it is full, and
// when it is a replica.
type watchedStore struct {
	diff.Store
	troubles troubles
}

// Acquire is diff.Store's.
func (s *watchedStore) Acquire(ctx context.Context, account, holder string, ttl time.Duration) (diff.Lease, error) {
	lease, err := s.Store.Acquire(ctx, account, holder, ttl)
	s.note(account, err)
	return lease, err
}

// Commit is diff.Store's.
func (s *watchedStore) Commit(ctx context.Context, lease diff.Lease, c diff.Commit) error {
	err := s.Store.Commit(ctx, lease, c)
	s.note(c.Account, err)
	return err
}

// PutNote is diff.Store's.
func (s *watchedStore) PutNote(ctx context.Context, account, name string, value []byte, ttl time.Duration) error {
	err := s.Store.PutNote(ctx, account, name, value, ttl)
	s.note(account, err)
	return err
}

func (s *watchedStore) note(account string, err error) {
	reason := redisstore.Refusal(err)
	var held *diff.HeldError
	if err != nil && reason == "" && !errors.As(err, &held) && !errors.Is(err, diff.ErrConflict) && !errors.Is(err, diff.ErrLeaseLost) {
		return // nobody said why: Ping tells whether anybody answers
	}
	s.troubles.note(account, reason)
}
