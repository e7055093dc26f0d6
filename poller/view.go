package poller

import (
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A view is what the gauges show of a resource.
type view struct {
	name     schemas.Resource
	baseline string // as in Status
	left     int    // as Status.Remaining
	tracked  int
	held     int
	// lag is how long ago the last poll came through; if none did, how long ago polling began.
	lag time.Duration
	// overdue is for how long a poll has been due that has not come through. Below 0 it is how long it is until one is due. It
	// is far below if nothing is: the API refuses the resource, or its first walk is under way, which is a baseline.
	overdue time.Duration
	// reading says that a baseline of it is under way and could go on: the API shows what it reads.
	reading bool
	// failing has the class of error of each list, or its baseline, that did not come through when it was read last; nil if all did.
	failing map[string]bool
}

// notDue is an overdue of a resource of which no poll is due.
const notDue = -365 * 24 * time.Hour

// view looks at the resource. It costs little: it is called for each of forty thousand at a scrape.
func (r *resource) view(now time.Time) view {
	v := view{name: r.spec.Resource, baseline: pending, overdue: notDue}
	r.mu.Lock()
	defer r.mu.Unlock()
	refused := false
	for _, reader := range r.readers {
		following, refusedNow := reader.following.stands()
		base, refusedThen := reader.base.stands()
		for _, class := range []string{following, base} {
			if class == "" {
				continue
			}
			if v.failing == nil {
				v.failing = make(map[string]bool)
			}
			v.failing[class] = true
		}
		refused = refused || reader.live() && refusedNow
		v.reading = v.reading || reader.progress.open && !reader.progress.done && !refusedThen
	}
	if r.shown.Baseline != "" {
		v.baseline = r.shown.Baseline
	}
	_, v.left = r.tally()
	v.tracked, v.held = r.shown.Tracked, r.sweep.Held
	v.lag = now.Sub(later(r.since, r.shown.LastPoll))
	if !r.due.IsZero() && !refused {
		v.overdue = now.Sub(r.due)
	}
	return v
}

// begin says that polling begins. A list that is walked is not due before a later walk begins.
func (r *resource) begin(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since = now
	if !r.readers[0].walks() {
		r.due = now
	}
}

func (r *resource) began() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since
}

// came says that a poll of the resource's own list has come through.
func (r *resource) came(now time.Time) {
	late := r.lateFrom(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown.LastPoll, r.shown.LateFrom = now, late
	r.shown.LastError, r.shown.FailureClass = "", ""
	if r.schedule != nil {
		r.due = r.schedule.Next(now)
	}
}

// dueSince says since when a poll is due; zero: none is. A walk takes its time, and is due anew with each step that comes through.
func (r *resource) dueSince(due time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due = due
}
