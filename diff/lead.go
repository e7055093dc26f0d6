package diff

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

var (
	// errLate ends the work on an account whose lease could not be renewed in time.
	errLate = errors.New("it could not be renewed in time")
	// errHandedOver ends the work on an account that is another bridge's share by now.
	errHandedOver = errors.New("the account is another bridge's share")
)

// Until is until when the lease surely lasts, by this host's wall clock: a clock that goes on while the process, or the
// whole machine, is suspended. Zero if that is not known, as with a lease that no Replica gave.
func (l Lease) Until() time.Time {
	if l.until == nil || l.until.Load() == 0 {
		return time.Time{}
	}
	return time.UnixMilli(l.until.Load())
}

// Sure says that the lease surely lasts still, or that its end is not known. Whatever is done under it by a process that may
// just have woken must ask first.
func (l Lease) Sure() bool {
	until := l.Until()
	return until.IsZero() || time.Now().Round(0).Before(until)
}

// lead runs work under lease, which was asked for at that time, and renews the lease beside it, until ctx or the lease
// ends. What work still has in flight then is under the lease, too: it is renewed until work is done, and given up
// after that. lead returns the cause of the end.
//
// The lease counts as lost when it would have ended had the last renewal not arrived, however long the store takes to
// answer: from then on another may have the account. Should this process sleep through that, the store refuses its token.
func lead(ctx context.Context, store Store, lease Lease, asked time.Time, ttl time.Duration, work func(context.Context, Lease)) error {
	held, end := context.WithCancelCause(ctx)
	defer end(nil)
	until := asked.Add(ttl)
	lease.until = new(atomic.Int64)
	lease.until.Store(until.UnixMilli())
	late := time.AfterFunc(time.Until(until), func() { end(errLate) })
	defer late.Stop()

	done := make(chan struct{})
	go func() {
		defer close(done)
		work(held, lease)
		<-held.Done() // one who finds nothing to do has the account all the same
	}()
	renew := time.NewTicker(ttl / 3)
	defer renew.Stop()
	for working := true; working; {
		select {
		case <-done:
			working = false
		case <-renew.C:
			began := time.Now()
			limited, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
			err := store.Renew(limited, lease, ttl)
			cancel()
			switch {
			case err == nil:
				until = began.Add(ttl)
				lease.until.Store(until.UnixMilli())
				late.Reset(time.Until(until))
			case errors.Is(err, ErrLeaseLost):
				end(err)
			}
		}
	}
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), ttl/3)
	defer cancel()
	_ = store.Release(release, lease) // if this fails, the lease ends by itself within ttl
	return context.Cause(held)
}
