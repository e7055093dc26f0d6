package main

import (
	"cmp"
	"errors"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/check"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
)

func newCheck(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Try key, resources, NATS and Redis",
		Long: `check tries everything that run needs, changes nothing, and prints what it found: whether each account's key
is known, which resources it may see and how they can be read, how long the first look takes, NATS and its stream,
and the store. The exit status is 1 if anything is wrong. A bridge may run meanwhile.`,
		Example: `  cliniko-bridge check
  cliniko-bridge check --config bridge.yaml`,
		Args: cobra.NoArgs,
	}
	load := configFlag(e, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		for _, a := range cfg.Accounts {
			if a.RequestsPerMinute < check.Requests {
				say(e.stderr, "account %s has %d requests a minute: this takes some minutes\n", a.Name, a.RequestsPerMinute)
			}
		}
		redisstore.LogTo(zap.NewNop()) // the table says it
		report := check.Run(cmd.Context(), cfg, cmp.Or(cmd.Flag("config").Value.String(), "from the environment"))
		if cmd.Context().Err() != nil {
			return errors.New("interrupted")
		}
		if err := report.Write(e.stdout, e.style()); err != nil {
			return err
		}
		if report.Wrong() > 0 {
			return errSaid
		}
		return nil
	}
	return cmd
}
