package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// enlistScript puts a holder on the list, takes those off whose time is over, and returns who is left.
//
//	KEYS  team
//	ARGV  holder, ttl in milliseconds
var enlistScript = redis.NewScript(`
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('PEXPIREAT', KEYS[1], redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])
return redis.call('ZRANGE', KEYS[1], 0, -1)
`)

// Enlist is diff.Store's.
func (s *Store) Enlist(ctx context.Context, team, holder string, ttl time.Duration) ([]string, error) {
	holders, err := enlistScript.Run(ctx, s.client, []string{teamKey(team)}, holder, millis(ttl)).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("enlist: %w", err)
	}
	slices.Sort(holders)
	return holders, nil
}

// Delist is diff.Store's.
func (s *Store) Delist(ctx context.Context, team, holder string) error {
	if err := s.client.ZRem(ctx, teamKey(team), holder).Err(); err != nil {
		return fmt.Errorf("delist: %w", err)
	}
	return nil
}

// Holders is diff.Store's. It is one round trip, in a cluster one to each node.
func (s *Store) Holders(ctx context.Context, accounts []string) (map[string]string, error) {
	holders := make(map[string]string, len(accounts))
	replies := make([]*redis.StringCmd, len(accounts))
	_, _ = s.client.Pipelined(ctx, func(p redis.Pipeliner) error { // each reply has its own error
		for i, account := range accounts {
			replies[i] = p.Get(ctx, leaseKey(account))
		}
		return nil
	})
	var failed error
	for i, account := range accounts {
		lease, err := replies[i].Result()
		switch {
		case errors.Is(err, redis.Nil):
			holders[account] = ""
		case err != nil:
			failed = fmt.Errorf("who holds the lease of %s: %w", account, err)
		default:
			_, holders[account], _ = strings.Cut(lease, " ")
		}
	}
	return holders, failed
}
