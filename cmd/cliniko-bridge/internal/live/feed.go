package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// How often pages are told what is new.
const (
	lookEvery = 2 * time.Second
	toldEvery = 250 * time.Millisecond
)

// Bounds of what one overview has, and of what it may cost.
const (
	faultsShown  = 100
	reasonsShown = 20
	reasonsTime  = time.Second // within which the reasons for not being ready have to be there
)

// Config is what a Feed is made of.
type Config struct {
	Source  Source
	Version string // of the bridge
	Holder  string // names this process
}

// A Feed serves the pages that are open. It is an http.Handler for GET /live, which is as the package comment says. While no
// page is open it counts events and requests for the plots, and does nothing else.
//
// What is new is put into frames once for all pages. Nothing is kept for a page but how far it has read: one that reads slowly
// is not waited for. It skips events, which the next event says, and has whole frames instead of the changes that it has
// missed; one that takes nothing for half a minute is cut off.
type Feed struct {
	cfg     Config
	started time.Time
	board   *board
	tail    tail
	points  *points

	looking sync.Mutex // held for a look; guards looked
	looked  time.Time

	due chan struct{} // holds one: there may be events that pages have not been told of

	mu    sync.Mutex // guards the following
	pages map[*page]struct{}
	news  chan struct{} // closed when there is something new, and replaced
	beat  int           // how often events may have been told so far
	ended bool
}

// New makes a Feed that has not begun. It counts from now on.
func New(c Config) *Feed {
	now := time.Now().UTC()
	return &Feed{
		cfg: c, started: now, board: newBoard(), points: newPoints(now),
		due: make(chan struct{}, 1), pages: make(map[*page]struct{}), news: make(chan struct{}),
	}
}

// Tell takes up events that were committed. It does not wait for anybody. It is diff.Config's Told; list is the feed's.
func (f *Feed) Tell(list []diff.Told) {
	f.points.add(list)
	f.tail.add(list)
	f.remind()
}

// remind says that there are events to be told.
func (f *Feed) remind() {
	select {
	case f.due <- struct{}{}:
	default:
	}
}

// Run tells the open pages what is new, until ctx ends. Then it ends them at once, and returns nil. It is called once.
func (f *Feed) Run(ctx context.Context) error {
	defer f.end()
	var both sync.WaitGroup
	both.Go(func() { f.looks(ctx) })
	both.Go(func() { f.beats(ctx) })
	both.Wait()
	return nil
}

// looks looks at the accounts as long as a page is open.
func (f *Feed) looks(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if f.open() > 0 {
			f.look(ctx, 0)
			f.announce(0)
		}
	}
}

// beats completes the points, and lets pages tell events, so many times a second at the most.
func (f *Feed) beats(ctx context.Context) {
	rest := time.NewTimer(0)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-rest.C:
		}
		now := time.Now().UTC()
		if f.completePoint(now) {
			f.announce(0)
		}
		at, _ := f.points.due(now)
		complete := time.NewTimer(at.Add(pointEvery).Sub(now))
		select {
		case <-ctx.Done():
			complete.Stop()
			return
		case <-complete.C:
			rest.Reset(0)
			continue
		case <-f.due:
			complete.Stop()
		}
		f.announce(1)
		rest.Reset(toldEvery)
	}
}

// completePoint completes the ten seconds that are over by now, if any are.
func (f *Feed) completePoint(now time.Time) bool {
	at, over := f.points.due(now)
	if over {
		f.points.close(now, f.cfg.Source.Spent(at, at.Add(pointEvery)))
	}
	return over
}

// look finds out how the accounts are, unless somebody has just done so: at most age ago.
func (f *Feed) look(ctx context.Context, age time.Duration) {
	f.looking.Lock()
	defer f.looking.Unlock()
	if time.Since(f.looked) < age {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reasonsTime)
	defer cancel()
	ours, accounts := f.cfg.Source.Reasons(ctx)
	now := time.Now().UTC()
	head := Overview{Now: now, Started: f.started, Version: f.cfg.Version, Holder: f.cfg.Holder, Ready: reasons(ours, accounts)}
	faults := make([]Fault, 0, len(ours))
	for _, reason := range ours {
		faults = append(faults, reasonFault(reason))
	}
	wanted := f.board.wanted()
	var lines []Line
	followed := 0
	f.cfg.Source.Each(func(a Account) {
		line, wrong := lineOf(&a, now)
		lines = append(lines, line)
		faults = append(faults, wrong...)
		if a.Followed {
			followed++
		}
		if wanted[a.Name] {
			d := detailOf(&a, line, now)
			f.board.putDetail(&d)
		}
	})
	head.FaultCount, head.Faults = len(faults), worst(faults, faultsShown)
	head.Totals = total(lines, followed)
	head.Totals.Events, head.Totals.DelayMedian, head.Totals.DelayMost = f.points.recent()
	f.board.put(head, lines)
	f.looked = time.Now()
}

// reasons are all of them, or some and how many more there are.
func reasons(ours, accounts []string) []string {
	all := append(append([]string{}, ours...), accounts...)
	if len(all) > reasonsShown {
		all = append(all[:reasonsShown:reasonsShown], fmt.Sprintf("and %d more", len(all)-reasonsShown))
	}
	return all
}

// announce wakes the pages. beats is 1 if they may tell events.
func (f *Feed) announce(beats int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beat += beats
	close(f.news)
	f.news = make(chan struct{})
}

// awaited is closed when there is something newer than what is there now; beat is how often events may have been told.
func (f *Feed) awaited() (news <-chan struct{}, beat int, ended bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.news, f.beat, f.ended
}

// open is how many pages are open.
func (f *Feed) open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.pages)
}

// end ends the open pages, those too that wait for a reader, and lets no other open.
func (f *Feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	close(f.news)
	f.news = make(chan struct{})
	for p := range f.pages {
		p.cut()
	}
}
