package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// watchEvery is how often `status --watch` shows the status anew.
const watchEvery = 2 * time.Second

func newStatus(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what a running bridge is doing",
		Long: `status shows what a running bridge is doing: of each resource how far it has been read, what was told since the
bridge began, what the last sweep found, and what went wrong. Times are UTC; events are those since it began.`,
		Example: `  cliniko-bridge status
  cliniko-bridge status --watch
  cliniko-bridge status --json --config bridge.yaml`,
		Args: cobra.NoArgs,
	}
	client := remoteFlags(e, cmd)
	asJSON := cmd.Flags().Bool("json", false, "print what /status answers")
	again := cmd.Flags().Bool("watch", false, "show it anew every two seconds, until interrupted")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := client()
		if err != nil {
			return err
		}
		show := tableStatus
		if *asJSON {
			show = func(e *env, s admin.Status) error { return e.printJSON(s) }
		}
		return remedy(cmd.Context(), e.showStatus(cmd.Context(), c, show, *again))
	}
	return cmd
}

// showStatus shows the status once, or again and again until ctx ends. On a terminal the new one takes the place of the old.
func (e *env) showStatus(ctx context.Context, c *admin.Client, show func(*env, admin.Status) error, again bool) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		s, err := c.Status(ctx)
		switch {
		case again && ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		if again && e.style() != render.Plain {
			say(e.stdout, "\x1b[H\x1b[2J") // to the top, and nothing below
		}
		if err := show(e, s); err != nil || !again {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func tableStatus(e *env, s admin.Status) error {
	if len(s.Accounts) == 0 {
		return errors.New("the bridge follows no account")
	}
	header := []string{"account", "resource", "baseline", "tracked", "cursor", "last poll", "events", "sweep", "last error"}
	var rows [][]string
	for _, a := range s.Accounts {
		switch {
		case !a.Leader:
			rows = append(rows, []string{a.Name, "", "led by " + leader(a)})
		case len(a.Resources) == 0:
			rows = append(rows, []string{a.Name, "", "nothing is followed"})
		}
		for _, r := range a.Resources {
			rows = append(rows, statusRow(a.Name, r))
		}
	}
	return render.Table(e.stdout, e.style(), header, rows)
}

// leader is who leads an account that this process does not.
func leader(a admin.Account) string {
	if a.Holder == "" {
		return "another process"
	}
	return "another process, " + a.Holder
}

func statusRow(account string, r admin.Resource) []string {
	baseline := r.Baseline
	if r.BaselineLeft > 0 {
		baseline += fmt.Sprintf(", %d left", r.BaselineLeft)
	}
	if r.BaselineSecondsLeft > 0 {
		baseline += ", about " + about(time.Duration(r.BaselineSecondsLeft)*time.Second)
	}
	sweep := ""
	if r.Sweep != nil {
		sweep = r.Sweep.String()
	}
	tracked := strconv.Itoa(r.Tracked)
	if r.SetAsideCount > 0 {
		tracked += fmt.Sprintf(", %d set aside", r.SetAsideCount)
	}
	return []string{
		account, string(r.Name), baseline, tracked, r.Cursor.String(), r.LastPoll.String(),
		eventCounts(r.Events), sweep, r.LastError,
	}
}

// eventCounts is "created 3, updated 71".
func eventCounts(events map[schemas.Verb]int) string {
	var list []string
	for verb, n := range events {
		list = append(list, fmt.Sprintf("%s %d", verb, n))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
