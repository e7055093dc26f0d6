package cliniko

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// A clinic records when each request was granted.
type clinic struct {
	mu      sync.Mutex
	granted []spending
	wg      sync.WaitGroup
}

// ask waits for one request and records it.
func (c *clinic) ask(ctx context.Context, b *Budget, lane Lane) error {
	err := b.Wait(ctx, lane)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.granted = append(c.granted, spending{time.Now(), lane})
	}
	return err
}

// askAfter starts a goroutine that asks after d. c.wg ends with it.
func (c *clinic) askAfter(ctx context.Context, b *Budget, d time.Duration, lane Lane) {
	c.wg.Go(func() {
		time.Sleep(d)
		_ = c.ask(ctx, b, lane)
	})
}

// keepAsking asks one request after another until ctx ends, as a baseline does. c.wg ends with it.
func (c *clinic) keepAsking(ctx context.Context, b *Budget, lane Lane) {
	c.wg.Go(func() {
		var err error
		for err == nil {
			err = c.ask(ctx, b, lane)
		}
	})
}

// worst is the largest number of requests in any 60 seconds.
func (c *clinic) worst() int {
	worst, first := 0, 0
	for i, g := range c.granted {
		for g.at.Sub(c.granted[first].at) > time.Minute {
			first++
		}
		worst = max(worst, i-first+1)
	}
	return worst
}

// A memoryLedger is a Ledger that outlives a Budget, takes its time, and can be made to fail.
type memoryLedger struct {
	mu       sync.Mutex
	value    []byte
	err      error         // what both methods answer
	delay    time.Duration // what both methods take
	reserved int
}

func (l *memoryLedger) wait(ctx context.Context) error {
	if l.delay > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(l.delay):
		}
	}
	return l.err
}

func (l *memoryLedger) Spent(ctx context.Context) ([]byte, error) {
	if err := l.wait(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.value), nil
}

func (l *memoryLedger) Reserve(ctx context.Context, spent []byte) error {
	if err := l.wait(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.value = slices.Clone(spent)
	l.reserved++
	return nil
}

// An arrival is one who asks, and gives up after a while.
type arrival struct {
	at, patience time.Duration
	lane         Lane
}

// A storm is a day at a clinic: who asks, when the API pauses everybody, and when the process dies and the next starts.
type storm struct {
	perMinute      int
	arrivals       []arrival
	pauseAt, pause time.Duration
	ledger         *memoryLedger // nil: memory only, and nobody dies
	crashAt, down  time.Duration
}

const patient = 24 * time.Hour

func drawStorm(t *rapid.T) storm {
	instant := rapid.OneOf(rapid.Just(time.Duration(0)), rapid.Just(time.Minute), rapid.Just(window),
		rapid.Map(rapid.IntRange(0, 150_000), func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }))
	arrivals := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) arrival {
		return arrival{
			at:       instant.Draw(t, "at"),
			patience: rapid.SampledFrom([]time.Duration{0, 10 * time.Millisecond, time.Second, patient, patient, patient}).Draw(t, "patience"),
			lane:     Lane(rapid.IntRange(-1, int(laneCount)).Draw(t, "lane")),
		}
	}), 20, 200)
	s := storm{
		perMinute: rapid.SampledFrom([]int{1, 2, 7, 30, 60}).Draw(t, "perMinute"),
		arrivals:  arrivals.Draw(t, "arrivals"),
		pauseAt:   instant.Draw(t, "pauseAt"),
		pause:     instant.Draw(t, "pause"),
	}
	if rapid.Bool().Draw(t, "ledger") {
		s.ledger = &memoryLedger{delay: rapid.SampledFrom([]time.Duration{0, time.Millisecond, 2 * time.Second}).Draw(t, "delay")}
		s.crashAt = instant.Draw(t, "crashAt")
		// The fake clock moves on only when everybody waits: a nanosecond later the first process is quite dead.
		s.down = rapid.SampledFrom([]time.Duration{1, 10 * time.Millisecond, 3 * time.Second, 30 * time.Second}).Draw(t, "down")
	}
	return s
}

// run returns what was granted, and how many of the patient were not served although their process lived.
func (s storm) run(t *testing.T) (granted *clinic, forgotten int) {
	t.Helper()
	c := &clinic{}
	var lost atomic.Int64
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		newBudget := func() *Budget {
			if s.ledger == nil {
				return NewBudget(s.perMinute, nil)
			}
			return NewBudget(s.perMinute, s.ledger)
		}
		life, crash := context.WithCancel(t.Context())
		processes := []context.Context{life, t.Context()}
		budgets := []func() *Budget{sync.OnceValue(newBudget), sync.OnceValue(newBudget)}
		if s.ledger != nil {
			c.wg.Go(func() {
				time.Sleep(s.crashAt)
				crash()
			})
		}
		for _, a := range s.arrivals {
			c.wg.Go(func() {
				time.Sleep(a.at)
				process := 0
				if s.ledger != nil && a.at >= s.crashAt {
					time.Sleep(s.crashAt + s.down - time.Since(start))
					process = 1
				}
				ctx, cancel := context.WithTimeout(processes[process], a.patience)
				defer cancel()
				if c.ask(ctx, budgets[process](), a.lane) != nil && a.patience == patient && processes[process].Err() == nil {
					lost.Add(1)
				}
			})
		}
		time.Sleep(s.pauseAt)
		budgets[0]().Pause(time.Now().Add(s.pause))
		c.wg.Wait()
		crash()
	})
	return c, int(lost.Load())
}

// Whatever is asked, whenever and in whatever lane, across pauses, cancellations and restarts: no 60 seconds see more
// requests than the budget, and who has the patience is served in the end.
func TestNoMinuteSeesMoreThanTheBudget(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawStorm(rt)
		granted, forgotten := s.run(t)
		if got := granted.worst(); got > s.perMinute {
			rt.Errorf("%d requests in one minute, want at most %d", got, s.perMinute)
		}
		if forgotten > 0 {
			rt.Errorf("%d were never served", forgotten)
		}
	})
}

func TestABaselineAloneUsesTheBudgetUp(t *testing.T) {
	for _, perMinute := range []int{1, 30, 180, 200} {
		for _, ledger := range []Ledger{nil, &memoryLedger{delay: 5 * time.Millisecond}} {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				var c clinic
				c.keepAsking(ctx, NewBudget(perMinute, ledger), LaneBaseline)
				c.wg.Wait()
				if got, want := len(c.granted), 10*perMinute*95/100; got < want {
					t.Errorf("%d requests in ten minutes at %d a minute, want %d or more", got, perMinute, want)
				}
				for i := 1; i < len(c.granted); i++ {
					if gap := c.granted[i].at.Sub(c.granted[i-1].at); gap < time.Minute/time.Duration(perMinute) {
						t.Fatalf("gap %d: %s: the requests are not spread", i, gap)
					}
				}
			})
		}
	}
}

// Every resource is polled at once when an account is taken over, and then on its schedule, some of them in the same
// moment. However busy the lower lanes are meanwhile, no poll waits for the budget; and the budget is used up.
func TestLivePollingDoesNotWaitForTheLowerLanes(t *testing.T) {
	for _, perMinute := range []int{60, 120, 180, 200} {
		for _, third := range []int{1, 2} { // of the budget, for live polling
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
				defer cancel()
				b := NewBudget(perMinute, nil)
				var c clinic
				for _, lane := range []Lane{LaneSide, LaneSweep, LaneBaseline, LaneBaseline} {
					c.keepAsking(ctx, b, lane)
				}
				poll := func(n int) {
					for range n {
						asked := time.Now()
						if err := c.ask(ctx, b, LaneLive); err == nil && time.Since(asked) > 0 {
							t.Errorf("%d/3 of %d a minute: a live request waited for %s", third, perMinute, time.Since(asked))
						}
					}
				}
				poll(perMinute / 4)
				together := perMinute / 25
				for every := window * 3 / time.Duration(perMinute*third); ctx.Err() == nil; {
					time.Sleep(every * time.Duration(together))
					poll(together)
				}
				c.wg.Wait()
				if got, want := len(c.granted), 6*perMinute*95/100; got < want {
					t.Errorf("%d/3 of %d a minute: %d requests in six minutes, want %d or more", third, perMinute, got, want)
				}
			})
		}
	}
}

// Schedules that ask for more than the budget leave each lower lane a share, alike and about a twentieth together, and
// live polling the rest.
func TestLanesThatStarveHaveAShare(t *testing.T) {
	for _, perMinute := range []int{60, 180} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 11*time.Minute)
			defer cancel()
			b := NewBudget(perMinute, nil)
			var c clinic
			c.wg.Go(func() { // a fourth more than there is
				for every := window * 4 / 5 / time.Duration(perMinute); ctx.Err() == nil; time.Sleep(every) {
					c.askAfter(ctx, b, 0, LaneLive)
				}
			})
			for _, lane := range []Lane{LaneSide, LaneSweep, LaneBaseline} {
				c.keepAsking(ctx, b, lane)
			}
			c.wg.Wait()
			var got [laneCount]int
			for _, g := range c.granted {
				got[g.lane]++
			}
			for _, lane := range []Lane{LaneSide, LaneSweep, LaneBaseline} {
				if most := 11 * perMinute / 20 / 3; got[lane] > most || got[lane] < most*3/4 {
					t.Errorf("%d a minute: %s had %d requests, want %d or a little less", perMinute, lane, got[lane], most)
				}
			}
			if lower := got[LaneSide] + got[LaneSweep] + got[LaneBaseline]; got[LaneLive] < 10*perMinute*95/100 || lower == 0 {
				t.Errorf("%d a minute: live polling had %d requests", perMinute, got[LaneLive])
			}
			if worst := c.worst(); worst > perMinute {
				t.Errorf("%d requests in one minute", worst)
			}
		})
	}
}

// Nobody starves before a minute has passed without a turn of the lane's own, however long the others' queue is; and
// a lane that has had one has to wait that long again.
func TestNobodyStarvesWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(60, nil)
		b.Pause(time.Now().Add(30 * time.Second))
		var c clinic
		c.askAfter(t.Context(), b, 0, LaneBaseline)
		for range 25 {
			c.askAfter(t.Context(), b, time.Second, LaneLive)
		}
		c.wg.Wait()
		if last := c.granted[len(c.granted)-1]; last.lane != LaneBaseline {
			t.Errorf("the last is of %s, want the baseline's", last.lane)
		}
		time.Sleep(10 * time.Minute) // an idle lane does not grow hungry
		b.Pause(time.Now().Add(5 * time.Second))
		c.askAfter(t.Context(), b, 0, LaneBaseline)
		time.Sleep(time.Second)
		b.mu.Lock()
		if b.starving(time.Now()) != nil {
			t.Error("the baseline starves, and has waited for a second")
		}
		b.mu.Unlock()
		c.wg.Wait()
	})
}

func TestALiveBurstGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := NewBudget(60, nil)
		var c clinic
		for range 70 {
			c.askAfter(t.Context(), b, 0, LaneLive)
		}
		c.wg.Wait()
		if at := c.granted[59].at.Sub(start); at != 0 {
			t.Errorf("the 60th went after %s, want at once", at)
		}
		if at := c.granted[60].at.Sub(start); at != window {
			t.Errorf("the 61st went after %s, want %s", at, window)
		}
	})
}

// Those who wait are served by lane, and within a lane in the order of asking.
func TestTheMostUrgentGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(60, nil)
		b.Pause(time.Now().Add(10 * time.Second))
		var mu sync.Mutex
		var got []int
		var wg sync.WaitGroup
		for i, lane := range []Lane{LaneBaseline, LaneSweep, LaneSide, LaneLive, LaneBaseline, LaneSweep, LaneSide, LaneLive} {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if err := b.Wait(t.Context(), lane); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got = append(got, i)
			})
		}
		time.Sleep(time.Second)
		if waiting := b.Stats().Waiting; waiting != [laneCount]int{2, 2, 2, 2} {
			t.Errorf("waiting: got %v", waiting)
		}
		wg.Wait()
		// The two live ones go in the same moment, and only then is there an order among goroutines to speak of.
		slices.Sort(got[:2])
		if want := []int{3, 7, 2, 6, 1, 5, 0, 4}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestAPauseHoldsEverybodyAndIsNotShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := NewBudget(180, nil)
		var c clinic
		b.Pause(start.Add(40 * time.Second))
		b.Pause(start.Add(5 * time.Second))
		c.askAfter(t.Context(), b, 0, LaneLive)
		c.askAfter(t.Context(), b, 0, LaneBaseline)
		time.Sleep(20 * time.Second)
		b.Pause(start.Add(50 * time.Second)) // while they wait
		c.wg.Wait()
		if at := c.granted[0].at.Sub(start); at != 50*time.Second {
			t.Errorf("went after %s, want 50s", at)
		}
	})
}

// One who gives up leaves no trace: the budget is not charged, and those behind move up.
func TestGivingUpIsClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := NewBudget(1, nil)
		var c clinic
		if err := c.ask(t.Context(), b, LaneLive); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			c.wg.Go(func() {
				if err := b.Wait(ctx, LaneLive); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want Canceled", err)
				}
			})
		}
		c.askAfter(t.Context(), b, time.Second, LaneBaseline)
		time.Sleep(2 * time.Second)
		cancel()
		c.wg.Wait()
		if at := c.granted[1].at.Sub(start); at != window {
			t.Errorf("the one behind went after %s, want %s", at, window)
		}
		if s := b.Stats(); s.Total() != 1 || s.Spent[LaneBaseline] != 1 || s.Waiting != [laneCount]int{} {
			t.Errorf("got %+v", s)
		}
		if err := b.Wait(ctx, LaneLive); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled context: got %v", err)
		}
	})
}

// What is granted in two stretches of time that meet is granted in both together, each in its own lane.
func TestWhatIsSpentBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(60, nil)
		var c clinic
		start := time.Now()
		c.askAfter(t.Context(), b, 0, LaneLive)
		c.askAfter(t.Context(), b, 5*time.Second, LaneBaseline)
		c.askAfter(t.Context(), b, 10*time.Second, LaneLive)
		c.askAfter(t.Context(), b, 12*time.Second, LaneLive)
		c.wg.Wait()
		ten := start.Add(10 * time.Second)
		if got, want := b.SpentBetween(start, ten), [laneCount]int{LaneLive: 1, LaneBaseline: 1}; got != want {
			t.Errorf("in the first ten seconds: got %v, want %v", got, want)
		}
		if got, want := b.SpentBetween(ten, ten.Add(10*time.Second)), [laneCount]int{LaneLive: 2}; got != want {
			t.Errorf("in those behind them: got %v, want %v", got, want)
		}
	})
}
