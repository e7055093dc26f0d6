package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/migrate"
)

func newMigrate(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Move state and events to where another configuration has them",
		Long: `migrate copies the store and the stream of one configuration to where another one has them: from what is
embedded to Redis and NATS, from one server to another, or back. A bridge then goes on with the new configuration as
if nothing had been: no event is lost, none is told twice, none has another sequence. What is in the same place in
both stays there. What is moved stays as it was.

Both bridges are stopped, and the target is empty. A migrate that was stopped, be it with kill -9, is run again and goes
on; until it has ended, no bridge starts on the target.

Both configurations have one nats.subject and one key of the fingerprints: what is embedded has it in
data_dir/fingerprint.key, so that the new one says state.fingerprint_key_file: OLD_DATA_DIR/fingerprint.key.

The age of events begins anew: the new stream keeps each for nats.max_age from now on. Durable consumers are not moved;
migrate says at which sequence to make each again. Where NATS users have but the rights of deploy/nats-permissions.conf, both
need for the move $JS.API.DIRECT.GET.CLINIKO (and .>), the old one $JS.API.CONSUMER.LIST.CLINIKO, and the new one
$JS.API.STREAM.PURGE.CLINIKO and $JS.API.STREAM.MSG.DELETE.CLINIKO if the old stream has dropped any event.`,
		Example: `  cliniko-bridge migrate --from embedded.yaml --to servers.yaml --dry-run
  cliniko-bridge migrate --from embedded.yaml --to servers.yaml`,
		Args: cobra.NoArgs,
	}
	from := cmd.Flags().String("from", "", "configuration `FILE` of what is there")
	to := cmd.Flags().String("to", "", "configuration `FILE` of where it goes")
	dryRun := cmd.Flags().Bool("dry-run", false, "look at both sides, say what would be moved, and move nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *from == "" || *to == "" {
			return usageError{errors.New("--from FILE and --to FILE are needed: the configuration of what is there, and of where it goes")}
		}
		old, err := config.Load(*from, e.getenv)
		if err != nil {
			return err
		}
		next, err := config.Load(*to, e.getenv)
		if err != nil {
			return err
		}
		report, err := migrate.Run(cmd.Context(), migrate.Options{
			From: old, To: next, DryRun: *dryRun, Say: func(text string) { say(e.stderr, "%s\n", text) },
		})
		if err != nil && cmd.Context().Err() != nil {
			return errors.New("interrupted; run it again, and it goes on")
		}
		if err != nil {
			return err
		}
		return report.Write(e.stdout, *to)
	}
	return cmd
}
