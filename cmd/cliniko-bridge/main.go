// Command cliniko-bridge tells the world what changes in Cliniko accounts: it polls their API, and publishes an event
// for each change to NATS JetStream.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // schedules with a zone, and the days of available times, where the system has no zones

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
)

func main() {
	ctx := untilSignal()
	// net/http writes the beginning of a response that nobody asked for to the standard logger: text of a record, it
	// may be. All that is ours to say goes through zap.
	log.SetOutput(io.Discard)
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// sameSignal is how long after the first a signal is the same one once more: who signals a process and its group, as
// timeout(1) does, sends two.
const sameSignal = 200 * time.Millisecond

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. The second ends the process at once.
func untilSignal() context.Context {
	caught := make(chan os.Signal, 2)
	signal.Notify(caught, os.Interrupt, syscall.SIGTERM)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		<-caught
		stop()
		for first := time.Now(); time.Since(first) < sameSignal; {
			<-caught
		}
		say(os.Stderr, "cliniko-bridge: ended at once by a second signal; what was in flight is done again at the next start\n")
		os.Exit(exitFailed)
	}()
	return ctx
}

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // bad flags, bad configuration, or servers that have to be set up otherwise
)

// run is the whole command. It returns the exit status.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	e := &env{getenv: getenv, stdout: stdout, stderr: stderr}
	root := newRoot(e) //nolint:contextcheck // each command takes its context from cobra
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var faults config.Faults
	var usage usageError
	var setup *bridge.SetupError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSaid):
		return exitFailed
	case errors.As(err, &faults):
		for _, f := range faults {
			say(stderr, "%s\n", f)
		}
		return exitUsage
	case errors.As(err, &usage), errors.As(err, &setup):
		say(stderr, "cliniko-bridge: %s\n", err)
		return exitUsage
	default:
		say(stderr, "cliniko-bridge: %s\n", err)
		return exitFailed
	}
}

// errSaid is a failure that the command has told its user about already.
var errSaid = errors.New("failed")

// A usageError is a mistake in flags or arguments.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// say writes to a terminal or a pipe. What a server said may be in it, and moves no cursor. Whoever closed it does not listen any
// more, which is no failure of ours.
func say(w io.Writer, format string, args ...any) {
	_, _ = io.WriteString(w, render.Text(fmt.Sprintf(format, args...)))
}
