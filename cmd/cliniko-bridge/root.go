package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
		Args:          knownCommand,

		SuggestionsMinimumDistance: 2,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{mistypedFlag(err)} })
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

// knownCommand refuses what is no command, and names the nearest ones.
func knownCommand(cmd *cobra.Command, args []string) error {
	err := cobra.NoArgs(cmd, args)
	if err == nil {
		return nil
	}
	near := cmd.SuggestionsFor(args[0])
	if len(near) == 0 {
		return fmt.Errorf("%w; %s --help lists the commands", err, cmd.CommandPath())
	}
	return fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))
}

// mistypedFlag says what a flag takes in place of the words of strconv.
func mistypedFlag(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	takes, ok := map[string]string{
		"int": "a whole number", "uint": "a whole number, 0 or more", "uint64": "a whole number, 0 or more", "float64": "a number", "bool": "true or false",
	}[invalid.GetFlag().Value.Type()]
	if !ok {
		return err
	}
	return fmt.Errorf("--%s %q: it is %s", invalid.GetFlag().Name, invalid.GetValue(), takes)
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
