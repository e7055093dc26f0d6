package diff_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ttl = 6 * time.Second

// leading notes who leads, from when to when.
type leading struct {
	mu   sync.Mutex // guards list
	list []span
}

// spans are those that have begun.
func (l *leading) spans() []span {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

type span struct {
	who      string
	token    uint64
	from, to time.Time
}

func (l *leading) as(who string) func(context.Context, diff.Lease) {
	return func(ctx context.Context, lease diff.Lease) {
		l.mu.Lock()
		i := len(l.list)
		l.list = append(l.list, span{who: who, token: lease.Token, from: time.Now()})
		l.mu.Unlock()
		<-ctx.Done()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.list[i].to = time.Now()
	}
}

func start(ctx context.Context, store diff.Store, who string, log *zap.Logger, l *leading) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		diff.Lead(ctx, store, "northside", who, ttl, log, l.as(who))
	}()
	return done
}

func TestASecondProcessWaitsAndSaysSoAndTakesOverAtOnceWhenTheFirstStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := difftest.NewMemory()
		core, logs := observer.New(zap.InfoLevel)
		var l leading
		one, stopOne := context.WithCancel(t.Context())
		two, stopTwo := context.WithCancel(t.Context())
		first := start(one, store, "one", zap.NewNop(), &l)
		synctest.Wait()
		second := start(two, store, "two", zap.New(core), &l)
		time.Sleep(time.Minute)
		if spans := l.spans(); len(spans) != 1 {
			t.Fatalf("after a minute: %v", spans)
		}
		if n := logs.FilterMessageSnippet("waiting for its lease").Len(); n != 1 {
			t.Errorf("it said %d times that it waits, want once", n)
		}
		stopOne()
		<-first
		time.Sleep(ttl)
		stopTwo()
		<-second
		spans := l.spans()
		if len(spans) != 2 || spans[1].who != "two" || spans[1].from.Sub(spans[0].to) > ttl/6 {
			t.Fatalf("got %v", spans)
		}
		if spans[1].token <= spans[0].token {
			t.Error("the token did not rise")
		}
	})
}

func TestALeaseThatIsLostEndsTheWorkAndIsTakenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := difftest.NewMemory()
		var l leading
		ctx, stop := context.WithCancel(t.Context())
		done := start(ctx, store, "one", zap.NewNop(), &l)
		time.Sleep(10 * time.Second)
		store.Flush()
		time.Sleep(2 * ttl)
		stop()
		<-done
		if spans := l.spans(); len(spans) != 2 || spans[0].to.Sub(spans[0].from) > 10*time.Second+ttl {
			t.Errorf("got %v, want the first ended within a lease of the loss, and another", spans)
		}
	})
}

func TestAStoreThatDoesNotAnswerForLongerThanTheLeaseEndsTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &deaf{Memory: difftest.NewMemory()}
		var l leading
		ctx, stop := context.WithCancel(t.Context())
		done := start(ctx, store, "one", zap.NewNop(), &l)
		time.Sleep(5 * time.Second)
		store.deaf.Store(true)
		time.Sleep(3 * ttl)
		if spans := l.spans(); len(spans) != 1 || spans[0].to.IsZero() {
			t.Errorf("got %v, want the work ended", spans)
		}
		store.deaf.Store(false)
		time.Sleep(2 * ttl)
		stop()
		<-done
		if spans := l.spans(); len(spans) != 2 {
			t.Errorf("got %v, want it to begin again", spans)
		}
	})
}

// deaf is a store that leases cannot be had from for a while.
type deaf struct {
	*difftest.Memory
	deaf atomic.Bool
}

func (d *deaf) Acquire(ctx context.Context, account, holder string, ttl time.Duration) (diff.Lease, error) {
	if d.deaf.Load() {
		return diff.Lease{}, errors.New("no answer")
	}
	return d.Memory.Acquire(ctx, account, holder, ttl)
}

func (d *deaf) Renew(ctx context.Context, lease diff.Lease, ttl time.Duration) error {
	if d.deaf.Load() {
		return errors.New("no answer")
	}
	return d.Memory.Renew(ctx, lease, ttl)
}
