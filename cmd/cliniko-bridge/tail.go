package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
)

func newTail(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tail [SUBJECT...]",
		Short: "Follow events as they come",
		Long: `tail prints each event as it is published: what happened to which record, and which fields changed; never a
value. On a terminal it is made for the eye; in a pipe each line begins with the subject. With --json a line is
the whole event as it is in the stream, with the values of the record that it holds.

Subjects may have the wildcards * and >. Without any, all events are shown. With filters, an event is shown if it
meets every one of them.

It goes on until it is interrupted. When NATS or the bridge is started anew it waits, and goes on behind the last
event that it has shown.`,
		Example: `  cliniko-bridge tail
  cliniko-bridge tail 'cliniko.appointments.*' cliniko.patients.created
  cliniko-bridge tail --resource appointments --verb cancelled,deleted --since 1h
  cliniko-bridge tail --json | jq -r '.data.record.email'`,
	}
	open := sourceFlags(e, cmd)
	selection := selectFlags(cmd)
	since := cmd.Flags().String("since", "", "begin with what was published since `TIME`: how long ago, such as 1h, or RFC 3339; default: now")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, subjects []string) error {
		pick, err := selection(subjects)
		if err != nil {
			return err
		}
		var begin time.Time
		if *since != "" {
			if begin, err = parseMoment("since", *since, time.Now()); err != nil {
				return err
			}
		}
		src, err := open(cmd.Context(), pick)
		if err != nil {
			return err
		}
		defer src.nc.Close()
		return src.Follow(cmd.Context(), begin, pick, e.printer(*asJSON))
	}
	return cmd
}

// jsonFlag adds --json for events.
func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print each event whole, as one line of JSON: the values of its record too; default: no values")
}

// printer writes events on stdout, a line each.
func (e *env) printer(asJSON bool) func(publisher.Stored) error {
	style := e.style()
	return func(s publisher.Stored) error {
		var err error
		if asJSON {
			err = render.JSON(e.stdout, style, s.Body)
		} else {
			err = render.Event(e.stdout, style, s.Subject, &s.Event)
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	}
}

// followAll prints all events that come from now on, until ctx ends.
func (e *env) followAll(ctx context.Context, r *publisher.Reader) error {
	return r.Follow(ctx, time.Time{}, publisher.Selection{}, e.printer(false))
}
