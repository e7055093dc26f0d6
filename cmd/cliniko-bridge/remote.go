package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// How the commands that speak with a running bridge follow what it does.
const (
	lookEvery = 500 * time.Millisecond
	// patience is how long a bridge may be silent, as while it is restarted.
	patience = 30 * time.Second
)

// remoteFlags adds to cmd the flags that say where the bridge is, and returns what makes its client.
func remoteFlags(e *env, cmd *cobra.Command) func() (*admin.Client, error) {
	load := configFlag(e, cmd)
	addr := cmd.Flags().String("admin", "", "`ADDRESS` of the bridge, host:port; default: admin.listen of the configuration")
	return func() (*admin.Client, error) {
		if !cmd.Flags().Changed("config") {
			load = func() (*config.Config, error) { return config.Places(e.getenv) } // to ask, no account is needed
		}
		cfg, err := load()
		if err != nil {
			return nil, err
		}
		listen, origin := cfg.Admin.Listen, "admin.listen"
		if *addr != "" {
			listen, origin = *addr, "--admin"
		}
		dial, err := admin.DialAddr(listen)
		if err != nil {
			return nil, usageError{fmt.Errorf("%s: %w; --admin says where the bridge is", origin, err)}
		}
		return admin.NewClient(dial, cfg.Admin.Token), nil
	}
}

func accountFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("account", "", "`NAME` of the account; default: every account that the bridge leads")
}

// parseResources checks the names, and leaves out what is named again.
func parseResources(names []string) ([]schemas.Resource, error) {
	var list []schemas.Resource
	seen := make(map[string]bool)
	for _, name := range names {
		resource, err := config.ParseResource(name)
		if err != nil {
			return nil, usageError{fmt.Errorf("%q %w", name, err)}
		}
		if !seen[name] {
			list = append(list, resource)
		}
		seen[name] = true
	}
	return list, nil
}

// remedy adds to an error of the client what to do about it.
func remedy(ctx context.Context, err error) error {
	var no *admin.RefusedError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case errors.Is(err, admin.ErrNoBridge):
		return fmt.Errorf("%w: start one with `cliniko-bridge run`, or say with --admin where it listens", err)
	case errors.As(err, &no) && no.Code == http.StatusNotFound:
		return usageError{err}
	case errors.As(err, &no) && no.Code == http.StatusUnauthorized:
		return errors.New("the bridge wants its admin.token: name its configuration with --config, or set ADMIN_TOKEN")
	}
	return err
}

// watch looks at the status of a bridge twice a second, until seen says that it has seen enough. Its error is that of ctx,
// or of a bridge that has not answered for half a minute.
func watch(ctx context.Context, status func(context.Context) (admin.Status, error), seen func(admin.Status) bool) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	answered := time.Now()
	for {
		s, err := status(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && seen(s):
			return nil
		case err == nil:
			answered = time.Now()
		case time.Since(answered) > patience:
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// bars are drawn on stderr, so that stdout has the result alone; nil if that is no terminal.
func (e *env) bars() *render.Bars {
	f, ok := e.stderr.(*os.File)
	if style := render.StyleOf(isTerminal(e.stderr), e.getenv); ok && style != render.Plain && e.getenv("TERM") != "dumb" {
		columns, lines, err := term.GetSize(int(f.Fd()))
		if err != nil {
			columns, lines = 0, 0
		}
		return render.NewBars(f, style, columns, lines)
	}
	return nil
}

// A target is one resource of one account that a command follows.
type target struct {
	account  string
	resource schemas.Resource
}

// targets are the resources in s that a wish for account, "" for all that are led, is about.
func targets(s admin.Status, account string, of func(admin.Resource) bool) []target {
	var list []target
	for _, a := range s.Accounts {
		if !a.Leader || account != "" && a.Name != account {
			continue
		}
		for _, r := range a.Resources {
			if of(r) {
				list = append(list, target{a.Name, r.Name})
			}
		}
	}
	return list
}

// name is how t is called beside the others of list: with its account if they are of several.
func (t target) name(list []target) string {
	if list[0].account != list[len(list)-1].account { // those of an account stand together
		return t.account + "/" + string(t.resource)
	}
	return string(t.resource)
}

// find returns what s says of t, and whether it says anything: not if its account is not led any more.
func (t target) find(s admin.Status) (admin.Resource, bool) {
	for _, a := range s.Accounts {
		if a.Name != t.account {
			continue
		}
		for _, r := range a.Resources {
			if r.Name == t.resource {
				return r, true
			}
		}
	}
	return admin.Resource{}, false
}

// others says which accounts the bridge does not lead, and so was not asked about.
func (e *env) others(s admin.Status, account string) {
	for _, a := range s.Accounts {
		if !a.Leader && account == "" {
			say(e.stderr, "account %s is led by %s: ask that one\n", a.Name, leader(a))
		}
	}
}

// notLed is what is the matter with a target that is not found any more.
const notLed = "the account is not led by this process any more"
