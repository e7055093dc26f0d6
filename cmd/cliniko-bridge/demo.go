package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
)

func newDemo(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See it work: a pretended clinic, everything embedded",
		Long: `demo starts a pretended clinic with invented people, and a bridge with an embedded NATS server that follows
it, and prints the events. It needs no account and no server, keeps nothing, and asks nothing of any other host.`,
		Example: "  cliniko-bridge demo",
		Args:    cobra.NoArgs,
	}
	rate := cmd.Flags().Float64("rate", 1, "changes a second in the clinic, about")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return e.demo(cmd.Context(), *rate) }
	return cmd
}

func (e *env) demo(ctx context.Context, rate float64) error {
	dir, err := os.MkdirTemp("", "cliniko-bridge-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // at worst some files of invented people stay

	clinic := clinikotest.New(clinikotest.Options{Seed: uint64(time.Now().UnixNano()), KeepVersions: 1})
	clinic.Populate(clinikotest.SmallClinic())
	api := clinikotest.NewServer(clinic) //nolint:contextcheck // it is closed below
	defer api.Close()

	cfg, err := demoConfig(dir, clinic.Key(), api.URL)
	if err != nil {
		return err
	}
	// Warnings alone: what an operator would read stands between the events otherwise.
	log := e.logger().WithOptions(zap.IncreaseLevel(zap.WarnLevel))
	b, err := bridge.New(cfg, bridge.Options{Log: log})
	if err != nil {
		return err
	}
	server := newAdmin(cfg, b, log)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serve(ctx, cfg, b, server, log) })
	group.Go(func() error {
		if !waitReady(ctx, b) {
			return nil
		}
		e.greet(b, server)
		live, quit := context.WithCancel(ctx)
		defer quit()
		group.Go(func() error { return clinikotest.NewLive(clinic, 1).WithStates().Run(live, rate) })
		events, err := publisher.NewReader(ctx, b.Conn(), publisher.Config{Stream: cfg.NATS.Stream, Template: b.Template()}, log)
		if err != nil {
			return err
		}
		return e.followAll(ctx, events)
	})
	return group.Wait()
}

// demoConfig is a configuration as a user would write it. It follows what a front desk changes, at short intervals: with
// all resources the budget would need half a minute for the first look alone.
func demoConfig(dir, key, url string) (*config.Config, error) {
	text := fmt.Sprintf(`
accounts:
  - api_key: %q
    user_agent: "cliniko-bridge demo (demo@clinic.example)"
    base_url: %q
    resources: [appointments, patients, contacts, medical_alerts, invoices, invoice_items, products, stock_adjustments]
data_dir: %q
admin: {listen: "127.0.0.1:0"}
resources:
  appointments: {schedule: "@every 3s"}
  patients: {schedule: "@every 3s"}
  contacts: {schedule: "@every 10s"}
  invoices: {schedule: "@every 10s"}
`, key, url, filepath.Join(dir, "data"))
	path := filepath.Join(dir, "bridge.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return config.Load(path, func(string) string { return "" })
}

// waitReady waits until the bridge follows the clinic, so that the first change is not before the first look.
func waitReady(ctx context.Context, b *bridge.Bridge) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if b.Opened() && len(b.Ready(ctx)) == 0 && watched(b.Status()) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// watched says that the two resources which change most are known whole, so that each change tells its fields.
func watched(s admin.Status) bool {
	for _, a := range s.Accounts {
		for _, r := range a.Resources {
			often := r.Name == "appointments" || r.Name == "patients"
			if often && r.Baseline != admin.BaselineComplete {
				return false
			}
		}
	}
	return true
}

// greet says what is to be seen. In a pipe it goes to stderr, so that stdout is events alone.
func (e *env) greet(b *bridge.Bridge, server outlook) {
	w := e.stdout
	if e.style() == render.Plain {
		w = e.stderr
	}
	say(w, `A pretended clinic is at work, and a bridge follows it. Its people are invented.

  the same events    nats sub -s %s '%s'
  status             http://%s/
  stop               Ctrl-C

`, b.URL(), b.Template().All(), server.Addr())
}
