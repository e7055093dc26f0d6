package poller

import (
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A progress is how far the baseline of one feed is. It is for people to read.
type progress struct {
	open bool // the first look was taken, so that the baseline knows its end
	done bool
	left int  // records; -1: not known, since the list does not count or was not asked yet
	read int  // records, since the poller was made or the baseline begun anew
	rows int  // that were asked for at once, at last
	seen bool // a page was read, so that the list has said how much is left, if it does
}

// stand brings the progress up to the standing. The caller holds step and mu.
func (r *reader) stand() {
	p := &r.progress
	was := p.done
	_, p.open = r.standing.Marks[r.feed.Name]
	p.done = p.open && r.standing.Marks[schemas.BaselineOf(r.feed.Name)].Done
	switch {
	case p.done:
		p.left = 0
	case was:
		p.left, p.read, p.seen = -1, 0, false // begun anew
	}
}

// expect says how many records the baseline begins with, -1 if the list does not count. The caller holds step.
func (r *reader) expect(total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.left = max(total, -1)
}

// uncounted says that there is something left, that it is not known how much, and that no page was asked to count it.
func (r *reader) uncounted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.progress
	return p.open && !p.done && p.left < 0 && !p.seen
}

// took notes a page of the baseline that was taken in: rows of it do not come again, and left are behind it, -1 if
// that is not known. The caller holds step.
func (r *reader) took(rows, left int) {
	r.pace.step(time.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.read += rows
	r.progress.left = max(left, -1)
	r.progress.rows = r.asked
	r.progress.seen = true
}

// tookPage notes a page that is read by stamp: the rows that share its last stamp come again if there is more.
func (r *reader) tookPage(p *cliniko.Page, last time.Time, more bool) {
	rows := p.Rows()
	for i := range p.Records {
		if more && p.Records[i].Stamp.Equal(last) {
			rows--
		}
	}
	left := -1
	if p.Total >= 0 {
		left = max(p.Total-rows, 0)
	}
	r.took(rows, left)
}

// tookWithin notes a page of a second that is read by ids. What it counts is of that second alone.
func (r *reader) tookWithin(p *cliniko.Page) {
	r.mu.Lock()
	left := r.progress.left
	r.mu.Unlock()
	if left >= 0 {
		left = max(left-p.Rows(), p.Total-p.Rows(), 0)
	}
	r.took(p.Rows(), left)
}

// tally adds up the feeds: the records that were read and those that are left, -1 if that is not known. A further feed
// that could not be opened yet is left out. The caller holds mu.
func (r *resource) tally() (read, left int) {
	for _, reader := range r.readers {
		p := &reader.progress
		read += p.read
		switch {
		case left < 0, !p.open && !reader.live():
		case !p.open || p.left < 0:
			left = -1
		default:
			left += p.left
		}
	}
	return read, left
}

// requestsLeft is how many requests the resource's baselines take of the lane, -1 if that is not known. Nobody waits
// for them if ready is false: the resource could not be opened, a baseline rests after a failure, or the resource is no
// collection, which has no part in the lane.
func (r *resource) requestsLeft() (requests int, ready bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, reader := range r.readers {
		p := &reader.progress
		switch {
		case p.done:
		case !p.open && reader.live() || !reader.base.due() || r.spec.Shape != schemas.Collection:
			return 0, false
		case !p.open || requests < 0:
		case p.left < 0:
			requests = -1
		default:
			requests += max(1, (p.left+p.rows-1)/p.rows) // the last page may be empty
		}
	}
	return requests, true
}

// timesLeft is how long it takes until each resource's baselines are complete, 0 if they are, -1 if that is not known.
//
// The rule: all resources share one lane, in which the baselines are read one after the other. So a resource waits for
// its own requests and for those of every resource that comes before it, counted from the one that is being read
// now, each at the pace that the lane had over its last requests; or, as long as it has done too few, at the pace that
// other lanes left of the budget in the last minute. If what comes before is not known, neither is the time. A resource
// that could not be opened, or rests after a failure, is not waited for by the others and has no time of its own.
func (p *Poller) timesLeft() []time.Duration {
	times := make([]time.Duration, len(p.resources))
	at, every := p.pace.now(time.Now())
	if every == 0 {
		every = p.budgetPace()
	}
	total, known := 0, every > 0
	for n := range p.resources {
		i := (at + n) % len(p.resources)
		requests, ready := p.resources[i].requestsLeft()
		switch {
		case !ready:
			times[i] = -1
			continue
		case requests == 0:
			continue
		case requests < 0:
			known = false
		}
		total += requests
		if times[i] = time.Duration(total) * every; !known {
			times[i] = -1
		}
	}
	return times
}

// budgetPace is the time between two requests of the baselines if they get what the others left of the last minute's
// budget, and a twentieth of it at least. 0 if the source has no budget.
func (p *Poller) budgetPace() time.Duration {
	source, ok := p.leaver.Source.(interface{ Budget() *cliniko.Budget })
	if !ok {
		return 0
	}
	s := source.Budget().Stats()
	free := s.PerMinute - s.Total() + s.Spent[cliniko.LaneBaseline]
	return time.Minute / time.Duration(max(free, s.PerMinute/20, 1))
}
