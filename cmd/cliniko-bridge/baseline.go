package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func newBaseline(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "baseline RESOURCE",
		Short: "Take the first look again",
		Long: `baseline has a running bridge read all records of a resource once more, beside its polling. If the first look
told each as a snapshot ("baseline: publish"), so does this one. It follows until that is done. Interrupted, it
stops following; the bridge goes on.`,
		Example: `  cliniko-bridge baseline patients
  cliniko-bridge baseline appointments --account northside --config bridge.yaml`,
		Args: cobra.ExactArgs(1),
	}
	client := remoteFlags(e, cmd)
	account := accountFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		resources, err := parseResources(args)
		if err != nil {
			return err
		}
		c, err := client()
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		if err := c.Baseline(ctx, *account, resources[0]); err != nil {
			return remedy(ctx, err)
		}
		return e.followBaseline(ctx, c, *account, resources[0])
	}
	return cmd
}

// A look is how the baseline of a target goes on.
type look struct {
	target
	total   int    // the most that were left
	trouble string // the last error that was shown
	ended   string // what there is to say in the end, "" before
	lost    bool   // it ended since nobody here knows of it any more
}

// followBaseline shows how the baseline of a resource goes on, until it is complete.
func (e *env) followBaseline(ctx context.Context, c *admin.Client, account string, resource schemas.Resource) error {
	bars := e.bars()
	var last admin.Status
	var looks []*look
	var list []target
	err := watch(ctx, c.Status, func(s admin.Status) bool {
		last = s
		if list == nil {
			list = targets(s, account, func(r admin.Resource) bool { return r.Name == resource })
			for _, t := range list {
				looks = append(looks, &look{target: t})
			}
		}
		done := true
		for _, l := range looks {
			name := l.name(list)
			if trouble := l.update(s); trouble != "" {
				e.mention(bars, name+": "+trouble+"; the bridge tries again")
			}
			bars.Set(name, l.bar(s, name))
			done = done && l.ended != ""
		}
		return done
	})
	bars.Close()
	e.others(last, account)
	switch {
	case ctx.Err() != nil:
		say(e.stderr, "not followed any more; the baseline goes on in the bridge, and `cliniko-bridge status` shows it\n")
		return errSaid
	case err != nil:
		return fmt.Errorf("the baseline cannot be followed any more: %w", err)
	}
	lost := len(looks) == 0
	for _, l := range looks {
		say(e.stdout, "%s: %s\n", l.name(list), l.ended)
		lost = lost || l.lost
	}
	if lost {
		return fmt.Errorf("%s is not complete here: %s", resource, notLed)
	}
	return nil
}

// update takes in what s says, and returns an error that was not there before, "" if there is none.
func (l *look) update(s admin.Status) string {
	r, ok := l.find(s)
	l.total = max(l.total, r.BaselineLeft)
	switch {
	case !ok:
		l.ended, l.lost = notLed, true
	case r.Baseline == admin.BaselineComplete:
		l.ended = fmt.Sprintf("the baseline is complete; %d records are known", r.Tracked)
	case r.LastError != l.trouble:
		l.trouble = r.LastError
		return r.LastError
	}
	return ""
}

// bar is how it goes on, with the time left as the bridge sees it.
func (l *look) bar(s admin.Status, name string) render.Bar {
	r, _ := l.find(s)
	b := render.Bar{Text: name + ": " + r.Baseline, Ended: l.ended != "", Wrong: l.lost}
	if r.BaselineLeft > 0 {
		b.Text = fmt.Sprintf("%s: %d left", name, r.BaselineLeft)
		b.Done, b.Total = l.total-r.BaselineLeft, l.total
	}
	if r.BaselineSecondsLeft > 0 {
		b.Text += ", about " + about(time.Duration(r.BaselineSecondsLeft)*time.Second)
	}
	return b
}

// about is d as one says it: in seconds, minutes or hours.
func about(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	default:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
}

// mention says something on stderr while bars may be there.
func (e *env) mention(bars *render.Bars, line string) {
	if bars != nil {
		bars.Say(line)
		return
	}
	say(e.stderr, "%s\n", render.Line(line))
}
