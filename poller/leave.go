package poller

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// A leaver is a Source that leaves the queue of the budget when the poller is asked to stop. A request that has not been
// sent is no step that has begun: it may wait for most of a minute, and nobody should wait for it to stop.
type leaver struct {
	Source
	// onStop has f called once the poller is asked to stop, unless the function that it returns is called before.
	onStop atomic.Pointer[func(f func()) (cancel func() bool)]
}

// until makes ctx the end of all waiting. Without it, a request waits as long as its own context lasts.
func (l *leaver) until(ctx context.Context) {
	onStop := func(f func()) func() bool { return context.AfterFunc(ctx, f) }
	l.onStop.Store(&onStop)
}

// Reserve is Source's.
func (l *leaver) Reserve(ctx context.Context, lane cliniko.Lane) error {
	if onStop := l.onStop.Load(); onStop != nil {
		waiting, leave := context.WithCancel(ctx)
		defer leave()
		defer (*onStop)(leave)()
		ctx = waiting
	}
	return l.Source.Reserve(ctx, lane)
}

// List is Source's.
func (l *leaver) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	if err := l.pay(ctx, &q); err != nil {
		return cliniko.Page{}, err
	}
	return l.Source.List(ctx, q)
}

// Get is Source's.
func (l *leaver) Get(ctx context.Context, q cliniko.Query) ([]byte, time.Time, error) {
	if err := l.pay(ctx, &q); err != nil {
		return nil, time.Time{}, err
	}
	return l.Source.Get(ctx, q)
}

func (l *leaver) pay(ctx context.Context, q *cliniko.Query) error {
	if q.Paid {
		return nil
	}
	q.Paid = true
	return l.Reserve(ctx, q.Lane)
}
