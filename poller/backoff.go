package poller

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// Waits after failures. The schedule goes on meanwhile; runs that come too early do nothing.
const (
	firstWait = time.Second
	maxWait   = 5 * time.Minute
	// asideWait is how long a resource rests that the key may not see, that the account does not have, or whose
	// filters it refuses: only somebody's doing changes that.
	asideWait = 10 * time.Minute
)

// A backoff spaces the tries of one reading while they fail. The zero value has not failed.
type backoff struct {
	mu       sync.Mutex // guards all below
	failures int
	notUntil time.Time // our clock
	class    string    // of the last failure
	resting  bool      // the answer of the last failure was one that rests
}

// due says whether it is time to try.
func (b *backoff) due() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !time.Now().Before(b.notUntil)
}

// clear says that a try came through, and returns how many had failed before it.
func (b *backoff) clear() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	failures := b.failures
	b.failures, b.notUntil, b.class, b.resting = 0, time.Time{}, "", false
	return failures
}

// stands is the class of the last failure, "" if the last try came through, and whether only somebody's doing changes it.
func (b *backoff) stands() (class string, resting bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.class, b.resting
}

// rests tells whether an answer lets a reading rest for asideWait.
func rests(e *cliniko.Error) bool {
	return e != nil && !e.Kind.Retry() && e.Kind != cliniko.Unauthorized
}

// fail says that a try failed, and returns whether that is news: the first failure in a row, or one of another class.
// e is the answer of the API, nil if it was not the API that failed.
func (b *backoff) fail(class string, e *cliniko.Error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := min(firstWait<<min(b.failures, 20), maxWait)
	switch {
	case e == nil:
	case e.Kind == cliniko.RateLimited:
		wait = e.RetryAfter // for the whole account: the budget holds all others back, too
	case rests(e):
		wait = asideWait
	}
	b.failures++
	b.notUntil = time.Now().Add(wait/2 + rand.N(wait/2+1)) //nolint:gosec // jitter, no secret
	news := class != b.class
	b.class, b.resting = class, rests(e)
	return news
}
