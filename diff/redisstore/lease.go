package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// acquireScript gives the lease unless somebody else holds it.
//
// A token is one more than the last, or the server's time in milliseconds if that is more. The time is for a store
// that was flushed or put back to an earlier day: it would otherwise give a token again, and somebody who slept since
// would take another's lease for its own.
//
//	KEYS  lease, token
//	ARGV  holder, ttl in milliseconds
//
// It returns the token, or an empty text, the holder and the milliseconds that are left.
var acquireScript = redis.NewScript(`
local lease = redis.call('GET', KEYS[1])
if lease then
	local holder = string.sub(lease, string.find(lease, ' ', 1, true) + 1)
	if holder ~= ARGV[1] then
		return {'', holder, redis.call('PTTL', KEYS[1])}
	end
end
local now = redis.call('TIME')
local token = math.max(
	tonumber(redis.call('GET', KEYS[2]) or '0') + 1,
	tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000))
token = string.format('%.0f', token)
redis.call('SET', KEYS[2], token)
redis.call('SET', KEYS[1], token .. ' ' .. ARGV[1], 'PX', ARGV[2])
return {token}
`)

// renewScript and releaseScript do their work if the lease is still the caller's, and return whether it is.
//
//	KEYS  lease
//	ARGV  token, ttl in milliseconds
var (
	renewScript = redis.NewScript(`
local lease = redis.call('GET', KEYS[1])
if not lease or string.match(lease, '^(%d+) ') ~= ARGV[1] then
	return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)
	releaseScript = redis.NewScript(`
local lease = redis.call('GET', KEYS[1])
if not lease or string.match(lease, '^(%d+) ') ~= ARGV[1] then
	return 0
end
return redis.call('DEL', KEYS[1])
`)
)

// Acquire is diff.Store's. A holder that has the lease already gets it anew: its reply may have been lost.
func (s *Store) Acquire(ctx context.Context, account, holder string, ttl time.Duration) (diff.Lease, error) {
	reply, err := acquireScript.Run(ctx, s.client, []string{leaseKey(account), tokenKey(account)}, holder, millis(ttl)).Slice()
	if err != nil {
		return diff.Lease{}, fmt.Errorf("acquire the lease of %s: %w", account, err)
	}
	switch text, _ := reply[0].(string); {
	case len(reply) == 1:
		token, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return diff.Lease{}, fmt.Errorf("acquire the lease of %s: its token is damaged", account)
		}
		return diff.Lease{Account: account, Token: token}, nil
	case len(reply) == 3:
		other, _ := reply[1].(string)
		left, _ := reply[2].(int64)
		return diff.Lease{}, &diff.HeldError{Account: account, Holder: other, Left: time.Duration(left) * time.Millisecond}
	}
	return diff.Lease{}, errors.New("acquire the lease: a reply of the wrong form")
}

// Renew is diff.Store's.
func (s *Store) Renew(ctx context.Context, lease diff.Lease, ttl time.Duration) error {
	held, err := renewScript.Run(ctx, s.client, []string{leaseKey(lease.Account)}, strconv.FormatUint(lease.Token, 10), millis(ttl)).Bool()
	if err != nil {
		return fmt.Errorf("renew the lease of %s: %w", lease.Account, err)
	}
	if !held {
		return diff.ErrLeaseLost
	}
	return nil
}

// Release is diff.Store's.
func (s *Store) Release(ctx context.Context, lease diff.Lease) error {
	if err := releaseScript.Run(ctx, s.client, []string{leaseKey(lease.Account)}, strconv.FormatUint(lease.Token, 10)).Err(); err != nil {
		return fmt.Errorf("release the lease of %s: %w", lease.Account, err)
	}
	return nil
}

// millis is what Redis takes for a duration: whole milliseconds, at least one.
func millis(d time.Duration) int64 { return max(d.Milliseconds(), 1) }
