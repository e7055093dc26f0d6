package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func newSweep(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sweep [RESOURCE...]",
		Short: "Look for what is gone or was missed, now",
		Long: `sweep has a running bridge look for records that are gone, and for changes that it was never shown, in the
resources that are named or in all; what it finds it publishes. It follows until that is done, and prints what was
found. Interrupted, it stops following; the bridge goes on.

If too many records of a resource are gone at once (sweep.limit), nothing is told of them: a key that may see less
looks the same. They are held until an operator who knows why accepts it. The exit status is 1 if anything is held
or could not be searched.`,
		Example: `  cliniko-bridge sweep
  cliniko-bridge sweep patients appointments --config bridge.yaml
  cliniko-bridge sweep --accept patients`,
	}
	client := remoteFlags(e, cmd)
	account := accountFlag(cmd)
	accepted := cmd.Flags().StringArray("accept", nil, "sweep this `RESOURCE` alone, and tell all that is gone of it, this once; may be repeated")
	asJSON := cmd.Flags().Bool("json", false, "print the result as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		names := args
		if len(*accepted) > 0 {
			for _, name := range args {
				if !slices.Contains(*accepted, name) {
					return usageError{fmt.Errorf("%s is not accepted: sweep it by itself, or name it with --accept too", name)}
				}
			}
			names = *accepted
		}
		resources, err := parseResources(names)
		if err != nil {
			return err
		}
		c, err := client()
		if err != nil {
			return err
		}
		ctx := cmd.Context()
		if err := c.Sweep(ctx, *account, resources, len(*accepted) > 0); err != nil {
			return remedy(ctx, err)
		}
		list, err := e.followSweep(ctx, c, *account, resources)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printSweeps(e, list)
		} else {
			err = tableSweeps(e, list)
		}
		if err != nil {
			return err
		}
		return e.advise(list, *account)
	}
	return cmd
}

// swept is how the sweep of a target went, or goes.
type swept struct {
	target
	name string // as it is called beside the others
	admin.Sweep
}

func (s swept) wrong() bool { return s.Held > 0 || s.Trouble != "" }

// followSweep shows how the sweep of resources goes on, all that have one if there are none, until it is done.
func (e *env) followSweep(ctx context.Context, c *admin.Client, account string, resources []schemas.Resource) ([]swept, error) {
	bars := e.bars()
	var list []target
	var found []swept
	var last admin.Status
	err := watch(ctx, c.Status, func(s admin.Status) bool {
		last = s
		if list == nil {
			list = targets(s, account, func(r admin.Resource) bool {
				return slices.Contains(resources, r.Name) || resources == nil && sweptSoFar(r.Sweep)
			})
		}
		found = sweepsOf(s, list)
		running := false
		for _, sw := range found {
			running = running || sw.Running
			bars.Set(sw.name, render.Bar{Text: sw.name + ": " + sw.String(), Ended: !sw.Running, Wrong: sw.wrong()})
		}
		return !running
	})
	bars.Close()
	e.others(last, account)
	switch {
	case ctx.Err() != nil:
		say(e.stderr, "not followed any more; the sweep goes on in the bridge, and `cliniko-bridge status` shows it\n")
		return nil, errSaid
	case err != nil:
		return nil, fmt.Errorf("the sweep cannot be followed any more: %w", err)
	case len(found) == 0:
		return nil, errors.New("nothing is swept; `cliniko-bridge status` shows what the bridge leads")
	}
	return found, nil
}

// sweptSoFar says that a sweep runs or has been. What is walked parent by parent has none until its first walk has
// ended: each walk is its sweep, and nobody can ask for one.
func sweptSoFar(s *admin.Sweep) bool {
	return s != nil && (s.Running || s.Held > 0 || s.Trouble != "" || !s.Last.IsZero())
}

// sweepsOf is what s says of the targets' sweeps.
func sweepsOf(s admin.Status, list []target) []swept {
	found := make([]swept, len(list))
	for i, t := range list {
		found[i].target, found[i].name = t, t.name(list)
		r, ok := t.find(s)
		if r.Sweep != nil {
			found[i].Sweep = *r.Sweep
		}
		switch sw := &found[i]; {
		case !ok:
			sw.Trouble = notLed
		case !sw.Running && sw.Last.IsZero() && !sw.wrong():
			sw.Trouble = "it was not done: was the bridge restarted?"
		}
	}
	return found
}

func tableSweeps(e *env, list []swept) error {
	header := []string{"resource", "deleted", "missed", "held", "trouble"}
	rows := make([][]string, len(list))
	for i, s := range list {
		rows[i] = []string{s.name, strconv.Itoa(s.Deleted), strconv.Itoa(s.Missed), strconv.Itoa(s.Held), s.Trouble}
	}
	return render.Table(e.stdout, e.style(), header, rows)
}

// printSweeps is for programs.
func printSweeps(e *env, list []swept) error {
	type row struct {
		Account  string           `json:"account"`
		Resource schemas.Resource `json:"resource"`
		Deleted  int              `json:"deleted"`
		Missed   int              `json:"missed"`
		Held     int              `json:"held"`
		Trouble  string           `json:"trouble"`
	}
	rows := make([]row, len(list))
	for i, s := range list {
		rows[i] = row{s.account, s.resource, s.Deleted, s.Missed, s.Held, s.Trouble}
	}
	return e.printJSON(map[string]any{"sweeps": rows})
}

// printJSON writes v on stdout, for programs and for whoever looks at what they get.
func (e *env) printJSON(v any) error { return printJSONOn(e.stdout, v) }

func printJSONOn(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// advise says what to do about what is held or in trouble, and returns errSaid if anything is. account is that of the flag.
func (e *env) advise(list []swept, account string) error {
	held := make(map[string]string) // account → flags that accept what is held of it
	var accounts []string
	trouble := false
	for _, s := range list {
		trouble = trouble || s.Trouble != ""
		if s.Held == 0 {
			continue
		}
		if held[s.account] == "" {
			accounts = append(accounts, s.account)
		}
		held[s.account] += " --accept " + string(s.resource)
	}
	for _, name := range accounts {
		flags := held[name]
		if account != "" || len(accounts) > 1 {
			flags += " --account " + name
		}
		say(e.stderr, "More than sweep.limit is gone, so nothing was told of what is held; once it is known why: `cliniko-bridge sweep%s`\n", flags)
	}
	if trouble {
		say(e.stderr, "What is in trouble was not searched to its end; the bridge's log says more, and the next sweep tries again\n")
	}
	if trouble || len(accounts) > 0 {
		return errSaid
	}
	return nil
}
