package difftest

import (
	"context"
	"slices"
	"time"
)

// Holders is diff.Store's.
func (m *Memory) Holders(ctx context.Context, accounts []string) (map[string]string, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	holders := make(map[string]string, len(accounts))
	for _, account := range accounts {
		holders[account] = ""
		if l := m.image.leases[account]; time.Now().Before(l.until) {
			holders[account] = l.holder
		}
	}
	return holders, nil
}

// Enlist is diff.Store's.
func (m *Memory) Enlist(ctx context.Context, team, holder string, ttl time.Duration) ([]string, error) {
	mustLast(ttl)
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	m.image.lists[listKey{team, holder}] = time.Now().Add(ttl)
	var holders []string
	for k, until := range m.image.lists {
		if k.team == team && time.Now().Before(until) {
			holders = append(holders, k.holder)
		}
	}
	slices.Sort(holders)
	return holders, nil
}

// Delist is diff.Store's.
func (m *Memory) Delist(ctx context.Context, team, holder string) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	delete(m.image.lists, listKey{team, holder})
	return nil
}
