package diff

import (
	"context"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Publisher puts events into the stream, for ever.
type Publisher interface {
	// Publish stores events, which are of one account and one resource, in their order, and returns the stream
	// sequence of the last once every one is acknowledged.
	//
	// It stores nothing and returns an error that wraps schemas.ErrStreamAhead unless the resource's last message
	// has the stream sequence last (0: there is none). After any other error it is not known which events are
	// stored: those that are, are the first n of them or some of the rest behind the first, but never a record's later
	// event without its earlier ones; read back and see.
	Publish(ctx context.Context, events []schemas.Event, last uint64) (uint64, error)

	// ReadBack calls f with the events of account's resource behind the stream sequence after, oldest first, up to
	// the last that is there when it is called, and returns the extent of the stream. sequence is the event's own
	// stream sequence. It stops at the first error of f and returns it.
	ReadBack(ctx context.Context, account string, resource schemas.Resource, after uint64,
		f func(sequence uint64, e schemas.Event) error) (schemas.Extent, error)

	// PutCheckpoint keeps a small value for account's resource beside the stream, in place of the one before. It is for
	// what may be old, or lost, without harm to an event as long as the store is there.
	PutCheckpoint(ctx context.Context, account string, resource schemas.Resource, value []byte) error
	// Checkpoint returns what PutCheckpoint kept last, nil if nothing.
	Checkpoint(ctx context.Context, account string, resource schemas.Resource) ([]byte, error)

	// MaxBytes is the size of the largest body of an event that the stream takes.
	MaxBytes() int
}
