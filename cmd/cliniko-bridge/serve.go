package main

import (
	"context"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/live"
)

func newRun(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Follow the accounts of a configuration, for ever",
		Long: `run follows the accounts of a configuration until it is asked to stop (SIGINT, SIGTERM). It stops within
ten seconds, and loses nothing by it. Without --config it takes one account from the environment:
CLINIKO_API_KEY, CLINIKO_USER_AGENT, and if they are not as usual CLINIKO_BASE_URL, NATS_URL, REDIS_URL,
FINGERPRINT_KEY, DATA_DIR, ADMIN_LISTEN, ADMIN_TOKEN.`,
		Example: `  CLINIKO_API_KEY=…-au1 CLINIKO_USER_AGENT='Northside Bridge (ops@northside.example)' cliniko-bridge run
  cliniko-bridge run --config bridge.yaml`,
		Args: cobra.NoArgs,
	}
	load := configFlag(e, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		log := e.logger()
		b, err := bridge.New(cfg, bridge.Options{Log: log})
		if err != nil {
			return err
		}
		return serve(cmd.Context(), cfg, b, newAdmin(cfg, b, log), log)
	}
	return cmd
}

// An outlook is what operators see of a bridge: the server, and what feeds its page.
type outlook struct {
	*admin.Server
	feed *live.Feed
}

// newAdmin is the outlook on b, which has not begun.
func newAdmin(cfg *config.Config, b *bridge.Bridge, log *zap.Logger) outlook {
	token := config.RotatingToken(&cfg.Admin, func(err error) {
		if err != nil {
			log.Error("the token in admin.token_file cannot be used; the one before stays", zap.String("reason", err.Error()))
			return
		}
		log.Info("the token for operators was changed")
	})
	feed := live.New(live.Config{Source: b.Live(), Version: versionText(), Holder: b.Holder()})
	b.OnTold(feed.Tell)
	return outlook{admin.New(cfg.Admin.Listen, admin.Deps{
		Version: versionText(), Ready: b.Ready, Status: b.Status, Sweep: b.Sweep, Baseline: b.Baseline, Token: token.Now,
		Live: feed, Metrics: b.Metrics(), Log: log,
	}), feed}
}

// serve runs the bridge and its server for operators until ctx ends or the bridge cannot go on.
func serve(ctx context.Context, cfg *config.Config, b *bridge.Bridge, server outlook, log *zap.Logger) error {
	if err := server.Listen(ctx); err != nil {
		return cfg.Fault("admin.listen", err.Error())
	}
	log.Info("status and metrics are served", zap.String("address", server.Addr()))
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() { log.Info("stopping") })()
	group.Go(func() error { return server.Run(ctx) })
	group.Go(func() error { return server.feed.Run(ctx) })
	group.Go(func() error {
		defer cancel()
		return b.Run(ctx)
	})
	err := group.Wait()
	if err == nil {
		log.Info("stopped")
	}
	return err
}
