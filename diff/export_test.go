package diff

import (
	"sync/atomic"
	"time"
)

// WithUntil is lease with an end that Until tells, as a Replica gives it, and a func that moves that end.
func WithUntil(lease Lease, until time.Time) (Lease, func(time.Time)) {
	lease.until = new(atomic.Int64)
	move := func(t time.Time) { lease.until.Store(t.UnixMilli()) }
	move(until)
	return lease, move
}
