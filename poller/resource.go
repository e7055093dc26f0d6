package poller

import (
	"cmp"
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A resource is one resource of the account, with a reader for each of its feeds.
type resource struct {
	account      string
	spec         schemas.Spec
	source       Source
	sink         Sink
	inventory    Inventory // nil if nothing looks for what is gone
	confirmAfter time.Duration
	doubt        func(schemas.Resource) // may be nil
	swept        func(schemas.Resource, SweepStatus)
	log          *zap.Logger
	metrics      *Metrics
	schedule     cron.Schedule
	days         int
	readers      []*reader // the first reads the resource's own list
	pace         *pace     // of the baselines; New has all resources of the account share one
	polls        int       // how many there were; owned by poll, which never runs twice at once

	further sync.WaitGroup // the reading of the further feeds, which goes on beside the polls
	busy    atomic.Bool    // it is under way

	// step is held from a request until what it brought is accepted, so that two readings of one resource are
	// accepted in the order in which they were made.
	step turn
	// standing is how far the resource was read, nil if it is not known. Guarded by step.
	standing *schemas.Standing

	mu    sync.Mutex // guards the following
	since time.Time  // our clock; when polling began
	due   time.Time  // our clock; when the next poll of the resource's own list should have come through; zero: none is due
	entry cron.EntryID
	shown Status
	sweep SweepStatus
	// unzoned says that it was said that the account's time zone cannot be learned.
	unzoned bool

	limit    float64     // of records that may be gone at once; see Config
	accepted atomic.Bool // an operator lets more pass, at the next walk
}

// Status is how one resource is doing, for people to read.
type Status struct {
	Resource  schemas.Resource
	Baseline  string // "pending", "running" or "complete": of all feeds that could be opened
	Tracked   int
	Read      int // records that the baselines of all feeds have read in this run
	Remaining int // records, or parents of records, that they have still to read; -1: not known
	// TimeLeft is how long it takes until they are complete, 0 if they are; -1: not known. All resources of the account
	// share one lane, in which the baselines are read one after the other: it counts what comes before the resource,
	// too, at the pace of the last requests, or at what the budget had left in the last minute.
	TimeLeft time.Duration
	Cursor   time.Time // of the resource's own list; the API's clock
	LastPoll time.Time // our clock; when the last poll of the resource's own list that came through ended
	NextPoll time.Time
	// LateFrom is our clock, too: if no other has come through by then, polls come more rarely than the schedule says. It is
	// the third run behind LastPoll, and a minute; zero if there was no poll, or never is another.
	LateFrom  time.Time
	LastError string // of the last poll of the resource's own list, "" if it came through
	// FailureClass says of what kind that was: a cliniko.Kind's text, or ClassInternal; "" if it came through.
	FailureClass string
	// Notes are plain sentences about all else that an operator should know as long as it lasts: a feed that is set aside,
	// a filter or a sort that a list refuses. They hold no value of a record.
	Notes  []string
	Events map[schemas.Verb]int
	// Sweep is how the resource's sweep goes, or how the last one ended; nil if it is never swept.
	Sweep *SweepStatus
}

func newResource(c *Config, spec schemas.Spec, schedule cron.Schedule) *resource {
	r := &resource{
		account: c.Account, spec: spec, source: c.Source, sink: c.Sink, inventory: c.Inventory, doubt: c.Doubt, swept: c.Swept,
		metrics: c.Metrics, step: newTurn(), pace: new(pace), days: cmp.Or(c.Days, 7), confirmAfter: cmp.Or(c.ConfirmAfter, defaultConfirmAfter), sweep: c.Sweeps[spec.Resource], limit: c.Limit,
		schedule: stagger(schedule, c.Account+"/"+string(spec.Resource)),
		log:      c.Log.With(zap.String("account", c.Account), zap.String("resource", string(spec.Resource))),
	}
	for i, feed := range spec.Feeds {
		lane := cliniko.LaneSide
		if i == 0 {
			lane = cliniko.LaneLive
		}
		r.readers = append(r.readers, &reader{resource: r, feed: feed, lane: lane, progress: progress{left: -1, rows: mostRows}})
	}
	return r
}

// poll reads what is new. It runs on the resource's schedule. Between two steps it looks whether it was asked to stop; a
// step that has begun runs on under work.
//
// The further feeds are read beside the polls that follow: they wait for their turn in the budget, behind all live
// polling, and a poll that waited with them would hold up the next one. They may go on when poll returns.
func (r *resource) poll(stop, work context.Context) {
	turn := r.polls%sideEvery == 0
	r.polls++
	r.readers[0].poll(stop, work)
	if !turn || len(r.readers) == 1 || !r.busy.CompareAndSwap(false, true) {
		return
	}
	r.further.Go(func() {
		defer r.busy.Store(false)
		for _, reader := range r.readers[1:] {
			reader.poll(stop, work)
		}
	})
}

// sideEvery is how many polls of a resource there are to one of its further feeds: what is hidden changes more rarely than what
// is shown, and there are up to three such feeds.
const sideEvery = 3

// RequestsPerPoll is how many requests a poll of spec takes on average, if there is no news. What lies below the records of
// another resource takes one for each of these, of which there are parents, and their lists; and free slots one for each
// business, practitioner and appointment type that go together.
func RequestsPerPoll(spec schemas.Spec, parents int) float64 {
	if spec.Parent != "" || spec.Shape == schemas.Slots {
		return float64(parents + 1 + parents/mostRows)
	}
	return 1 + float64(len(spec.Feeds)-1)/sideEvery
}

func (r *resource) status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.shown
	s.Resource = r.spec.Resource
	if s.Baseline == "" {
		s.Baseline = pending
	}
	s.Read, s.Remaining = r.tally()
	s.Events = maps.Clone(s.Events)
	s.Notes = r.told()
	if r.spec.Shape != schemas.Singleton {
		sweep := r.sweep
		s.Sweep = &sweep
	}
	return s
}

// know makes sure that the standing is known. The caller holds step.
func (r *resource) know(ctx context.Context) error {
	if r.standing != nil {
		return nil
	}
	st, err := r.sink.Standing(ctx, r.spec.Resource)
	if err != nil {
		return err
	}
	if st.Marks == nil {
		st.Marks = make(map[string]schemas.Mark)
	}
	r.standing = &st
	r.show()
	return nil
}

// accept hands records on and remembers the mark once they are safe. After an error nothing is known of the standing, so
// that it is asked for before the next request. The caller holds step.
func (r *resource) accept(ctx context.Context, page schemas.Page) (schemas.Outcome, error) {
	page.Resource = r.spec.Resource
	page.ReadAt = time.Now().UTC()
	out, err := r.sink.Accept(ctx, page)
	if err != nil {
		r.standing = nil
		return out, err
	}
	if page.Opening {
		r.standing.Opened, r.standing.Began = true, page.Began
	}
	name := page.MarkName()
	if was, ok := r.standing.Marks[name]; ok {
		page.Mark.Horizon = was.Horizon // set by the first page, as the sink keeps it
	}
	r.standing.Marks[name] = page.Mark
	r.standing.Tracked = out.Tracked
	r.mu.Lock()
	for verb, n := range out.Events {
		if r.shown.Events == nil {
			r.shown.Events = make(map[schemas.Verb]int)
		}
		r.shown.Events[verb] += n
	}
	r.mu.Unlock()
	r.show()
	return out, nil
}

// show brings what Status tells up to the standing. The caller holds step.
func (r *resource) show() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown.Cursor = r.standing.Marks[schemas.Live].Cursor
	r.shown.Tracked = r.standing.Tracked
	if r.standing.Opened {
		r.shown.Baseline = complete
	}
	for _, reader := range r.readers {
		reader.stand()
		if reader.progress.open && !reader.progress.done {
			r.shown.Baseline = running
		}
	}
}

// ClassInternal is a failure that was none of a request: store or stream did not take what was read, or the list was not
// as it was asked for.
const ClassInternal = "internal"

// Late are as many runs of the schedule, and some time for a poll that is slow.
const (
	lateRuns  = 3
	lateGrace = time.Minute
)

// lateFrom is from when on there should have been another poll since now; zero, never, if nothing says when there is one.
func (r *resource) lateFrom(now time.Time) (late time.Time) {
	if r.schedule == nil {
		return late
	}
	late = now
	for range lateRuns {
		if late = r.schedule.Next(late); late.IsZero() {
			return late
		}
	}
	return late.Add(lateGrace)
}

// What Status.Baseline can be.
const (
	pending  = "pending"
	running  = "running"
	complete = "complete"
)
