package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// eachBatch is how many buckets Each reads in one round trip.
const eachBatch = 32

// Each is diff.Store's. It reads a bucket at a time, so that no command of it holds Redis up.
func (s *Store) Each(ctx context.Context, account string, resource schemas.Resource, f func(id schemas.ID, entry []byte) error) error {
	fields, err := s.client.HGetAll(ctx, metaKey(account, resource)).Result()
	if err == nil {
		_, buckets, bad := parseMeta(fields)
		for from := 0; bad == nil && err == nil && from < buckets; from += eachBatch {
			err = s.eachOf(ctx, account, resource, from, min(from+eachBatch, buckets), f)
		}
		if bad != nil {
			err = bad
		}
	}
	if err != nil {
		return fmt.Errorf("list %s/%s: %w", account, resource, err)
	}
	return nil
}

// eachOf calls f for the records of the buckets from, included, to to, excluded.
func (s *Store) eachOf(ctx context.Context, account string, resource schemas.Resource, from, to int, f func(schemas.ID, []byte) error) error {
	replies := make([]*redis.MapStringStringCmd, 0, to-from)
	_, err := s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n := from; n < to; n++ {
			replies = append(replies, pipe.HGetAll(ctx, bucketKey(account, resource, n)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, reply := range replies {
		for id, entry := range reply.Val() {
			if err := f(schemas.ID(id), []byte(entry)); err != nil {
				return err
			}
		}
	}
	return nil
}
