package check

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// sweeps says of each account what its sweep has found gone and holds back, because it is too much at once.
func (r *Report) sweeps(ctx context.Context, s diff.Store, accounts []config.Account) {
	for i := range accounts {
		name := accounts[i].Name
		notes, err := bridge.SweepNotes(ctx, s, name)
		if err != nil {
			r.warn(name+": sweep", "what it holds back is not known: %s", err)
			continue
		}
		for _, resource := range slices.Sorted(maps.Keys(notes)) {
			held := notes[resource].Held
			if held == 0 {
				continue
			}
			of := ""
			if snap, err := s.Load(ctx, name, resource, nil); err == nil && snap.Tracked >= held {
				of = " of " + grouped(snap.Tracked)
			}
			r.bad(name+": sweep", "%s: %s%s records are gone at once, and nothing is told: find out why, then let it through with "+
				`"cliniko-bridge sweep --accept %s"`, resource, grouped(held), of, resource)
		}
	}
}

// grouped is a number as people read it: "10,412".
func grouped(n int) string {
	digits := strconv.Itoa(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
