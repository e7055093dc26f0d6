package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// commitScript looks at the lease, the state and the number of buckets, and if all are as expected writes everything.
// Redis runs nothing else meanwhile. If it is short of memory it refuses the first write, so that there is no half.
//
//	KEYS  lease, meta, then for each entry its bucket
//	ARGV  token, "1" if a state is expected or "0", that state, the new state, buckets, how many shapes,
//	      then number and text of each shape, then id and bytes of each entry
//
// It returns one of the codes below, or, having written nothing, the number of buckets if that is another one.
var commitScript = redis.NewScript(`
local lease = redis.call('GET', KEYS[1])
if not lease or string.match(lease, '^(%d+) ') ~= ARGV[1] then
	return -1
end
local meta = redis.call('HMGET', KEYS[2], 'state', 'buckets')
local state, buckets = meta[1], meta[2]
if ARGV[2] == '1' then
	if state ~= ARGV[3] then return -2 end
elseif state then
	return -2
end
if state and buckets ~= ARGV[5] then
	return tonumber(buckets)
end

redis.call('HSET', KEYS[2], 'state', ARGV[4], 'buckets', ARGV[5])
local arg = 7
for _ = 1, tonumber(ARGV[6]) do
	redis.call('HSET', KEYS[2], 's:' .. ARGV[arg], ARGV[arg + 1])
	arg = arg + 2
end
local new = 0
for key = 3, #KEYS do
	new = new + redis.call('HSET', KEYS[key], ARGV[arg], ARGV[arg + 1])
	arg = arg + 2
end
if new > 0 then
	redis.call('HINCRBY', KEYS[2], 'tracked', new)
end
return 0
`)

// What commitScript returns.
const (
	committed = 0
	leaseLost = -1
	conflict  = -2
)

// Commit is diff.Store's. A lost reply is an error of the network, and the commit may have been made.
func (s *Store) Commit(ctx context.Context, lease diff.Lease, c diff.Commit) error {
	if lease.Account != c.Account {
		return diff.ErrLeaseLost // tokens are compared within one account alone
	}
	meta := metaKey(c.Account, c.Resource)
	buckets := s.bucketsOf(meta)
	if c.Was == nil || buckets == 0 { // if the resource is known all the same, the script says how many it has
		buckets = bucketsFor(max(c.Expect, len(c.Entries)))
	}
	for range 3 {
		keys, args := commitArgs(lease, c, buckets)
		code, err := commitScript.Run(ctx, s.client, keys, args...).Int()
		if err != nil {
			return fmt.Errorf("commit %s/%s: %w", c.Account, c.Resource, err)
		}
		switch code {
		case committed:
			s.setBuckets(meta, buckets)
			return nil
		case leaseLost:
			return diff.ErrLeaseLost
		case conflict:
			return diff.ErrConflict
		}
		buckets = code
	}
	return fmt.Errorf("commit %s/%s: %w", c.Account, c.Resource, errLayout)
}

// commitArgs is c in the form that commitScript reads.
func commitArgs(lease diff.Lease, c diff.Commit, buckets int) (keys []string, args []any) {
	keys = append(make([]string, 0, 2+len(c.Entries)), leaseKey(c.Account), metaKey(c.Account, c.Resource))
	args = make([]any, 0, 6+2*len(c.Shapes)+2*len(c.Entries))
	known := "1"
	if c.Was == nil {
		known = "0"
	}
	args = append(args, strconv.FormatUint(lease.Token, 10), known, c.Was, c.State, buckets, len(c.Shapes))
	for number, shape := range c.Shapes {
		args = append(args, strconv.FormatUint(uint64(number), 16), shape)
	}
	for id, entry := range c.Entries {
		keys = append(keys, bucketKey(c.Account, c.Resource, bucketOf(id, buckets)))
		args = append(args, string(id), entry)
	}
	return keys, args
}
