package poller

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Source is asked for pages of lists. Every answer that is not a page is a *cliniko.Error, or the context's error.
type Source interface {
	List(ctx context.Context, q cliniko.Query) (cliniko.Page, error)
	// Get asks for one object and returns its bytes and the API's clock. Of q it takes Path, Filters,
	// Parameters, Lane and Paid.
	Get(ctx context.Context, q cliniko.Query) ([]byte, time.Time, error)
	// Reserve waits until a request of lane may be sent, and pays for it: the next query that is Paid is that request.
	Reserve(ctx context.Context, lane cliniko.Lane) error
}

// A Sink takes what was read, and remembers how far that was.
type Sink interface {
	// Standing returns how far a resource has been read. It may be asked at any time.
	Standing(ctx context.Context, resource schemas.Resource) (schemas.Standing, error)
	// Accept returns nil once every record of page may be forgotten and its mark is safe. After an error it is not
	// known what was taken in: ask for the standing, read again, and give the records again. It may be given records
	// that it has taken in already, and older versions of them.
	Accept(ctx context.Context, page schemas.Page) (schemas.Outcome, error)
	// Renew begins the baseline of a resource that is open anew: what exists is looked at once more, and what is met
	// then gets a snapshot event where the first look gave one.
	Renew(ctx context.Context, resource schemas.Resource) error
}

// An Inventory knows which records there are.
type Inventory interface {
	// Known returns the ids of all records of a resource that are known and not deleted, in no order: of those that its
	// own list shows, and of those that are archived or cancelled. A record that is taken in meanwhile may be among
	// them or not.
	Known(ctx context.Context, resource schemas.Resource) (shown, hidden []schemas.ID, err error)
}

// Config is what a Poller is made of.
type Config struct {
	Account string
	Source  Source
	Sink    Sink
	// Inventory is asked by whatever looks for records that are gone. It may be the Sink.
	Inventory Inventory
	Specs     []schemas.Spec
	// Days is how many days of available times are read, from today on: 1 to 7. 0 means 7.
	Days int
	// Schedules replaces the catalogue's schedule of a resource: a robfig/cron spec, a seconds field optional, UTC.
	Schedules map[schemas.Resource]string
	// SweepSchedule is when the account is searched for what is gone or was missed: as Schedules. "" is never.
	SweepSchedule string
	// ConfirmAfter is the time between the two searches for a record that are made before it is told as deleted.
	// Default: a minute.
	ConfirmAfter time.Duration
	// Limit is the share of a resource's records, 0 to 1, that one sweep may tell as deleted; 20 it may tell always.
	Limit float64
	// Swept, if non-nil, is called when the sweep of a resource has ended. It must not block for long.
	Swept func(schemas.Resource, SweepStatus)
	// Sweeps is how the sweeps of an earlier process ended, for Status.
	Sweeps map[schemas.Resource]SweepStatus
	// Doubt, if non-nil, is called when a list of a resource begins to be answered with NotFound or Refused: what it looks like
	// if the account went over to another edition of the API. It is called by the goroutine that polled the list, holding
	// no lock, and polling of the resource goes on when it returns. It may ask for the Status; it must not wait for Run to end.
	Doubt   func(schemas.Resource)
	Log     *zap.Logger
	Metrics *Metrics
}

// A Poller reads all resources of one account.
type Poller struct {
	Config

	leaver    *leaver // the Source
	cron      *cron.Cron
	resources []*resource // in the order of Specs
	sweeper   *sweeper
	pace      pace
}

// stopGrace is how long a request and its commit may take once the poller was asked to stop.
const stopGrace = 5 * time.Second

// New makes a Poller that has not begun. Its errors name the resource whose schedule is wrong.
func New(c Config) (*Poller, error) {
	p := &Poller{Config: c, leaver: &leaver{Source: c.Source}, cron: newCron(c.Log), sweeper: newSweeper()}
	p.Source = p.leaver
	var faults []error
	if c.SweepSchedule != "" {
		schedule, err := ParseSchedule(c.SweepSchedule)
		if err != nil {
			faults = append(faults, fmt.Errorf("sweep: schedule %q: %w", c.SweepSchedule, err))
		} else {
			p.cron.Schedule(stagger(schedule, c.Account), cron.FuncJob(func() { _ = p.Sweep(nil, false) })) // or one is under way
		}
	}
	for _, spec := range c.Specs {
		text := spec.Schedule
		if s, ok := c.Schedules[spec.Resource]; ok {
			text = s
		}
		schedule, err := ParseSchedule(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: schedule %q: %w", spec.Resource, text, err))
			continue
		}
		r := newResource(&p.Config, spec, schedule)
		r.pace = &p.pace
		p.resources = append(p.resources, r)
	}
	return p, errors.Join(faults...)
}

// Run polls until ctx ends, and returns when the last step that it had begun is done: a request and its commit, at
// most stopGrace. It may be called once.
func (p *Poller) Run(ctx context.Context) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	p.leaver.until(ctx)
	context.AfterFunc(ctx, func() {
		grace := time.AfterFunc(stopGrace, cancel)
		context.AfterFunc(work, func() { grace.Stop() })
	})

	for _, r := range p.resources {
		r.begin(time.Now())
		p.Metrics.missed.WithLabelValues(string(r.spec.Resource)) // at 0, so that the first that is missed is seen as a rise
	}
	p.Metrics.gauges.add(p)
	defer p.Metrics.gauges.remove(p)
	var first sync.WaitGroup
	for _, r := range p.resources {
		entry := p.cron.Schedule(r.schedule, cron.FuncJob(func() { r.poll(ctx, work) }))
		r.mu.Lock()
		r.entry = entry
		r.mu.Unlock()
		job := p.cron.Entry(entry).WrappedJob // with the chain: it never overlaps with itself
		first.Go(job.Run)
	}
	p.cron.Start()
	first.Go(func() { p.baselines(ctx, work) })
	first.Go(func() { p.sweeps(ctx, work) })

	<-ctx.Done()
	<-p.cron.Stop().Done()
	first.Wait()
	for _, r := range p.resources {
		r.further.Wait() // no poll runs any more that could begin another
	}
}

// Status tells how each resource is doing, in the order of the catalogue.
func (p *Poller) Status() []Status {
	list := make([]Status, len(p.resources))
	left := p.timesLeft()
	next := make(map[cron.EntryID]time.Time, len(p.resources))
	for _, entry := range p.cron.Entries() { // once for all: each look copies every entry
		next[entry.ID] = entry.Next.UTC()
	}
	for i, r := range p.resources {
		r.mu.Lock()
		id := r.entry
		r.mu.Unlock()
		list[i] = r.status()
		list[i].TimeLeft = left[i]
		list[i].NextPoll = next[id]
	}
	return list
}
