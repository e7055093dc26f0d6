package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
)

// Options say what to move, and who listens.
type Options struct {
	From, To *config.Config
	// DryRun looks at both sides and writes nothing.
	DryRun bool
	// Say, if non-nil, is told in a sentence now and then what is being done.
	Say func(string)

	// step is called before each step, for tests; an error of it is as if the process were killed there.
	step func(name string) error
}

// Run moves the state and the events of From to To. Both bridges are stopped. After an error, or a kill at any moment, From is as it
// was, and Run may be called again with the same two: it goes on, or does again what does no harm.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if o.step == nil {
		o.step = func(string) error { return nil }
	}
	if err := agree(o.From, o.To); err != nil {
		return nil, err
	}
	m := &move{Options: o, report: &Report{DryRun: o.DryRun}}
	defer m.close() //nolint:contextcheck // it gives back what is open, whatever has ended
	ctx, err := m.open(ctx)
	if err == nil {
		err = m.run(ctx)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause // a lease that was lost ends all else
	}
	if err != nil {
		return nil, err
	}
	return m.report, nil
}

// A move is one Run at work.
type move struct {
	Options
	report *Report
	from   side
	to     side // its store or stream are those of from where they are not moved
	leases leases
}

func (m *move) movesStore() bool  { return storePlace(m.From) != storePlace(m.To) }
func (m *move) movesStream() bool { return streamPlace(m.From) != streamPlace(m.To) }

// mark is what is set where something is moved to.
func (m *move) mark(done bool) bridge.Move { return bridge.Move{From: m.report.From(), Done: done} }

// run is the order of a move. The leases of both sides are held.
func (m *move) run(ctx context.Context) error {
	// Nothing but what an earlier, interrupted run of the same move has left may be there.
	if err := m.vacant(ctx); err != nil {
		return err
	}
	if err := m.survey(ctx); err != nil || m.DryRun {
		return err
	}
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		// 1. If we stop here, the target has marks and nothing else: no bridge begins there.
		{"mark", func(ctx context.Context) error { return m.setMarks(ctx, false) }},
		// 2. If we stop within, the stream is the beginning of the old one: the next run goes on behind it.
		{"events", m.copyEvents},
		// 3. If we stop within, some checkpoints are there: the next run writes them all again.
		{"checkpoints", m.copyCheckpoints},
		// 4. If we stop within, some records are there: the next run writes them all again.
		{"records", m.copyRecords},
		{"notes", m.copyNotes},
		// 5. If we stop here, all is there, and marked: the next run compares it again.
		{"compare", m.compare},
		// 6. If we stop within, some marks are set to done and some are not. No bridge begins as long as one is not, so that the
		//    next run may do everything again.
		{"release", func(ctx context.Context) error { return m.setMarks(ctx, true) }},
	}
	for _, s := range steps {
		if err := m.step(s.name); err != nil {
			return err
		}
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// open opens all places, and takes the leases of the accounts in both stores. The context ends if one of them is lost.
func (m *move) open(ctx context.Context) (context.Context, error) {
	m.report.describe(m)
	if err := m.from.openStore(ctx, m.From, true); err != nil {
		return ctx, err
	}
	if err := m.from.openStream(ctx, m.From, true); err != nil {
		return ctx, err
	}
	m.to.store, m.to.stream = m.from.store, m.from.stream
	if m.movesStore() {
		m.to.store = nil
		if err := m.to.openStore(ctx, m.To, m.DryRun); err != nil && !m.nothingYet(err) {
			return ctx, err
		}
	}
	if m.movesStream() {
		m.to.stream = nil
		if err := m.to.openStream(ctx, m.To, m.DryRun); err != nil && !m.nothingYet(err) {
			return ctx, err
		}
	}
	return m.leases.take(ctx, m)
}

// nothingYet says that err tells of a target that a dry run would have to make.
func (m *move) nothingYet(err error) bool { return m.DryRun && errors.Is(err, errAbsent) }

func (m *move) close() {
	m.leases.release()
	if m.to.store != m.from.store {
		m.to.closeStore()
	}
	if m.to.stream != m.from.stream {
		m.to.closeStream()
	}
	m.from.closeStream()
	m.from.closeStore()
}

// accounts are the names of those that are moved.
func (m *move) accounts() []string {
	names := make([]string, len(m.From.Accounts))
	for i := range m.From.Accounts {
		names[i] = m.From.Accounts[i].Name
	}
	return names
}

func (m *move) say(format string, args ...any) { m.Say(fmt.Sprintf(format, args...)) }
