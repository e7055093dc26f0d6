package publisher

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// CheckpointsOf names the key-value bucket that lies beside a stream: a small value of each resource of each account.
// Its own stream is KV_ and that name.
func CheckpointsOf(stream string) string { return stream + "-checkpoints" }

// EnsureCheckpoints opens the bucket beside the stream, and creates it if it does not exist, with as many replicas as the
// stream. Several bridges may call it at once.
func EnsureCheckpoints(ctx context.Context, js jetstream.JetStream, cfg StreamConfig) (jetstream.KeyValue, error) {
	name := CheckpointsOf(cfg.Name)
	kv, err := js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:      name,
			Description: "How far cliniko-bridge has read, for a store that is lost.",
			Storage:     jetstream.FileStorage,
			Replicas:    max(cfg.Replicas, 1),
		})
		if errors.Is(err, jetstream.ErrBucketExists) { // somebody was faster
			kv, err = js.KeyValue(ctx, name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("key-value bucket %s: %w", name, err)
	}
	return kv, nil
}

// PutCheckpoint keeps value for account's resource, in place of the one before. Without a bucket it keeps nothing.
func (p *Publisher) PutCheckpoint(ctx context.Context, account string, resource schemas.Resource, value []byte) error {
	if p.checkpoints == nil {
		return nil
	}
	if _, err := p.checkpoints.Put(ctx, checkpointKey(account, resource), value); err != nil {
		return fmt.Errorf("keep the checkpoint of %s/%s: %w", account, resource, disconnected(err))
	}
	return nil
}

// Checkpoint returns what PutCheckpoint kept last, nil if nothing, or if the bucket has been deleted.
func (p *Publisher) Checkpoint(ctx context.Context, account string, resource schemas.Resource) ([]byte, error) {
	if p.checkpoints == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.ackTimeout)
	defer cancel()
	entry, err := p.checkpoints.Get(ctx, checkpointKey(account, resource))
	if errors.Is(err, nats.ErrNoResponders) { // the server is away, or it has no such bucket
		_, lookErr := p.js.KeyValue(ctx, p.checkpoints.Bucket())
		err = cmp.Or(lookErr, err)
	}
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrBucketNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("checkpoint of %s/%s: %w", account, resource, disconnected(err))
	}
	return entry.Value(), nil
}

func checkpointKey(account string, resource schemas.Resource) string {
	return account + "." + string(resource)
}
