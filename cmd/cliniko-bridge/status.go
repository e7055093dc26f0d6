package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// watchEvery is how often `status --watch` shows the status anew.
const watchEvery = 2 * time.Second

const (
	// fewAccounts is of how many accounts all resources are shown. Of more, those alone that need to be looked at.
	fewAccounts = 3
	// mostTroubled is how many of these are shown: if NATS is away, all need to be looked at.
	mostTroubled = 40
)

func newStatus(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what a running bridge is doing",
		Long: `status shows what a running bridge is doing: of each resource how far it has been read, what was told since the
bridge began, what the last sweep found, and what went wrong. Times are UTC; events are those since it began.

Of several accounts it shows a line each first, and of more than three then those resources alone that something is
wrong with; --account shows all of one.

With --watch it shows the status anew every two seconds until it is interrupted, which is exit status 0: on a
terminal in place of the one before, cut to its size, and in a pipe one after the other. A bridge that goes away is
said, and waited for.

With --ready the exit status alone says whether it is ready, and the reasons why not are printed: for a container's
health check.`,
		Example: `  cliniko-bridge status
  cliniko-bridge status --ready
  cliniko-bridge status --watch --account northside
  cliniko-bridge status --json --config bridge.yaml | jq '.accounts[].requests_last_minute'`,
		Args: cobra.NoArgs,
	}
	client := remoteFlags(e, cmd)
	account := cmd.Flags().String("account", "", "`NAME` of the account; default: all accounts")
	asJSON := cmd.Flags().Bool("json", false, "print what /status answers; default: a table")
	again := cmd.Flags().Bool("watch", false, "show it anew every two seconds, until interrupted; default: once")
	ready := cmd.Flags().Bool("ready", false, "ask only whether it is ready; no token is needed")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *ready && (*asJSON || *again) {
			return usageError{errors.New("--ready prints no status; leave out --json and --watch")}
		}
		c, err := client()
		if err != nil {
			return err
		}
		if *ready {
			return e.showReady(cmd.Context(), c)
		}
		v := statusView{env: e, account: *account, json: *asJSON, every: watchEvery}
		ctx := cmd.Context()
		if !*again {
			return remedy(ctx, v.once(ctx, c))
		}
		return remedy(ctx, v.watch(ctx, c))
	}
	return cmd
}

// showReady says whether the bridge is ready, or why it is not.
func (e *env) showReady(ctx context.Context, c *admin.Client) error {
	err := c.Ready(ctx)
	if no := (*admin.RefusedError)(nil); errors.As(err, &no) && no.Code == http.StatusServiceUnavailable {
		return fmt.Errorf("the bridge is not ready: %w", err)
	}
	if err == nil {
		say(e.stdout, "ready\n")
	}
	return remedy(ctx, err)
}

// A statusView is how somebody wants to see the status.
type statusView struct {
	*env
	account string // "": all
	json    bool
	every   time.Duration // that it is shown anew
}

func (v *statusView) once(ctx context.Context, c *admin.Client) error {
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	return v.show(v.stdout, s)
}

// watch shows the status again and again until ctx ends. The bridge has to be there at the beginning, and is waited for then.
func (v *statusView) watch(ctx context.Context, c *admin.Client) error {
	tick := time.NewTicker(v.every)
	defer tick.Stop()
	var last bytes.Buffer // what was shown
	gone := false
	for began := false; ; began = true {
		s, err := c.Status(ctx)
		columns, lines := v.screen() // anew: somebody may have drawn the window larger
		var no *admin.RefusedError
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && (!began || errors.As(err, &no)):
			return err
		case err != nil && lines > 0:
			note := fmt.Sprintf("%s; as it was, waiting\n", render.Line(err.Error()))
			err = render.Screen(v.stdout, columns, lines, note+last.String())
		case err != nil && !gone:
			say(v.stderr, "%s %s; waiting\n", schemas.FormatStamp(time.Now()), err)
			gone, err = true, nil
		case err != nil:
			err = nil
		default:
			if gone {
				say(v.stderr, "%s the bridge is back\n", schemas.FormatStamp(time.Now()))
				gone = false
			}
			last.Reset()
			if err := v.show(&last, s); err != nil {
				return err
			}
			if lines > 0 {
				err = render.Screen(v.stdout, columns, lines, last.String())
			} else {
				_, err = v.stdout.Write(last.Bytes())
			}
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// screen is the size of the terminal that is drawn upon; 0 lines if there is none.
func (v *statusView) screen() (columns, lines int) {
	f, ok := v.stdout.(*os.File)
	if !ok || v.style() == render.Plain || v.getenv("TERM") == "dumb" {
		return 0, 0
	}
	columns, lines, err := term.GetSize(int(f.Fd()))
	if err != nil || lines <= 0 {
		return 80, 24
	}
	return columns, lines
}

// show writes the status once.
func (v *statusView) show(w io.Writer, s admin.Status) error {
	if v.account != "" {
		i := slices.IndexFunc(s.Accounts, func(a admin.Account) bool { return a.Name == v.account })
		if i < 0 {
			return usageError{fmt.Errorf("the bridge has no account %s; it has %s", v.account, accountNames(s))}
		}
		s.Accounts = s.Accounts[i : i+1]
	}
	switch {
	case v.json:
		return printJSONOn(w, s)
	case len(s.Accounts) == 0:
		return errors.New("the bridge follows no account")
	case len(s.Accounts) == 1:
		return v.resources(w, s.Accounts, false)
	}
	many := len(s.Accounts) > fewAccounts
	if err := v.accounts(w, s.Accounts, many); err != nil {
		return err
	}
	return v.resources(w, s.Accounts, many)
}

// mostNames is how many names an error lists.
const mostNames = 10

func accountNames(s admin.Status) string {
	var names []string
	for _, a := range s.Accounts[:min(len(s.Accounts), mostNames)] {
		names = append(names, a.Name)
	}
	if more := len(s.Accounts) - mostNames; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

// accounts writes a line for each account, and what they come to together.
func (v *statusView) accounts(w io.Writer, accounts []admin.Account, many bool) error {
	header := []string{"account", "followed", "requests/min", "resources", "first look", "tracked", "events", "last poll", "trouble"}
	var rows [][]string
	var led, troubled, tracked, events int
	for _, a := range accounts {
		sum := summarize(a)
		rows = append(rows, sum.row(a))
		if a.Leader {
			led++
		}
		if sum.trouble > 0 {
			troubled++
		}
		tracked += sum.tracked
		events += sum.events
	}
	if err := render.Table(w, v.style(), header, rows); err != nil {
		return err
	}
	line := fmt.Sprintf("%d accounts, %d of them followed here: %d records tracked, %d events told, %d with trouble",
		len(accounts), led, tracked, events, troubled)
	if many {
		line += "; --account NAME shows the resources of one"
	}
	_, err := fmt.Fprintf(w, "%s\n\n", line)
	return err
}

// A summary is what the resources of an account come to together.
type summary struct {
	complete, tracked, events, trouble int
	lastPoll                           admin.Time
}

func summarize(a admin.Account) summary {
	var s summary
	for _, r := range a.Resources {
		if r.Baseline == admin.BaselineComplete {
			s.complete++
		}
		if inTrouble(r) {
			s.trouble++
		}
		s.tracked += r.Tracked
		for _, n := range r.Events {
			s.events += n
		}
		if r.LastPoll.After(s.lastPoll.Time) {
			s.lastPoll = r.LastPoll
		}
	}
	return s
}

func (s summary) row(a admin.Account) []string {
	if !a.Leader {
		return []string{a.Name, "by " + leader(a)}
	}
	look, trouble := "complete", ""
	if s.complete < len(a.Resources) {
		look = fmt.Sprintf("%d to go", len(a.Resources)-s.complete)
	}
	if s.trouble > 0 {
		trouble = fmt.Sprintf("%d resources", s.trouble)
	}
	if len(a.Resources) == 0 {
		look, trouble = "", "nothing is followed"
	}
	return []string{
		a.Name, "here", fmt.Sprintf("%d of %d", a.RequestsLastMinute, a.RequestsPerMinute), strconv.Itoa(len(a.Resources)), look,
		strconv.Itoa(s.tracked), strconv.Itoa(s.events), s.lastPoll.String(), trouble,
	}
}

// inTrouble tells whether somebody should look at a resource.
func inTrouble(r admin.Resource) bool {
	return r.LastError != "" || r.SetAsideCount > 0 || r.Sweep != nil && (r.Sweep.Held > 0 || r.Sweep.Trouble != "")
}

// resources writes a line for each resource, or only for those in trouble.
func (v *statusView) resources(w io.Writer, accounts []admin.Account, troubled bool) error {
	header := []string{"account", "resource", "baseline", "tracked", "cursor", "last poll", "events", "sweep", "last error"}
	var rows [][]string
	for _, a := range accounts {
		switch {
		case troubled:
		case !a.Leader:
			rows = append(rows, []string{a.Name, "", "led by " + leader(a)})
		case len(a.Resources) == 0:
			rows = append(rows, []string{a.Name, "", "nothing is followed"})
		}
		for _, r := range a.Resources {
			if !troubled || inTrouble(r) {
				rows = append(rows, statusRow(a.Name, r))
			}
		}
	}
	more := 0
	if troubled {
		more = max(0, len(rows)-mostTroubled)
		rows = rows[:len(rows)-more]
	}
	if len(rows) == 0 {
		return nil
	}
	if err := render.Table(w, v.style(), header, rows); err != nil || more == 0 {
		return err
	}
	_, err := fmt.Fprintf(w, "%d more resources with trouble\n", more)
	return err
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
