package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// leaseTTL is how long a lease outlives a move that was killed, as a bridge's does.
const leaseTTL = 6 * time.Second

// leases keep bridges, and other moves, away from both stores.
type leases struct {
	held []held
	to   map[string]diff.Lease // in the store that is moved to, by account
	stop context.CancelFunc
	done sync.WaitGroup
}

type held struct {
	store diff.Store
	lease diff.Lease
}

// take takes the lease of every account that is moved, in both stores. One that a killed process has left runs out while it waits.
// The context that it returns ends if one is lost.
func (l *leases) take(ctx context.Context, m *move) (context.Context, error) {
	host, _ := os.Hostname()
	holder := fmt.Sprintf("migrate on %s/%d", host, os.Getpid())
	l.to = make(map[string]diff.Lease)
	for _, account := range m.accounts() {
		from, err := l.one(ctx, m.from.store, account, holder)
		if err != nil {
			return ctx, err
		}
		l.to[account] = from
		if m.to.store == m.from.store || m.to.store == nil {
			continue
		}
		if l.to[account], err = l.one(ctx, m.to.store, account, holder); err != nil {
			return ctx, err
		}
	}
	ctx, fail := context.WithCancelCause(ctx)
	renewing, stop := context.WithCancel(ctx)
	l.stop = func() { stop(); fail(nil) }
	l.done.Go(func() { l.renew(renewing, fail) })
	return ctx, nil
}

// one takes one lease, and waits for as long as one may outlive its holder.
func (l *leases) one(ctx context.Context, store diff.Store, account, holder string) (diff.Lease, error) {
	tick := time.NewTicker(leaseTTL / 12)
	defer tick.Stop()
	for patience := time.Now().Add(leaseTTL + time.Second); ; {
		lease, err := store.Acquire(ctx, account, holder, leaseTTL)
		other, is := errors.AsType[*diff.HeldError](err)
		switch {
		case err == nil:
			l.held = append(l.held, held{store, lease})
			return lease, nil
		case !is:
			return lease, err
		case time.Now().After(patience):
			return lease, running(fmt.Sprintf("the account %s: %s", account, other.Holder))
		}
		select {
		case <-ctx.Done():
			return lease, ctx.Err()
		case <-tick.C:
		}
	}
}

// renew renews all leases until ctx ends, and calls fail if one is lost.
func (l *leases) renew(ctx context.Context, fail context.CancelCauseFunc) {
	tick := time.NewTicker(leaseTTL / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, h := range l.held {
			if err := h.store.Renew(ctx, h.lease, leaseTTL); errors.Is(err, diff.ErrLeaseLost) {
				fail(fmt.Errorf("the account %s: %w, another process has it; see that no bridge is running, and run it again", h.lease.Account, err))
				return
			}
		}
	}
}

func (l *leases) release() {
	if l.stop != nil {
		l.stop()
	}
	l.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), leaseTTL)
	defer cancel()
	for _, h := range l.held {
		_ = h.store.Release(ctx, h.lease) // else it runs out
	}
}
