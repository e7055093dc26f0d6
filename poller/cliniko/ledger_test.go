package cliniko

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A process that dies at any moment and is followed by another at once leaves no minute with more than the budget,
// seen over both; and the second does not lie idle for fear of the first.
func TestTheBudgetHoldsOverARestart(t *testing.T) {
	for _, alive := range []time.Duration{0, 100 * time.Millisecond, 7 * time.Second, 31 * time.Second, 59 * time.Second, 95 * time.Second} {
		for _, lane := range []Lane{LaneLive, LaneBaseline} {
			synctest.Test(t, func(t *testing.T) {
				ledger := &memoryLedger{}
				var c clinic
				for range 3 {
					ctx, kill := context.WithTimeout(t.Context(), alive)
					c.keepAsking(ctx, NewBudget(180, ledger), lane)
					c.wg.Wait()
					kill()
				}
				died := time.Now()
				before := len(c.granted)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
				defer cancel()
				c.keepAsking(ctx, NewBudget(180, ledger), lane)
				c.wg.Wait()
				if worst := c.worst(); worst > 180 {
					t.Errorf("alive %s, %s: %d requests in one minute", alive, lane, worst)
				}
				if after := len(c.granted) - before; after < 2*180 {
					t.Errorf("alive %s, %s: only %d requests in the three minutes after", alive, lane, after)
				}
				if lane == LaneBaseline && before < 180 && c.granted[before].at.Sub(died) > time.Second {
					t.Errorf("alive %s: idle for %s", alive, c.granted[before].at.Sub(died))
				}
			})
		}
	}
}

// What a dead process had reserved counts as sent when its block ended, and not when the block was reserved: it may
// have been sent then.
func TestABlockCountsAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := &memoryLedger{}
		start := time.Now()
		if err := NewBudget(180, ledger).Wait(t.Context(), LaneLive); err != nil {
			t.Fatal(err)
		}
		time.Sleep(70 * time.Second) // the first block of 9 ended 50 s ago
		b := NewBudget(180, ledger)
		if err := b.Wait(t.Context(), LaneLive); err != nil {
			t.Fatal(err)
		}
		if got := b.Stats(); got.Earlier != 9 || got.Spent[LaneLive] != 1 {
			t.Errorf("after %s: got %+v, want 9 earlier", time.Since(start), got)
		}
		time.Sleep(12 * time.Second)
		if got := b.Stats(); got.Earlier != 0 {
			t.Errorf("after %s: got %+v, want none earlier", time.Since(start), got)
		}
	})
}

// A reservation is written before anything is sent from it, and a block that was not used up in its time is not used
// later.
func TestABlockIsReservedFirstAndLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := &memoryLedger{}
		b := NewBudget(180, ledger)
		wait := func(want int) {
			t.Helper()
			if err := b.Wait(t.Context(), LaneLive); err != nil {
				t.Fatal(err)
			}
			if ledger.reserved != want {
				t.Errorf("%d blocks are reserved, want %d", ledger.reserved, want)
			}
		}
		for range 9 {
			wait(1)
		}
		wait(2)
		time.Sleep(blockLife - time.Nanosecond)
		wait(2)
		time.Sleep(time.Nanosecond)
		wait(3)
	})
}

func TestAnUnreadableLedgerMeansThatAllIsSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := &memoryLedger{value: []byte("2 something later")}
		start := time.Now()
		if err := NewBudget(180, ledger).Wait(t.Context(), LaneLive); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited < time.Minute-time.Second || waited > window {
			t.Errorf("waited for %s, want a minute", waited)
		}
		if _, err := parseSums(ledger.value); err != nil {
			t.Errorf("the ledger was not mended: %q", ledger.value)
		}
	})
}

// A clock that was put back must not stop an account until it has caught up.
func TestALedgerFromTheFutureIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ledger := &memoryLedger{value: formatSums([]sum{{start.Add(24 * time.Hour).Unix(), 180}})}
		if err := NewBudget(180, ledger).Wait(t.Context(), LaneLive); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited > window+blockLife+time.Second {
			t.Errorf("waited for %s", waited)
		}
	})
}

// A ledger that fails, or hangs, fails the requests that need it, one by one; each of them may be repeated, and once
// the ledger is back they go.
func TestALedgerThatFailsStopsNobodyForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("connection refused")
		ledger := &memoryLedger{err: broken}
		b := NewBudget(180, ledger)
		for range 3 {
			if err := b.Wait(t.Context(), LaneLive); !errors.Is(err, ErrLedger) || !errors.Is(err, broken) {
				t.Fatalf("got %v", err)
			}
		}
		ledger.err, ledger.delay = nil, time.Hour
		start := time.Now()
		if err := b.Wait(t.Context(), LaneLive); !errors.Is(err, ErrLedger) || time.Since(start) != ledgerTimeout {
			t.Errorf("a ledger that hangs: got %v after %s", err, time.Since(start))
		}
		ledger.delay = 0
		if err := b.Wait(t.Context(), LaneLive); err != nil {
			t.Errorf("the ledger is back: %v", err)
		}
		if total := b.Stats().Total(); total != 1 {
			t.Errorf("%d requests are counted, want 1", total)
		}
	})
}

// One who gives up while asking the ledger for all leaves the asking to the next, and more urgent ones who came in the
// meantime go first.
func TestTheNextOneTakesOverAskingTheLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := &memoryLedger{delay: time.Second}
		b := NewBudget(180, ledger)
		var c clinic
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // in the midst of the first reservation
		defer cancel()
		c.wg.Go(func() {
			if err := b.Wait(ctx, LaneBaseline); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrLedger) {
				t.Errorf("got %v, want its own deadline", err)
			}
		})
		c.askAfter(t.Context(), b, 100*time.Millisecond, LaneBaseline)
		c.askAfter(t.Context(), b, 1600*time.Millisecond, LaneLive)
		c.wg.Wait()
		if len(c.granted) != 2 || c.granted[0].lane != LaneLive {
			t.Errorf("got %+v, want live first", c.granted)
		}
	})
}

func TestTheLedgersBytes(t *testing.T) {
	start := time.Unix(1774606000, 0)
	spent := []spending{{start, LaneLive}, {start.Add(1), LaneLive}, {start.Add(time.Second), LaneSweep}, {start.Add(90 * time.Second), laneCount}}
	sums := sumUp(spent, start.Add(20*time.Second), 9)
	got := string(formatSums(sums))
	if want := "1 1774606000:1 1:2 19:9 70:1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, bad := range []string{
		"x", "2 5:1", "1 ", "1 5", "1 5:", "1 :5", "1 5:0", "1 5:-1", "1 -5:1", "1 5:1 ", "1  5:1", "1 5:1001",
		"1 99999999999:1", "1 4294967295:1 1:1", "1 5:1 9223372036854775807:1", " 1 5:1",
	} {
		if sums, err := parseSums([]byte(bad)); err == nil {
			t.Errorf("%q: got %v, want an error", bad, sums)
		}
	}
}

// Whatever bytes the ledger holds, reading them neither panics nor blocks an account for long, and what is read is
// written as it was, but for spellings such as "+5".
func FuzzLedgerBytes(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte("1"))
	f.Add([]byte("1 1774606000:9 3:9 20:9"))
	f.Add([]byte("1 +5:+1"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := NewBudget(180, &memoryLedger{value: raw})
		if err := b.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		limit := time.Now().Add(window + blockLife + time.Second)
		if at := b.earliest(LaneLive, time.Now()); at.After(limit) {
			t.Errorf("%q blocks until %s, later than %s", raw, at, limit)
		}
		sums, err := parseSums(raw)
		if err != nil || len(raw) == 0 {
			return
		}
		written := formatSums(sums)
		again, err := parseSums(written)
		if err != nil || len(again) != len(sums) || len(written) > len(raw) {
			t.Errorf("%q became %q: %v, %v", raw, written, again, err)
		}
	})
}
