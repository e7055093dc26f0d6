package check

import (
	"context"
	"maps"
	"slices"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// setAside says of each account how many records the last bridge could not handle, and which was the newest.
func (r *Report) setAside(ctx context.Context, s diff.Store, accounts []config.Account) {
	for i := range accounts {
		name := accounts[i].Name
		all, err := diff.ReadAsides(ctx, s, name)
		if err != nil {
			r.warn(name+": set aside", "which records cannot be handled is not known: %s", err)
			continue
		}
		for _, resource := range slices.Sorted(maps.Keys(all)) {
			r.warn(name+": set aside", "%s: %s cannot be handled, and nothing is told of them until they change; the newest: %s",
				resource, count(all[resource].Count, "record"), all[resource].Newest[0])
		}
	}
}
