package poller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The sweep finds what no feed has told: records that are gone without a trace, and changes that were missed. Of each
// resource it reads once more what has changed since the sweep before (reread.go). Then it counts what the API has
// (census.go), and where that differs from what is known it looks closer, until it has the few ids. Records that the API has and we have not are handed on. Of those that we have and the API has not, each
// is searched for twice, a while apart, where it would show if it were merely hidden (evidence.go), and only then told.
//
// If so many are gone at once that it looks as if a right was taken away, nothing is told: an operator decides.

// SweepStatus is how the last sweep of a resource ended.
type SweepStatus struct {
	Running bool
	Last    time.Time // our clock; when it ended, zero if none has
	UpTo    time.Time // the API's clock: changes up to here were read by a sweep; zero if there was none
	Deleted int       // records that it told as deleted
	Missed  int       // records that it found and following the feeds had not
	Held    int       // records that are gone and not told, since they are more than the limit
	Trouble string    // why the sweep could not be made, "" if it could
}

const (
	defaultConfirmAfter = time.Minute
	// fewGone is how many records may always be gone, however few the resource has.
	fewGone = 20
	// sweepRounds is how often a resource is looked at in one sweep: to find what is gone, to find once more if it is too
	// much to believe, to confirm, and as often again where the API did not answer.
	sweepRounds = 6
)

// An order asks for a sweep.
type order struct {
	resources []*resource
	accept    bool // whatever the limit says
}

// A sweeper takes orders, one at a time.
type sweeper struct {
	orders chan order

	mu sync.Mutex
	// busy says that a sweep is ordered and has not ended. It is guarded by mu, together with what is shown of that: who
	// sees that no sweep is running can order one.
	busy bool
}

func newSweeper() *sweeper { return &sweeper{orders: make(chan order, 1)} }

// ErrSweeping says that a sweep is under way. The next can begin when it has ended.
var ErrSweeping = errors.New("a sweep is under way")

// Sweep begins a sweep of these resources, or of all that the account has if none is named, and returns. With accept
// the limit for mass disappearance does not count. Status tells how it goes. It is for the time while Run runs. Its
// errors are ErrSweeping and ErrUnknown, wrapped.
func (p *Poller) Sweep(resources []schemas.Resource, accept bool) error {
	o := order{accept: accept}
	for _, r := range p.resources {
		if r.spec.Shape == schemas.Collection && (len(resources) == 0 || slices.Contains(resources, r.spec.Resource)) {
			o.resources = append(o.resources, r)
		}
	}
	for _, name := range resources {
		if !slices.ContainsFunc(p.resources, func(r *resource) bool { return r.spec.Resource == name }) {
			return fmt.Errorf("sweep %s/%s: %w", p.Account, name, ErrUnknown)
		}
	}
	p.sweeper.mu.Lock()
	defer p.sweeper.mu.Unlock()
	if p.sweeper.busy {
		return ErrSweeping
	}
	p.sweeper.busy = true
	if accept {
		p.acceptWalks(resources)
	}
	for _, r := range o.resources {
		r.sweeping(func(s *SweepStatus) { *s = SweepStatus{Running: true, UpTo: s.UpTo, Held: s.Held} })
	}
	p.sweeper.orders <- o
	return nil
}

// acceptWalks lets through what is gone of resources that are walked parent by parent: each walk is a sweep of its own.
func (p *Poller) acceptWalks(resources []schemas.Resource) {
	for _, r := range p.resources {
		if r.walks() && slices.Contains(resources, r.spec.Resource) {
			r.accepted.Store(true)
			r.sweeping(func(s *SweepStatus) { s.Trouble = "accepted: it is told by the next reading" })
		}
	}
}

// sweeps carries out the orders for as long as the poller runs.
func (p *Poller) sweeps(stop, work context.Context) {
	for {
		select {
		case <-stop.Done():
			return
		case o := <-p.sweeper.orders:
			p.sweep(stop, work, o)
			p.swept(o)
		}
	}
}

// sweep looks at the resources one after the other, and again after a while at those of which something seems gone, or
// whose list did not answer: the wait between two searches is the same for all.
func (p *Poller) sweep(stop, work context.Context, o order) {
	open := make([]*sweep, 0, len(o.resources))
	for _, r := range o.resources {
		open = append(open, &sweep{resource: r, limit: p.Limit, accept: o.accept})
	}
	for n := range sweepRounds {
		if len(open) == 0 || n > 0 && !rest(stop, cmp.Or(p.ConfirmAfter, defaultConfirmAfter)) {
			break
		}
		last := n == sweepRounds-1
		open = slices.DeleteFunc(open, func(s *sweep) bool { return s.round(stop, work, last) })
	}
}

// swept shows that the order is carried out, and lets the next one in.
func (p *Poller) swept(o order) {
	p.sweeper.mu.Lock()
	defer p.sweeper.mu.Unlock()
	for _, r := range o.resources {
		r.sweeping(func(s *SweepStatus) { s.Running = false })
	}
	p.sweeper.busy = false
}

// A sweep is that of one resource.
type sweep struct {
	*resource
	limit  float64
	accept bool

	suspects []schemas.ID // searched for once, and not found
	tooMany  bool         // the first look found more gone than may be
	status   SweepStatus
}

// round does what is to be done next, and tells whether the sweep has ended: in its last round it has.
func (s *sweep) round(stop, work context.Context, last bool) (ended bool) {
	err := s.try(stop, work)
	if stop.Err() != nil {
		return true
	}
	e, ok := errors.AsType[*cliniko.Error](err)
	again := err == nil && s.unsure() || ok && e.Kind.Retry()
	if again && !last {
		return false
	}
	if err == nil && s.unsure() {
		err = errors.New("what is gone changed with every look")
	}
	s.end(err)
	return true
}

// unsure says that what was found is to be looked at once more.
func (s *sweep) unsure() bool { return len(s.suspects) > 0 || s.tooMany && s.status.Held == 0 }

func (s *sweep) try(stop, work context.Context) (err error) {
	defer func() {
		if recover() != nil { // its value may hold anything
			s.log.Error("a sweep panicked", zap.ByteString("stack", debug.Stack()))
			err = errors.New("it panicked")
		}
	}()
	if len(s.suspects) > 0 {
		return s.confirm(stop, work)
	}
	return s.look(stop, work)
}

// look finds what is missing on either side, and searches for the first time for what is gone.
func (s *sweep) look(stop, work context.Context) error {
	if err := s.ready(stop, work); err != nil {
		return err
	}
	absent, err := s.census(stop, work)
	over, tooMany := errors.AsType[*overLimitError](err)
	switch {
	case tooMany && s.tooMany: // a while later it is the same: no bulk edit that was on its way
		s.status.Held = over.gone
		return nil
	case tooMany:
		s.tooMany = true
		return nil
	case err != nil:
		return err
	}
	s.tooMany = false
	var suspects []schemas.ID
	for _, id := range absent {
		there, err := s.evidence(stop, work, id, false)
		if err != nil {
			return err
		}
		if !there {
			suspects = append(suspects, id)
		}
	}
	s.suspects = suspects
	return nil
}

// overLimitError is an error: so many records are gone that it is not to be believed.
type overLimitError struct{ gone int }

func (e *overLimitError) Error() string { return fmt.Sprintf("%d records are gone at once", e.gone) }

// believable returns an *overLimitError if of so many known records too many are gone.
func (s *sweep) believable(gone, known int) error {
	if s.accept || float64(gone) <= max(fewGone, s.limit*float64(known)) {
		return nil
	}
	return &overLimitError{gone}
}

var errNoBaseline = errors.New("the baseline is not complete")

// ready makes sure that all that exists was looked at.
func (s *sweep) ready(stop, work context.Context) error {
	return s.step.take(stop, func() error {
		if err := s.know(work); err != nil {
			return err
		}
		for _, r := range s.readers {
			if !s.standing.Marks[schemas.BaselineOf(r.feed.Name)].Done {
				return errNoBaseline
			}
		}
		return nil
	})
}

// confirm searches for the suspects once more, and tells of those that are gone. The last search and its telling are one
// turn: no poll can come in between and tell that the record is back.
func (s *sweep) confirm(stop, work context.Context) error {
	for len(s.suspects) > 0 {
		if err := s.confirmOne(stop, work, s.suspects[0]); err != nil {
			return err
		}
		s.suspects = s.suspects[1:]
	}
	return nil
}

func (s *sweep) confirmOne(stop, work context.Context, id schemas.ID) error {
	for range s.looks() {
		if err := s.source.Reserve(stop, cliniko.LaneSweep); err != nil {
			return err
		}
	}
	return s.step.take(stop, func() error {
		if err := s.know(work); err != nil {
			return err
		}
		there, err := s.evidence(stop, work, id, true)
		if there || err != nil {
			return err
		}
		live := s.readers[0].feed.Name
		out, err := s.resource.accept(work, schemas.Page{Feed: live, Mark: s.standing.Marks[live], Swept: true, Gone: []schemas.ID{id}})
		s.status.Deleted += out.Events[schemas.Deleted]
		s.count()
		return err
	})
}

// end says how it was.
func (s *sweep) end(err error) {
	outcome := "ok"
	switch {
	case errors.Is(err, errNoBaseline):
		outcome, s.status.Trouble = "skipped", err.Error()
		s.log.Info("no sweep", zap.String("reason", s.status.Trouble))
	case err != nil:
		outcome, s.status.Trouble = "failed", err.Error()
		s.log.Warn("a sweep did not come through; what it had not told yet, the next one finds", zap.Error(err))
	case s.status.Held > 0:
		outcome = "held"
		s.log.Error(fmt.Sprintf("so many records are gone at once that nothing is told of them: find out why, then let it through with "+
			"\"cliniko-bridge sweep --accept %s\"", s.spec.Resource), zap.Int("gone", s.status.Held))
	}
	if s.status.Missed > 0 {
		s.log.Error("the sweep found changes that following the lists had missed; they are told now", zap.Int("missed", s.status.Missed))
	}
	name := string(s.spec.Resource)
	s.metrics.sweeps.WithLabelValues(name, outcome).Inc()
	s.metrics.missed.WithLabelValues(name).Add(float64(s.status.Missed))
	s.sweeping(func(shown *SweepStatus) {
		if err != nil { // nothing else is known
			s.status.Held, s.status.UpTo = shown.Held, shown.UpTo
		}
		s.status.Last = time.Now().UTC()
		running := shown.Running // until the whole order is carried out
		*shown = s.status
		shown.Running = running
	})
	if s.swept != nil {
		s.swept(s.spec.Resource, s.status)
	}
}

// count shows what was found so far.
func (s *sweep) count() {
	s.sweeping(func(shown *SweepStatus) { shown.Deleted, shown.Missed = s.status.Deleted, s.status.Missed })
}

// sweeping changes what is shown of the resource's sweep.
func (r *resource) sweeping(change func(*SweepStatus)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.sweep)
}
