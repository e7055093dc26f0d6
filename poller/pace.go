package poller

import (
	"sync"
	"time"

	"go.uber.org/zap"
)

// A pace is how fast the baselines of one account are read, and where they are.
type pace struct {
	mu    sync.Mutex // guards the following
	at    int        // the resource that is being read
	steps int        // how many requests mean stands for, paceSteps at most
	mean  time.Duration
	last  time.Time // our clock; when the last request was done, zero after a rest
	done  time.Time // our clock; when the last request was done, zero before the first
	told  time.Time // our clock; when the log was last told
}

const (
	// paceSteps is how many requests the mean looks back: two or three minutes beside live polling.
	paceSteps = 200
	// leastSteps is how many it needs to say anything.
	leastSteps = 20
	// tellEvery is how often the log is told of a baseline that goes on.
	tellEvery = time.Minute
)

// step notes that a request is done.
func (p *pace) step(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.last.IsZero() {
		p.steps = min(p.steps+1, paceSteps)
		p.mean += (now.Sub(p.last) - p.mean) / time.Duration(p.steps)
	}
	p.last, p.done = now, now
}

// stepped is when the last request was done, or since, if that is later.
func (p *pace) stepped(since time.Time) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return later(p.done, since)
}

// turn says which resource is read now.
func (p *pace) turn(at int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
}

// rest says that there is nothing to read at present, so that the time until there is does not count.
func (p *pace) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, p.told = time.Time{}, time.Time{}
}

// now is which resource is being read, and the time from one request to the next: 0 if there were too few. A request
// that takes longer than the mean counts as if it were done now, lest a lane that stands still promise anything.
func (p *pace) now(now time.Time) (at int, every time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.steps < leastSteps {
		return p.at, 0
	}
	every = p.mean
	if wait := now.Sub(p.last); !p.last.IsZero() && wait > every {
		every += (wait - every) / time.Duration(min(p.steps+1, paceSteps))
	}
	return p.at, every
}

// due says whether it is time to tell the log. It is not at the first step: short baselines say nothing but their end.
func (p *pace) due(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := !p.told.IsZero() && now.Sub(p.told) >= tellEvery
	if due || p.told.IsZero() {
		p.told = now
	}
	return due
}

// tell logs once in a while how far the baselines are. The i-th resource is being read.
func (p *Poller) tell(i int) {
	if !p.pace.due(time.Now()) {
		return
	}
	r, waiting := p.resources[i], 0
	for _, other := range p.resources {
		if other.status().Baseline == running {
			waiting++
		}
	}
	s := r.status()
	fields := []zap.Field{zap.Int("records_read", s.Read), zap.Int("resources_left", waiting)}
	if s.Remaining >= 0 {
		fields = append(fields, zap.Int("records_left", s.Remaining))
	}
	if left := p.timesLeft()[i]; left >= 0 {
		fields = append(fields, zap.Duration("time_left", left.Round(time.Second)))
	}
	r.log.Info("the baseline goes on", fields...)
}
