package cliniko

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A Budget hands out the requests of one API key: never more than so many in any 60 seconds, the more urgent lanes
// first, and within a lane in the order of asking.
//
// LaneLive may take at once whatever the window still has. The lower lanes take one request per spacing, which is a
// minute divided by the budget, and never one that live polling may soon need, see spare: a live request goes at once
// however busy they are, as long as no more than 4 % of the budget come in one moment and the live ones of a minute
// are no more than three quarters of it. What live polling does not ask for is the lower lanes' all the same, so that
// with a baseline at work 96 % of the budget are used. A lane that asks for nothing takes nothing away.
//
// A lower lane that has not had its turn for a minute starves: those above it ask for more than there is. Then every
// twentieth request is one of such a lane's, so that what it does comes to its end some day. It goes before those of the
// lower lanes, and before live ones only where these have to wait anyway, since they alone are more than the budget.
//
// With a Ledger the promise holds over restarts too, see there. One Budget at a time may use a ledger: whoever takes an
// account over makes a new one.
type Budget struct {
	perMinute int
	spacing   time.Duration
	headroom  int           // requests of any window that the lower lanes leave to live ones which come in one moment
	livePace  time.Duration // between two requests of live polling, at the most that spare is prepared for
	ledger    Ledger        // nil: memory only

	mu     sync.Mutex // guards all below; not held while the ledger is asked
	queues [laneCount][]*waiter
	hungry [laneCount]time.Time // when the lane first asked since it had its turn by right; zero if it has not
	unfed  int                  // grants since the last to a lane that starved
	timer  *time.Timer          // wakes dispatch when the first waiter's time comes
	paused time.Time
	last   time.Time // the last grant
	// spent are the requests of the last window, by time. Those that an earlier process may still have sent can lie
	// in the future.
	spent []spending

	loaded   bool      // the ledger has been read
	reserver *waiter   // the one that asks the ledger just now, or nil
	reserved int       // what is left of the last reservation
	lapse    time.Time // when that ends, used or not
}

// window is a minute and a margin, since what the server counts is when a request arrives and not when it leaves.
const window = time.Minute + 100*time.Millisecond

// A spending is one request.
type spending struct {
	at   time.Time // when it was granted, or for an earlier process's the latest that it can have been
	lane Lane      // laneCount: an earlier process's
}

// A waiter is one call of Wait.
type waiter struct {
	lane  Lane
	since time.Time // when it asked
	turn  chan bool // true: go; false: ask the ledger first. Never more than one is under way.
}

// NewBudget returns a budget of perMinute requests, 1 to 200; 0 means 180 and other values the nearest of these. With
// a nil ledger it is kept in memory alone.
func NewBudget(perMinute int, ledger Ledger) *Budget {
	if perMinute == 0 {
		perMinute = defaultPerMinute
	}
	perMinute = max(1, min(perMinute, maxPerMinute))
	return &Budget{
		perMinute: perMinute,
		spacing:   window / time.Duration(perMinute),
		headroom:  perMinute / 25,
		livePace:  window * 4 / 3 / time.Duration(perMinute),
		ledger:    ledger,
	}
}

// Wait returns nil when one request of lane may be sent, and counts it as sent. Otherwise it returns ctx's error, or
// one that wraps ErrLedger, and then nothing may be sent. A lane that there is not waits as LaneBaseline.
func (b *Budget) Wait(ctx context.Context, lane Lane) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if lane < 0 || lane >= laneCount {
		lane = LaneBaseline
	}
	w := &waiter{lane: lane, since: time.Now(), turn: make(chan bool, 1)}
	b.mu.Lock()
	b.queues[lane] = append(b.queues[lane], w)
	if b.hungry[lane].IsZero() {
		b.hungry[lane] = w.since
	}
	b.dispatch()
	b.mu.Unlock()
	for {
		select {
		case granted := <-w.turn:
			if granted {
				return nil
			}
			if err := b.askLedger(ctx, w); err != nil {
				return err
			}
		case <-ctx.Done():
			// If it was granted in this very moment, that request counts as sent: dearer, but never wrong.
			b.mu.Lock()
			defer b.mu.Unlock()
			b.leave(w)
			return ctx.Err()
		}
	}
}

// leave takes w out of its queue and lets the others go on. b.mu is held.
func (b *Budget) leave(w *waiter) {
	if i := slices.Index(b.queues[w.lane], w); i >= 0 {
		b.queues[w.lane] = slices.Delete(b.queues[w.lane], i, i+1)
	}
	if b.reserver == w {
		b.reserver = nil
	}
	b.dispatch()
}

// Pause holds all requests back until then, on our clock. A pause that is already longer stays.
func (b *Budget) Pause(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.paused) {
		b.paused = until
		b.dispatch()
	}
}

// dispatch grants what may be granted now, and sets the timer for what comes next. It is called whenever something has
// changed. b.mu is held.
func (b *Budget) dispatch() {
	for {
		now := time.Now()
		starving := b.starving(now)
		w, as := b.first(now, starving)
		if w == nil || b.reserver != nil {
			b.wakeIn(0)
			return
		}
		// The first waiter's lane is the most urgent one, and none may go earlier than that: if it has to wait, all
		// have to.
		if wait := b.earliest(as, now).Sub(now); wait > 0 {
			b.wakeIn(wait)
			return
		}
		if b.ledger != nil {
			if b.reserved == 0 || !now.Before(b.lapse) {
				b.reserver = w
				w.turn <- false
				continue
			}
			b.reserved--
		}
		b.last = now
		b.unfed++
		b.spend(spending{now, w.lane})
		b.queues[w.lane] = b.queues[w.lane][1:]
		switch {
		case w == starving:
			b.unfed = 0
		case len(b.queues[w.lane]) > 0:
			b.hungry[w.lane] = now
		default:
			b.hungry[w.lane] = time.Time{}
		}
		w.turn <- true
	}
}

// first is who goes next, and as which lane: one that starves goes as a live request does, if it goes before one.
// b.mu is held.
func (b *Budget) first(now time.Time, starving *waiter) (w *waiter, as Lane) {
	live := b.queues[LaneLive]
	switch {
	case starving == nil:
	case len(live) == 0:
		return starving, starving.lane
	case now.Sub(live[0].since) > b.spacing:
		return starving, LaneLive
	}
	for lane, queue := range b.queues {
		if len(queue) > 0 {
			return queue[0], Lane(lane)
		}
	}
	return nil, 0
}

// starving is who has waited longest in the lanes that starve, nil if there is nobody or one of them went just now.
// b.mu is held.
func (b *Budget) starving(now time.Time) (longest *waiter) {
	if b.unfed < starvingShare-1 {
		return nil
	}
	for lane := LaneLive + 1; lane < laneCount; lane++ {
		queue := b.queues[lane]
		if len(queue) == 0 || now.Sub(b.hungry[lane]) < starvingAfter {
			continue
		}
		if longest == nil || queue[0].since.Before(longest.since) {
			longest = queue[0]
		}
	}
	return longest
}

const (
	starvingAfter = time.Minute
	starvingShare = 20 // of so many requests one is that of a lane that starves
)

// earliest is when a request of lane may go, if nothing else happens before. b.mu is held.
func (b *Budget) earliest(lane Lane, now time.Time) time.Time {
	b.forget(now)
	at := b.paused
	if n := len(b.spent); n >= b.perMinute {
		// Once this one is out of the window, all but perMinute-1 are.
		at = later(at, b.spent[n-b.perMinute].at.Add(window))
	}
	if lane != LaneLive {
		at = later(at, later(b.last.Add(b.spacing), b.spare()))
	}
	return at
}

// spare is when a request of the lower lanes takes nothing from live polling, which shall not have to wait. That the
// window has room now is not enough. What was spent in a burst comes free in a burst, a window later: the first poll
// of all resources is one. If the lower lanes had filled the window soon after it, there would be nothing for anybody
// until then (38 resources that were polled for the first time together held live polling up for 20 s of each minute
// that followed). So until each spent request leaves the window there has to be room for live requests at livePace.
//
// To expect too many of them costs next to nothing: as the time passes in which they do not come, their room is the
// lower lanes' own. b.mu is held, and forget has been called.
func (b *Budget) spare() (at time.Time) {
	for i, s := range b.spent {
		room := max(0, b.perMinute-b.headroom-(len(b.spent)-i))
		if wait := window - time.Duration(room)*b.livePace; wait > 0 {
			at = later(at, s.at.Add(wait))
		}
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// forget drops what has left the window. b.mu is held.
func (b *Budget) forget(now time.Time) {
	start := now.Add(-window)
	gone := 0
	for gone < len(b.spent) && !b.spent[gone].at.After(start) {
		gone++
	}
	b.spent = slices.Delete(b.spent, 0, gone)
}

// spend adds s at its place by time, which is the end unless an earlier process's may still come. b.mu is held.
func (b *Budget) spend(s spending) {
	i := len(b.spent)
	for i > 0 && b.spent[i-1].at.After(s.at) {
		i--
	}
	b.spent = slices.Insert(b.spent, i, s)
}

// wakeIn has dispatch called after d, or not at all if d is 0. b.mu is held.
func (b *Budget) wakeIn(d time.Duration) {
	switch {
	case b.timer != nil && d > 0:
		b.timer.Reset(d)
	case b.timer != nil:
		b.timer.Stop()
	case d > 0:
		b.timer = time.AfterFunc(d, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.dispatch()
		})
	}
}

// Stats is how a budget stands.
type Stats struct {
	PerMinute int
	// Spent are the requests of the last minute, by lane.
	Spent [laneCount]int
	// Earlier are those that an earlier process sent or may have sent.
	Earlier int
	// Waiting are those who wait for their turn, by lane.
	Waiting [laneCount]int
	// Waited is how long each lane has waited for a turn of its own, 0 if nobody waits in it: the first of its queue, or the lane,
	// if it starves and had only the turns that are left to such.
	Waited [laneCount]time.Duration
	// PausedUntil is our clock; it has passed, or is zero, if there is no pause.
	PausedUntil time.Time
}

// Total is all requests of the last minute.
func (s Stats) Total() int {
	total := s.Earlier
	for _, n := range s.Spent {
		total += n
	}
	return total
}

// SpentBetween is how many requests were granted from a time on until before another, by lane, without an earlier
// process's. Both are our clock, and it remembers a minute.
func (b *Budget) SpentBetween(from, until time.Time) (spent [laneCount]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range b.spent {
		if one.lane < laneCount && !one.at.Before(from) && one.at.Before(until) {
			spent[one.lane]++
		}
	}
	return spent
}

// Stats returns how the budget stands now.
func (b *Budget) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.forget(now)
	s := Stats{PerMinute: b.perMinute, PausedUntil: b.paused}
	for _, one := range b.spent {
		if one.lane == laneCount {
			s.Earlier++
		} else {
			s.Spent[one.lane]++
		}
	}
	for lane, queue := range b.queues {
		s.Waiting[lane] = len(queue)
		if len(queue) > 0 {
			s.Waited[lane] = max(now.Sub(queue[0].since), now.Sub(b.hungry[lane]))
		}
	}
	return s
}
