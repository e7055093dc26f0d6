package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What can keep an operator's order from being carried out.
var (
	// ErrUnknown says that there is no such account, or that it does not follow the resource.
	ErrUnknown = errors.New("not in the configuration")
	// ErrNotNow says that it may work later, or with another bridge.
	ErrNotNow = errors.New("not now")
)

// Sweep begins to look for what is gone or was missed in resources of account, all of them if none is named, and returns.
// With accept the limit for mass disappearance does not count this once. account "" means every account that this process
// leads. Its error is a plain sentence that wraps ErrUnknown or ErrNotNow.
func (b *Bridge) Sweep(account string, resources []schemas.Resource, accept bool) error {
	return b.order(account, func(p *poller.Poller) error { return p.Sweep(resources, accept) })
}

// renewTime is how long a baseline is waited for that is to begin: until a request and its commit are done.
const renewTime = 10 * time.Second

// Baseline begins the baseline of a resource anew. account is as in Sweep, and so is the error.
func (b *Bridge) Baseline(account string, resource schemas.Resource) error {
	ctx, cancel := context.WithTimeout(context.Background(), renewTime)
	defer cancel()
	return b.order(account, func(p *poller.Poller) error { return p.Renew(ctx, resource) })
}

// order gives an order to the pollers of account.
func (b *Bridge) order(account string, do func(*poller.Poller) error) error {
	known, led := false, false
	var refused []error
	done := 0
	for _, a := range b.accounts {
		if account != "" && account != a.cfg.Name {
			continue
		}
		known = true
		_, p := a.running()
		if p == nil {
			continue
		}
		led = true
		switch err := do(p); {
		case err == nil:
			done++
		case errors.Is(err, poller.ErrUnknown):
			refused = append(refused, fmt.Errorf("account %s: %w: %w", a.cfg.Name, err, ErrUnknown))
		default:
			refused = append(refused, fmt.Errorf("account %s: %w: %w", a.cfg.Name, err, ErrNotNow))
		}
	}
	switch {
	case !known:
		return fmt.Errorf("account %q: %w", account, ErrUnknown)
	case !led && account == "":
		return fmt.Errorf("this bridge has the lease of no account: %w", ErrNotNow)
	case !led:
		return fmt.Errorf("account %s: another bridge has its lease, or none yet: %w", account, ErrNotNow)
	case done > 0 && account == "":
		return nil // an account that does not have the resource is no fault if another does
	default:
		return errors.Join(refused...)
	}
}
