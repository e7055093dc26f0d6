package filestore

import (
	"context"
	"slices"
	"time"
)

// listed is one on the list of a team. As with leases, the list is of this process alone: nobody else has the file open.
type listed struct{ team, holder string }

// Holders is diff.Store's.
func (s *Store) Holders(ctx context.Context, accounts []string) (map[string]string, error) {
	if err := s.Ping(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	holders := make(map[string]string, len(accounts))
	for _, account := range accounts {
		holders[account] = ""
		if h := s.held[account]; time.Now().Before(h.until) {
			holders[account] = h.holder
		}
	}
	return holders, nil
}

// Enlist is diff.Store's.
func (s *Store) Enlist(ctx context.Context, team, holder string, ttl time.Duration) ([]string, error) {
	if err := s.Ping(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists[listed{team, holder}] = time.Now().Add(ttl)
	var holders []string
	for l, until := range s.lists {
		if l.team == team && time.Now().Before(until) {
			holders = append(holders, l.holder)
		}
	}
	slices.Sort(holders)
	return holders, nil
}

// Delist is diff.Store's.
func (s *Store) Delist(ctx context.Context, team, holder string) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lists, listed{team, holder})
	return nil
}
