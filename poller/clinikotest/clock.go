package clinikotest

import (
	"sync"
	"time"
)

// A Clock is a clinic's time in the hands of a test: it moves only when it is told to. Give its Now to Options.Now.
// It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

// NewClock returns a clock that stands at t.
func NewClock(t time.Time) *Clock { return &Clock{now: t} }

// Now is where the clock stands.
func (k *Clock) Now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

// Set puts the clock to t, which may lie before where it stood.
func (k *Clock) Set(t time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = t
}

// Advance moves the clock by d.
func (k *Clock) Advance(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = k.now.Add(d)
}
