package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

var errLayout = errors.New("its layout changed while it was read")

// Load is diff.Store's. It is one round trip, and another one if the process does not know the resource's number of
// buckets yet or knows it wrong: somebody flushed the store, and the resource came back with another size.
func (s *Store) Load(ctx context.Context, account string, resource schemas.Resource, ids []schemas.ID) (diff.Snapshot, error) {
	meta := metaKey(account, resource)
	asked := s.bucketsOf(meta)
	for range 3 {
		snap, buckets, err := s.read(ctx, account, resource, ids, asked)
		if err != nil {
			return diff.Snapshot{}, fmt.Errorf("load %s/%s: %w", account, resource, err)
		}
		if snap.State == nil {
			// What a bucket may hold of a resource that is unknown means nothing.
			return diff.Snapshot{Entries: make([][]byte, len(ids))}, nil
		}
		if buckets == asked {
			return snap, nil
		}
		s.setBuckets(meta, buckets)
		asked = buckets
	}
	return diff.Snapshot{}, fmt.Errorf("load %s/%s: %w", account, resource, errLayout)
}

// read looks for ids in so many buckets, in none if that is 0, and returns how many there really are.
//
// The state is read before the entries and not in one step with them: an entry may then be newer than the state. A
// commit on that state is a conflict, so nothing can come of it.
func (s *Store) read(ctx context.Context, account string, resource schemas.Resource, ids []schemas.ID, buckets int) (diff.Snapshot, int, error) {
	var fields *redis.MapStringStringCmd
	var reads []bucketRead
	_, err := s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		fields = pipe.HGetAll(ctx, metaKey(account, resource))
		reads = group(ids, buckets)
		for i := range reads {
			r := &reads[i]
			r.reply = pipe.HMGet(ctx, bucketKey(account, resource, r.bucket), r.ids...)
		}
		return nil
	})
	if err != nil {
		return diff.Snapshot{}, 0, err
	}
	snap, buckets, err := parseMeta(fields.Val())
	if err != nil {
		return diff.Snapshot{}, 0, err
	}
	snap.Entries = make([][]byte, len(ids))
	for _, r := range reads {
		for i, value := range r.reply.Val() {
			if text, ok := value.(string); ok { // it is nil where there is no entry
				snap.Entries[r.at[i]] = []byte(text)
			}
		}
	}
	return snap, buckets, nil
}

// A bucketRead is what is asked of one bucket.
type bucketRead struct {
	bucket int
	ids    []string
	at     []int // where among all ids each of them is
	reply  *redis.SliceCmd
}

// group sorts ids into their buckets. There is nothing to read if there are none.
func group(ids []schemas.ID, buckets int) []bucketRead {
	if buckets == 0 {
		return nil
	}
	reads := make([]bucketRead, 0, len(ids))
	index := make(map[int]int, len(ids)) // bucket → place in reads
	for at, id := range ids {
		bucket := bucketOf(id, buckets)
		i, ok := index[bucket]
		if !ok {
			i = len(reads)
			index[bucket] = i
			reads = append(reads, bucketRead{bucket: bucket})
		}
		reads[i].ids = append(reads[i].ids, string(id))
		reads[i].at = append(reads[i].at, at)
	}
	return reads
}

// parseMeta reads the fields of a meta hash. The state is nil if there are none.
func parseMeta(fields map[string]string) (snap diff.Snapshot, buckets int, err error) {
	state, ok := fields[stateField]
	if !ok {
		return diff.Snapshot{}, 0, nil
	}
	snap = diff.Snapshot{State: []byte(state), Shapes: map[uint32]string{}}
	buckets, err = strconv.Atoi(fields[bucketsField])
	if err != nil || buckets < 1 || buckets&(buckets-1) != 0 {
		return diff.Snapshot{}, 0, errors.New("its number of buckets is damaged")
	}
	if text, ok := fields[trackedField]; ok { // none until there is a record
		if snap.Tracked, err = strconv.Atoi(text); err != nil {
			return diff.Snapshot{}, 0, errors.New("its number of records is damaged")
		}
	}
	for name, shape := range fields {
		hex, ok := strings.CutPrefix(name, shapePrefix)
		if !ok {
			continue
		}
		number, err := strconv.ParseUint(hex, 16, 32)
		if err != nil {
			return diff.Snapshot{}, 0, errors.New("the number of a shape is damaged")
		}
		snap.Shapes[uint32(number)] = shape
	}
	return snap, buckets, nil
}
