package bridge

import (
	"context"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// An account is one Cliniko account of the bridge, whether or not this process has its lease.
type account struct {
	b         *Bridge
	cfg       *config.Account
	schedules map[schemas.Resource]string
	key       apiKey

	mu     sync.Mutex // guards the following, which are there while the lease is held
	client *cliniko.Client
	poller *poller.Poller
	differ *diff.Differ
	// trouble is why the account cannot be followed although the lease is held, "" if nothing is the matter.
	trouble string
}

func newAccount(b *Bridge, cfg *config.Account) (*account, error) {
	a := &account{b: b, cfg: cfg, schedules: make(map[schemas.Resource]string), key: newAPIKey(cfg, b.log)}
	for name, r := range b.cfg.Resources {
		if r.Schedule != "" {
			a.schedules[name] = r.Schedule
		}
	}
	return a, ClientConfig(cfg).Validate()
}

// Specs are the rows of the catalogue that the account's poller reads: those that the configuration names, or all that are
// not off.
func Specs(cfg *config.Account, edition schemas.Edition) []schemas.Spec {
	return slices.DeleteFunc(schemas.Catalogue(edition), func(spec schemas.Spec) bool {
		if cfg.Resources != nil {
			return !slices.Contains(cfg.Resources, spec.Resource)
		}
		return spec.Off
	})
}

// ClientConfig says how to ask the account's API.
func ClientConfig(a *config.Account) cliniko.Config {
	return cliniko.Config{
		APIKey: cliniko.Secret(a.APIKey.Reveal()), UserAgent: a.UserAgent, BaseURL: a.BaseURL,
		RequestsPerMinute: a.RequestsPerMinute,
	}
}

// run follows the account while this process has its lease.
func (a *account) run(ctx context.Context, lease diff.Lease) {
	if !a.movedWhole(ctx) {
		return
	}
	cfg := ClientConfig(a.cfg)
	cfg.CurrentKey = a.key.current
	client, err := cliniko.New(cfg, &fence{a.b.shared, lease}, &ledger{a.b.store, lease})
	if err != nil {
		a.b.log.Error("the account cannot be followed", zap.String("account", a.cfg.Name), zap.Error(err))
		return
	}
	found, err := a.edition(ctx, client)
	if err != nil {
		return // asked to stop
	}
	defer a.set(nil, nil, nil)
	for again := true; again; {
		found, again = a.follow(ctx, lease, client, found)
	}
}

// follow polls the account in the edition that was found, until ctx ends or the API turns out to answer with another one:
// then it returns that, and true.
func (a *account) follow(ctx context.Context, lease diff.Lease, client *cliniko.Client, found finding) (next finding, changed bool) {
	edition := found.edition
	differ := diff.New(diff.Config{
		Account: a.cfg.Name, Lease: lease, Store: a.b.store, Publisher: a.b.stream, Key: a.b.key,
		Spec: func(name schemas.Resource) schemas.Spec {
			spec, _ := schemas.Lookup(edition, name)
			return spec
		},
		Snapshot: a.b.cfg.Baseline == config.BaselinePublish,
		Thin:     a.b.cfg.Events.Data == config.DataThin,
		Told:     a.b.told,
		Log:      a.b.log, Metrics: a.b.metrics.diff,
	})
	defer differ.Close()
	watch := newEditionWatch(a, client)
	var sink poller.Sink = differ
	if a.cfg.API == config.APIAuto {
		guard := newFormGuard(differ, edition, watch.doubt)
		watch.stays, sink = guard.release, guard
	}
	sweeps := a.keepSweeps(ctx)
	p, err := poller.New(poller.Config{
		Account: a.cfg.Name, Source: client, Sink: sink, Inventory: differ, Specs: Specs(a.cfg, edition), Schedules: a.schedules,
		Doubt: watch.doubt, Days: a.b.cfg.Resources["available_times"].Days,
		SweepSchedule: a.b.cfg.Sweep.Schedule, ConfirmAfter: a.b.cfg.Sweep.ConfirmAfter, Limit: a.b.cfg.Sweep.Limit,
		Swept: sweeps.note, Sweeps: sweeps.earlier(),
		Log: a.b.log, Metrics: a.b.metrics.poller,
	})
	if err != nil {
		a.b.log.Error("the account cannot be followed", zap.String("account", a.cfg.Name), zap.Error(err))
		return found, false
	}
	a.set(client, p, differ)
	if a.cfg.API != config.APIAuto {
		p.Run(ctx)
		return found, false
	}
	polling, stop := context.WithCancel(ctx)
	var polled sync.WaitGroup
	polled.Go(func() { p.Run(polling) })
	next, changed = watch.run(ctx, found)
	stop()
	polled.Wait()
	return next, changed
}

func (a *account) set(c *cliniko.Client, p *poller.Poller, d *diff.Differ) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.client, a.poller, a.differ = c, p, d
}

func (a *account) running() (*cliniko.Client, *poller.Poller) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.client, a.poller
}
