package diff_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ttl = 6 * time.Second

// A ward is one store, and the processes that work with it.
type ward struct {
	store    *difftest.Memory
	accounts []string
	inFlight time.Duration // how long work goes on when it is asked to end

	mu    sync.Mutex // guards spans
	spans []span
}

// A span is one account at one process. to is zero while it lasts.
type span struct {
	account, who string
	token        uint64
	from, to     time.Time
}

func newWard(accounts int) *ward {
	w := &ward{store: difftest.NewMemory()}
	for i := range accounts {
		w.accounts = append(w.accounts, fmt.Sprintf("clinic-%d", i))
	}
	return w
}

// A process is one replica at work.
type process struct {
	*diff.Replica
	store *deaf
	logs  *observer.ObservedLogs
	stop  func() // asks it to stop, and waits for that
}

// start starts a process that leads accounts.
func (w *ward) start(t *testing.T, who string, accounts ...string) *process {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	p := &process{store: &deaf{Memory: w.store}, logs: logs}
	p.Replica = diff.NewReplica(diff.ReplicaConfig{
		Store: p.store, Holder: who, Accounts: accounts, TTL: ttl, Log: zap.New(core),
		Work: func(ctx context.Context, lease diff.Lease) { w.work(ctx, who, lease) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	p.stop = func() {
		cancel()
		<-done
	}
	return p
}

func (w *ward) work(ctx context.Context, who string, lease diff.Lease) {
	w.mu.Lock()
	i := len(w.spans)
	w.spans = append(w.spans, span{account: lease.Account, who: who, token: lease.Token, from: time.Now()})
	w.mu.Unlock()
	<-ctx.Done()
	time.Sleep(w.inFlight)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spans[i].to = time.Now()
}

// of are the spans of account that have begun.
func (w *ward) of(account string) (list []span) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.spans {
		if s.account == account {
			list = append(list, s)
		}
	}
	return list
}

// begun is how often work on any account has begun.
func (w *ward) begun() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.spans)
}

// now says who has each account, "" if nobody.
func (w *ward) now() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	has := make(map[string]string)
	for _, s := range w.spans {
		if s.to.IsZero() {
			has[s.account] = s.who
		}
	}
	return has
}

// deaf is a store that a process cannot reach for a while.
type deaf struct {
	*difftest.Memory
	deaf  atomic.Bool
	hangs atomic.Bool  // it does not even say so
	calls atomic.Int64 // all of them, each account of Holders counted
}

var errDeaf = errors.New("no answer")

func (d *deaf) reached(ctx context.Context, n int) error {
	d.calls.Add(int64(n))
	if d.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if d.deaf.Load() {
		return errDeaf
	}
	return nil
}

func (d *deaf) Acquire(ctx context.Context, account, holder string, ttl time.Duration) (diff.Lease, error) {
	if err := d.reached(ctx, 1); err != nil {
		return diff.Lease{}, err
	}
	return d.Memory.Acquire(ctx, account, holder, ttl)
}

func (d *deaf) Renew(ctx context.Context, lease diff.Lease, ttl time.Duration) error {
	if err := d.reached(ctx, 1); err != nil {
		return err
	}
	return d.Memory.Renew(ctx, lease, ttl)
}

func (d *deaf) Release(ctx context.Context, lease diff.Lease) error {
	if err := d.reached(ctx, 1); err != nil {
		return err
	}
	return d.Memory.Release(ctx, lease)
}

func (d *deaf) Holders(ctx context.Context, accounts []string) (map[string]string, error) {
	if err := d.reached(ctx, len(accounts)); err != nil {
		return nil, err
	}
	return d.Memory.Holders(ctx, accounts)
}

func (d *deaf) Enlist(ctx context.Context, team, holder string, ttl time.Duration) ([]string, error) {
	if err := d.reached(ctx, 1); err != nil {
		return nil, err
	}
	return d.Memory.Enlist(ctx, team, holder, ttl)
}

func (d *deaf) Delist(ctx context.Context, team, holder string) error {
	if err := d.reached(ctx, 1); err != nil {
		return err
	}
	return d.Memory.Delist(ctx, team, holder)
}

// wantShares fails the test unless each account is at the one of who whose share it is.
func (w *ward) wantShares(t *testing.T, who ...string) {
	t.Helper()
	if got, want := w.now(), diff.Share(w.accounts, who); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A process that joins gets its share after two TTLs and no more than that, and the log says so; nothing else moves.
func TestAProcessThatJoinsGetsItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(30)
		one := w.start(t, "one", w.accounts...)
		two := w.start(t, "two", w.accounts...)
		time.Sleep(3 * ttl)
		w.wantShares(t, "one", "two")
		began := w.begun()
		three := w.start(t, "three", w.accounts...)
		time.Sleep(2*ttl - time.Second)
		if n := w.begun(); n != began {
			t.Errorf("%d accounts moved before it had settled", n-began)
		}
		time.Sleep(ttl)
		w.wantShares(t, "one", "two", "three")
		if moved := w.begun() - began; moved > 15 {
			t.Errorf("%d of 30 accounts moved for a share of 10", moved)
		}
		if n := three.logs.FilterMessage("the accounts are shared out").Len(); n != 1 {
			t.Errorf("the one that joined said %d times that it shares, want once", n)
		}
		if n := one.logs.FilterMessage("handed the account over").Len(); n == 0 {
			t.Error("who handed over said nothing")
		}
		for _, p := range []*process{one, two, three} {
			p.stop()
		}
	})
}

// A process that stops gives up each account when its work in flight is done, and the others have it within a beat or two.
func TestAProcessThatStopsHandsOverAtOnce(t *testing.T) {
	for _, inFlight := range []time.Duration{0, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWard(20)
			w.inFlight = inFlight
			one, two := w.start(t, "one", w.accounts...), w.start(t, "two", w.accounts...)
			time.Sleep(5 * ttl)
			w.wantShares(t, "one", "two")
			asked := time.Now()
			one.stop()
			if took := time.Since(asked); took > inFlight+time.Second {
				t.Errorf("it took %s to stop", took)
			}
			time.Sleep(ttl / 3)
			w.wantShares(t, "two")
			w.wantOneAtATime(t, 0)
			two.stop()
		})
	}
}

// The accounts of a process that is killed are taken over within two TTLs, those of one that is cut off from the store too,
// and that one has stopped its work by then, even if the store hangs and answers nothing.
func TestTheAccountsOfOneThatIsKilledAreTakenOver(t *testing.T) {
	for name, kill := range map[string]func(*deaf){
		"no answer": func(d *deaf) { d.deaf.Store(true) },
		"it hangs":  func(d *deaf) { d.hangs.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWard(20)
				one, two := w.start(t, "one", w.accounts...), w.start(t, "two", w.accounts...)
				time.Sleep(4*ttl + time.Second/2)
				kill(one.store)
				time.Sleep(2 * ttl)
				w.wantShares(t, "two")
				w.wantOneAtATime(t, 0)
				if n := one.logs.FilterMessage("the store does not answer; waiting for it").Len(); n != 1 {
					t.Errorf("it said %d times that the store does not answer, want once", n)
				}
				one.store.deaf.Store(false)
				one.store.hangs.Store(false)
				time.Sleep(5 * ttl)
				w.wantShares(t, "one", "two")
				one.stop()
				two.stop()
			})
		})
	}
}

// A process that comes and goes faster than two TTLs takes nothing from those who stay.
func TestABlinkingProcessMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(20)
		one := w.start(t, "one", w.accounts...)
		time.Sleep(ttl)
		for range 10 {
			two := w.start(t, "two", w.accounts...)
			time.Sleep(ttl + ttl/2)
			two.stop()
			time.Sleep(ttl / 2)
		}
		if n := w.begun(); n != len(w.accounts) {
			t.Errorf("%d accounts moved", n-len(w.accounts))
		}
		one.stop()
	})
}

// An account that the one whose share it is does not take is taken by another after three TTLs, and kept.
func TestAnAccountThatNobodyTakesIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(4)
		one := w.start(t, "one", w.accounts...)
		time.Sleep(ttl)
		wedged := &wedged{Memory: w.store}
		two := diff.NewReplica(diff.ReplicaConfig{
			Store: wedged, Holder: "two", Accounts: w.accounts, TTL: ttl, Log: zap.NewNop(),
			Work: func(ctx context.Context, lease diff.Lease) { w.work(ctx, "two", lease) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { two.Run(ctx) })
		time.Sleep(3 * ttl)
		if n := len(w.now()); n != 2 {
			t.Errorf("%d accounts are followed, want the half that was not handed over", n)
		}
		time.Sleep(4 * ttl)
		w.wantShares(t, "one")
		began := w.begun()
		time.Sleep(10 * ttl)
		if n := w.begun(); n != began {
			t.Errorf("%d accounts moved later", n-began)
		}
		if n := one.logs.FilterMessage("took an account that nobody else takes").Len(); n != 2 {
			t.Errorf("it said %d times that it took one, want 2", n)
		}
		for i, p := range two.Posts() {
			mine := diff.Share(w.accounts, []string{"one", "two"})[w.accounts[i]] == "two"
			if p.Mine != mine || p.Holder != "one" {
				t.Errorf("%s stands as %+v to the wedged one", w.accounts[i], p)
			}
		}
		cancel()
		running.Wait()
		one.stop()
	})
}

// wedged is a store that gives no leases to one process, which is there all the same.
type wedged struct{ *difftest.Memory }

func (*wedged) Acquire(context.Context, string, string, time.Duration) (diff.Lease, error) {
	return diff.Lease{}, errDeaf
}

// Bridges that have other accounts do not share: who comes first keeps, and the other says once that it waits.
func TestAnotherConfigurationDoesNotShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(3)
		one := w.start(t, "one", w.accounts[:2]...)
		synctest.Wait()
		two := w.start(t, "two", w.accounts...)
		time.Sleep(10 * ttl)
		if got, want := w.now(), map[string]string{"clinic-0": "one", "clinic-1": "one", "clinic-2": "two"}; !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if n := two.logs.FilterMessageSnippet("waiting for its lease").Len(); n != 2 {
			t.Errorf("it said %d times that it waits, want once for each of two accounts", n)
		}
		one.stop()
		time.Sleep(ttl / 3)
		w.wantShares(t, "two")
		two.stop()
	})
}

func TestALeaseThatIsLostEndsTheWorkAndIsTakenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(1)
		one := w.start(t, "one", w.accounts...)
		time.Sleep(10 * time.Second)
		w.store.Flush()
		time.Sleep(2 * ttl)
		one.stop()
		spans := w.of(w.accounts[0])
		if len(spans) != 2 || spans[0].to.Sub(spans[0].from) > 10*time.Second+ttl || spans[1].token <= spans[0].token {
			t.Errorf("got %v, want the first ended within a lease of the loss, and another", spans)
		}
	})
}

// wantOneAtATime fails the test if two processes worked on one account at once, for longer than overlap.
func (w *ward) wantOneAtATime(t interface {
	Helper()
	Errorf(format string, args ...any)
}, overlap time.Duration,
) {
	t.Helper()
	for _, account := range w.accounts {
		spans := w.of(account)
		for i := 1; i < len(spans); i++ {
			if before := spans[i-1]; before.to.IsZero() || before.to.After(spans[i].from.Add(overlap)) {
				t.Errorf("%s was at %s until %v and at %s from %v on", account, before.who, before.to, spans[i].who, spans[i].from)
			}
		}
	}
}

// Whoever comes, stops, is cut off from the store and comes back, in whatever order: no account is at two processes at once,
// beyond what was in flight when a lease was lost, and in the end each is where it belongs.
func TestWhoeverComesAndGoesTheAccountsAreSharedInTheEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [3]int {
			return [3]int{rapid.IntRange(0, 3).Draw(t, "who"), rapid.IntRange(0, 3).Draw(t, "what"), rapid.IntRange(0, 20).Draw(t, "seconds")}
		}), 1, 20).Draw(rt, "steps")
		w := newWard(rapid.IntRange(1, 7).Draw(rt, "accounts"))
		w.inFlight = rapid.SampledFrom([]time.Duration{0, time.Second, 5 * time.Second}).Draw(rt, "in flight")
		synctest.Test(t, func(t *testing.T) {
			there := make(map[string]*process)
			started := 0
			for _, s := range steps {
				who := slices.Sorted(maps.Keys(there))
				switch {
				case s[1] == 0 || len(who) == 0:
					started++
					name := fmt.Sprintf("pod-%d", started)
					there[name] = w.start(t, name, w.accounts...)
				case s[1] == 1:
					there[who[s[0]%len(who)]].stop()
					delete(there, who[s[0]%len(who)])
				default:
					d := &there[who[s[0]%len(who)]].store.deaf
					d.Store(!d.Load())
				}
				time.Sleep(time.Duration(s[2]) * time.Second)
			}
			for _, p := range there {
				p.store.deaf.Store(false)
			}
			time.Sleep(8 * ttl)
			if who := slices.Sorted(maps.Keys(there)); len(who) > 0 {
				w.wantShares(t, who...)
			}
			w.wantOneAtATime(rt, w.inFlight)
			for _, p := range there {
				p.stop()
			}
		})
	})
}

// What three processes ask of the store in a minute for 300 accounts: three renewals a TTL for each account that is held, one
// look a TTL at each that is not, all in one round trip, and a beat a second for each process.
func TestAccountsThatWaitCostNextToNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(300)
		all := []*process{w.start(t, "one", w.accounts...), w.start(t, "two", w.accounts...), w.start(t, "three", w.accounts...)}
		time.Sleep(5 * ttl)
		w.wantShares(t, "one", "two", "three")
		calls := func() (n int64) {
			for _, p := range all {
				n += p.store.calls.Load()
			}
			return n
		}
		before := calls()
		time.Sleep(time.Minute)
		const renewals, looks, beats = 300 * 30, 600 * 10, 3 * 60
		if n := calls() - before; n > (renewals+looks+beats)*105/100 {
			t.Errorf("%d questions in a minute, want about %d", n, renewals+looks+beats)
		}
		for _, p := range all {
			p.stop()
		}
	})
}
