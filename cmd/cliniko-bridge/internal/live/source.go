package live

import (
	"context"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// A Source is the bridge, as the feed asks it. Its methods are called by several goroutines at once, and but for Reasons they
// must not wait for anything.
type Source interface {
	// Each calls f with every account of the configuration, one after the other.
	Each(f func(Account))
	// Account is one of them; false if there is none of that name.
	Account(name string) (Account, bool)
	// Reasons say in a sentence each why the bridge is not ready: ours what is the matter with the process and its servers,
	// accounts what is with single accounts. It may wait until ctx ends.
	Reasons(ctx context.Context) (ours, accounts []string)
	// Spent is how many requests all accounts sent from a time on until before another, by lane. Both are our clock, and lie
	// within the last minute.
	Spent(from, until time.Time) map[string]int
}

// An Account is what the bridge tells of one account.
type Account struct {
	Name      string
	PerMinute int // the budget of the configuration
	// Starting says that the process has not come through its start: nothing else is known then.
	Starting bool
	// Ours says that the account is this process's share, Holder who has its lease, "" if nobody or if it is not known, and
	// Us that this is us.
	Ours, Us bool
	Holder   string
	// Trouble is why the account cannot be followed although its lease is held, "" if nothing is the matter.
	Trouble string
	// Followed says that this process follows the account. Budget and Resources are zero if not.
	Followed  bool
	Budget    cliniko.Stats
	Resources []Resource
}

// A Resource is what the bridge tells of one resource.
type Resource struct {
	poller.Status
	Aside diff.Asides
}
