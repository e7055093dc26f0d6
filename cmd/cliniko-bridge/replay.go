package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// usualRate is how many events a second are replayed onto a subject if nothing else is said.
const usualRate = 200

// toTerminal is the --to that stands for standard output.
const toTerminal = "-"

func newReplay(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replay [SUBJECT...]",
		Short: "Tell again what is in the stream",
		Long: `replay goes through the events that the stream holds, in their order, and ends at what was the last one when it
began. What is replayed is said by time, by the stream's sequence, by record or by subject; what is given together
has to be met together, but --since and --from-sequence are two ways to say where to begin.

It prints them as tail does, or publishes them on a subject of its own (--to), so that one program can hear again
what it missed or did wrong and no other one is disturbed. There each event has its body as it was, and the headers
Cliniko-Replay (stream and sequence, CLINIKO/5678) and Cliniko-Subject (the subject that it was published on). Its
Nats-Msg-Id is left out, which is the id in its body. If a stream has the subject, each event is acknowledged by it,
and has a Nats-Msg-Id of this very replay: a duplicate window drops no event of a second one. The live subjects are
refused, and every other one that leads into the stream of a bridge.

Interrupted, it says with which --from-sequence to go on, and the exit status is 1.`,
		Example: `  cliniko-bridge replay --since 24h
  cliniko-bridge replay --record patients/343589 --json
  cliniko-bridge replay 'cliniko.appointments.*' --since 2027-03-27T00:00:00Z --until 2027-03-28T00:00:00Z
  cliniko-bridge replay --since 24h --to replay.northside --dry-run
  cliniko-bridge replay --from-sequence 5678 --to replay.northside --rate 50`,
	}
	open := sourceFlags(e, cmd)
	selection := selectFlags(cmd)
	spanOf := spanFlags(cmd)
	flags := cmd.Flags()
	to := flags.String("to", toTerminal, "`SUBJECT` of its own to publish on; - is the terminal")
	perSecond := flags.Float64("rate", 0, fmt.Sprintf("at most so many events a second; default: %d onto a subject, no limit on the terminal", usualRate))
	dryRun := flags.Bool("dry-run", false, "only say how many events it would be, from when to when, and how long it would take")
	asJSON := flags.Bool("json", false, "print each event whole, as one line of JSON: the values of its record too; with --dry-run, print that as JSON; default: no values")
	cmd.RunE = func(cmd *cobra.Command, subjects []string) error {
		span, err := spanOf(time.Now())
		if err != nil {
			return err
		}
		pick, err := selection(subjects)
		if err != nil {
			return err
		}
		r := replay{env: e, span: span, pick: pick, to: *to, perSecond: *perSecond, json: *asJSON}
		if err := r.check(flags.Changed("rate"), *dryRun); err != nil {
			return err
		}
		ctx := cmd.Context()
		src, err := open(ctx, pick)
		if err != nil {
			return err
		}
		defer src.nc.Close()
		return r.run(ctx, src, *dryRun)
	}
	return cmd
}

// spanFlags adds to cmd the flags that say which stretch of the stream, and returns what reads them.
func spanFlags(cmd *cobra.Command) func(now time.Time) (publisher.Span, error) {
	flags := cmd.Flags()
	since := flags.String("since", "", "begin with what was published since `TIME`: how long ago, such as 24h, or RFC 3339; default: the first event there is")
	until := flags.String("until", "", "end before what was published at `TIME`, as in --since; default: the last event there is")
	from := flags.Uint64("from-sequence", 0, "begin with this sequence of the stream, 1 or more; default: the first event there is")
	return func(now time.Time) (span publisher.Span, err error) {
		switch {
		case *since != "" && flags.Changed("from-sequence"):
			return span, usageError{errors.New("--since and --from-sequence both say where to begin: give one of them")}
		case flags.Changed("from-sequence") && *from == 0:
			return span, usageError{errors.New("--from-sequence is 1 or more: 1 is the first event of a stream")}
		}
		span.From = *from
		if *since != "" {
			if span.Since, err = parseMoment("since", *since, now); err != nil {
				return span, err
			}
		}
		if *until != "" {
			if span.Until, err = parseMoment("until", *until, now); err != nil {
				return span, err
			}
			if !span.Since.IsZero() && !span.Since.Before(span.Until) {
				return span, usageError{errors.New("--until is not after --since")}
			}
		}
		return span, nil
	}
}

// A replay is one run of the command.
type replay struct {
	*env
	span      publisher.Span
	pick      publisher.Selection
	to        string
	perSecond float64 // 0: no limit
	json      bool

	events   int
	first    publisher.Stored // without its body
	last     publisher.Stored
	progress *publisher.Replay
}

// check says what is wrong with flags that do not go together, and fills in the rate.
func (r *replay) check(rateGiven, dryRun bool) error {
	p := &r.pick
	everything := len(p.Subjects)+len(p.Accounts)+len(p.Resources)+len(p.Verbs)+len(p.Records) == 0 && r.span == (publisher.Span{})
	switch {
	case everything:
		return usageError{errors.New("say what to replay: --since 24h, --from-sequence N, --record patients/343589 or a subject; --from-sequence 1 is all")}
	case r.to == "":
		return usageError{errors.New("--to is empty; give a subject, such as replay.northside, or - for the terminal")}
	case r.to != toTerminal && r.json && !dryRun:
		return usageError{errors.New("--json is for the terminal: onto a subject goes each event as it is in the stream; leave --json or --to out")}
	case rateGiven && (r.perSecond <= 0 || math.IsInf(r.perSecond, 0) || math.IsNaN(r.perSecond)):
		return usageError{errors.New("--rate is a number of events a second, above 0")}
	}
	if r.to != toTerminal && !rateGiven {
		r.perSecond = usualRate
	}
	return nil
}

// run replays, or only counts.
func (r *replay) run(ctx context.Context, src *source, dryRun bool) error {
	put, where := r.printer(r.json), "on the terminal"
	if r.to != toTerminal {
		target, err := publisher.NewTarget(ctx, src.nc, src.config, r.to)
		if _, unfit := errors.AsType[*publisher.UnfitError](err); unfit {
			return usageError{err}
		}
		if err != nil {
			return err
		}
		put = func(s publisher.Stored) error { return target.Put(ctx, s) }
		if where = "onto " + r.to; target.Stream() != "" {
			where += ", into the stream " + target.Stream()
		} else if !dryRun {
			say(r.stderr, "no stream has %s: it is heard by those who listen now\n", r.to)
		}
	}
	if gone, first, at := src.Dropped(r.span); gone {
		say(r.stderr, "the stream %s begins with sequence %d, of %s: what was before is dropped\n", src.Name(), first, schemas.FormatStamp(at))
	}
	var err error
	if r.progress, err = src.Replay(ctx, r.span, r.pick); err != nil {
		return err
	}
	if dryRun {
		err = r.progress.Run(ctx, r.count)
		if err == nil {
			return r.estimate(src.Name(), where)
		}
		return r.stopped(ctx, err, src.Name(), where)
	}
	bars := r.replayBars()
	pace := rate.NewLimiter(rate.Inf, 1)
	if r.perSecond > 0 {
		pace = rate.NewLimiter(rate.Limit(r.perSecond), max(1, int(r.perSecond/100)))
	}
	err = r.progress.Run(ctx, func(s publisher.Stored) error {
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		if err := put(s); err != nil {
			return err
		}
		done, total := r.progress.Progress()
		bars.Set("", render.Bar{Text: fmt.Sprintf("%d events, up to %s", r.events, schemas.FormatStamp(s.At)), Done: done, Total: total})
		return r.count(s)
	})
	bars.Close()
	if err != nil {
		return r.stopped(ctx, err, src.Name(), where)
	}
	say(r.stderr, "%s replayed %s%s\n", r.many(), where, r.which(src.Name()))
	return nil
}

// count takes note of an event that was replayed.
func (r *replay) count(s publisher.Stored) error {
	s.Body, s.Event = nil, schemas.Event{}
	if r.events++; r.events == 1 {
		r.first = s
	}
	r.last = s
	return nil
}

// replayBars are drawn while stdout has no events that would stand between them.
func (r *replay) replayBars() *render.Bars {
	if r.to == toTerminal && isTerminal(r.stdout) {
		return nil
	}
	return r.bars()
}

// many is how many events were replayed, in words.
func (r *replay) many() string {
	if r.events == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", r.events)
}

// which is which events were replayed, in words: ": CLINIKO/12 to CLINIKO/5678". "" if there were none.
func (r *replay) which(stream string) string {
	switch r.events {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(": %s/%d of %s", stream, r.first.Sequence, schemas.FormatStamp(r.first.At))
	}
	return fmt.Sprintf(": %s/%d of %s to %s/%d of %s", stream, r.first.Sequence, schemas.FormatStamp(r.first.At),
		stream, r.last.Sequence, schemas.FormatStamp(r.last.At))
}

// stopped says how far it came, and how to go on. It returns what the command ends with.
func (r *replay) stopped(ctx context.Context, err error, stream, where string) error {
	why := "stopped"
	if ctx.Err() != nil {
		why = "interrupted"
	}
	say(r.stderr, "%s after %s %s%s\n", why, r.many(), where, r.which(stream))
	if next := r.progress.Next(); next > 0 {
		instead := ""
		if !r.span.Since.IsZero() {
			instead = " in place of --since"
		}
		say(r.stderr, "go on with --from-sequence %d%s\n", next, instead)
	} else {
		say(r.stderr, "nothing was replayed: begin again\n")
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return errSaid
	}
	return err
}

// estimate prints what a dry run found.
func (r *replay) estimate(stream, where string) error {
	took := time.Duration(0)
	if r.perSecond > 0 {
		took = time.Duration(float64(r.events) / r.perSecond * float64(time.Second))
	}
	if r.json {
		return r.printJSON(struct {
			Events        int     `json:"events"`
			FirstSequence uint64  `json:"first_sequence"`
			LastSequence  uint64  `json:"last_sequence"`
			From          string  `json:"from"`
			To            string  `json:"to"`
			Seconds       float64 `json:"seconds"`
		}{r.events, r.first.Sequence, r.last.Sequence, stampOrNone(r.first), stampOrNone(r.last), took.Seconds()})
	}
	pace := "as fast as they are read"
	if r.perSecond > 0 {
		pace = fmt.Sprintf("in about %s at %g a second", about(max(took, time.Second)), r.perSecond)
	}
	say(r.stdout, "%s would be replayed %s, %s%s\n", r.many(), where, pace, r.which(stream))
	return nil
}

func stampOrNone(s publisher.Stored) string {
	if s.At.IsZero() {
		return ""
	}
	return schemas.FormatStamp(s.At)
}
