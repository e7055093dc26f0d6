package diff

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Lead calls work while this process has the lease of account, and ends work's context when the lease is lost. It
// waits for the lease as long as somebody else has it, says so once, and takes it anew after a loss. It returns when
// ctx ends, and gives the lease up.
//
// A lease lasts for ttl and is renewed every third of that. Should this process sleep through its end, whoever took
// the account meanwhile has a higher token, and the store refuses ours.
func Lead(ctx context.Context, store Store, account, holder string, ttl time.Duration, log *zap.Logger,
	work func(ctx context.Context, lease Lease),
) {
	log = log.With(zap.String("account", account))
	waiting := ""
	for ctx.Err() == nil {
		asked := time.Now()
		lease, err := store.Acquire(ctx, account, holder, ttl)
		var held *HeldError
		switch {
		case errors.As(err, &held):
			if waiting != held.Holder {
				waiting = held.Holder
				log.Info("another bridge has this account; waiting for its lease", zap.String("holder", held.Holder))
			}
		case err != nil:
			if waiting != "error" && ctx.Err() == nil {
				waiting = "error"
				log.Warn("the store does not answer; waiting for it", zap.Error(err))
			}
		default:
			waiting = ""
			log.Info("has the lease", zap.Uint64("token", lease.Token))
			err := hold(ctx, store, lease, asked, ttl, work)
			if err == nil {
				return
			}
			log.Warn("lost the lease", zap.Error(err))
		}
		pause(ctx, ttl/6)
	}
}

// Until is until when the lease surely lasts, by this host's wall clock: a clock that goes on while the process, or the
// whole machine, is suspended. Zero if that is not known, as with a lease that Lead did not give.
func (l Lease) Until() time.Time {
	if l.until == nil || l.until.Load() == 0 {
		return time.Time{}
	}
	return time.UnixMilli(l.until.Load())
}

// hold runs work and renews the lease beside it. It returns nil once ctx has ended and the lease is given up.
func hold(ctx context.Context, store Store, lease Lease, asked time.Time, ttl time.Duration, work func(context.Context, Lease)) error {
	lease.until = new(atomic.Int64)
	lease.until.Store(asked.Add(ttl).UnixMilli())
	held, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(held, lease)
	}()
	renewed := asked
	for held.Err() == nil {
		pause(held, ttl/3)
		if held.Err() != nil {
			break
		}
		began := time.Now()
		switch err := store.Renew(held, lease, ttl); {
		case err == nil:
			renewed = began
			lease.until.Store(began.Add(ttl).UnixMilli())
		case errors.Is(err, ErrLeaseLost):
			lose(err)
		case time.Since(renewed) > ttl:
			lose(fmt.Errorf("could not be renewed in time: %w", err))
		}
	}
	<-done
	release, cancel := context.WithTimeout(context.WithoutCancel(ctx), ttl/3)
	defer cancel()
	_ = store.Release(release, lease) // if this fails, the lease ends by itself within ttl
	if ctx.Err() == nil {
		return context.Cause(held)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
