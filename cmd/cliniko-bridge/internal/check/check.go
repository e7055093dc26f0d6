// Package check tries everything that a bridge needs before it is started: each account's key and resources, the
// store, NATS, and what is kept on disk.
//
// It asks and looks, and changes nothing: no stream is made, no key, no file that stays. What it finds is a [Report],
// one row for each thing, in words that an operator can act on. No row holds a secret, nor a value of a record.
package check

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// accountsAtOnce is how many accounts are asked at the same time: each has a budget of its own.
const accountsAtOnce = 8

// Run tries everything that cfg names. source says where the configuration came from: "bridge.yaml". It returns when
// every part has answered or has had its time, or soon after ctx ends; the report is then of no use.
func Run(ctx context.Context, cfg *config.Config, source string) Report {
	parts := make([]Report, len(cfg.Accounts)+3)
	transport := cliniko.NewTransport()
	defer transport.CloseIdleConnections()
	var group errgroup.Group
	group.SetLimit(accountsAtOnce)
	for i := range cfg.Accounts {
		group.Go(func() error {
			parts[i] = account(ctx, cfg, &cfg.Accounts[i], transport)
			return nil
		})
	}
	group.Go(func() error {
		parts[len(parts)-3] = bus(ctx, cfg)
		return nil
	})
	group.Go(func() error {
		parts[len(parts)-2] = store(ctx, cfg)
		return nil
	})
	group.Go(func() error {
		parts[len(parts)-1] = operators(ctx, cfg)
		return nil
	})
	_ = group.Wait() // none of them returns an error: what is wrong is in the rows

	var all Report
	all.ok("configuration", "%s: %s", source, count(len(cfg.Accounts), "account"))
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}
