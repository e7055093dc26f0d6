package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/logging"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
)

// env is what a command has of the world around it.
type env struct {
	getenv         func(string) string
	stdout, stderr io.Writer
}

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "cliniko-bridge",
		Short: "Tells the world what changes in Cliniko accounts",
		Long: `cliniko-bridge polls Cliniko accounts, which have no webhooks, and publishes an event for each
change to NATS JetStream, on subjects such as cliniko.appointments.updated.`,
		Example: `  cliniko-bridge demo                      see it work, with nothing but this program
  cliniko-bridge check --config bridge.yaml
  cliniko-bridge run --config bridge.yaml`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newDemo(e), newRun(e), newCheck(e), newStatus(e), newTail(e), newReplay(e), newSweep(e), newBaseline(e), newSchema(e),
		newMock(e), newMigrate(e), newVersion(e))
	addCompletion(e, root)
	for _, c := range append(root.Commands(), root) {
		if args := c.Args; args != nil {
			c.Args = func(cmd *cobra.Command, given []string) error {
				if err := args(cmd, given); err != nil {
					return usageError{err}
				}
				return nil
			}
		}
	}
	return root
}

// configFlag adds --config to cmd and returns how to load what it names.
func configFlag(e *env, cmd *cobra.Command) func() (*config.Config, error) {
	path := cmd.Flags().StringP("config", "c", "", "configuration `FILE`; default: everything from the environment")
	return func() (*config.Config, error) { return config.Load(*path, e.getenv) }
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// logger writes to stderr: JSON, or plain text on a terminal.
func (e *env) logger() *zap.Logger { return logging.New(e.stderr, isTerminal(e.stderr)) }

// style is how stdout is written to.
func (e *env) style() render.Style { return render.StyleOf(isTerminal(e.stdout), e.getenv) }
