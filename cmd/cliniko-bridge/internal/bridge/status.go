package bridge

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/filestore"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Status is what /status shows.
func (b *Bridge) Status() admin.Status {
	var s admin.Status
	posts := b.posts()
	for i, a := range b.accounts {
		out := admin.Account{Name: a.cfg.Name, RequestsPerMinute: a.cfg.RequestsPerMinute, Holder: posts[i].Holder}
		client, p := a.running()
		if p != nil {
			out.Leader = true
			stats := client.Budget().Stats()
			out.RequestsPerMinute = stats.PerMinute
			out.RequestsLastMinute = stats.Total()
			for _, r := range p.Status() {
				aside := a.setAside(r.Resource)
				out.Resources = append(out.Resources, admin.Resource{
					Name: r.Resource, Baseline: r.Baseline, Tracked: r.Tracked, Cursor: admin.Time{Time: r.Cursor},
					LastPoll: admin.Time{Time: r.LastPoll}, NextPoll: admin.Time{Time: r.NextPoll},
					LastError: r.LastError, Notes: r.Notes, Events: r.Events, Sweep: sweepOf(r.Sweep),
					SetAsideCount: aside.Count, SetAside: aside.Newest,
					BaselineLeft: max(r.Remaining, 0), BaselineSecondsLeft: max(int(r.TimeLeft/time.Second), 0),
				})
			}
		}
		s.Accounts = append(s.Accounts, out)
	}
	return s
}

// setAside is what the account's differ has set aside, nothing if there is none.
func (a *account) setAside(resource schemas.Resource) diff.Asides {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.differ == nil {
		return diff.Asides{}
	}
	return a.differ.SetAside(resource)
}

func sweepOf(s *poller.SweepStatus) *admin.Sweep {
	if s == nil {
		return nil
	}
	return &admin.Sweep{
		Running: s.Running, Last: admin.Time{Time: s.Last}, Deleted: s.Deleted, Missed: s.Missed, Held: s.Held, Trouble: s.Trouble,
	}
}

// Ready returns one sentence for each reason why the bridge does not do its work: it has not come through its start,
// NATS or the store does not answer or refuses what it is given, or an account that is its share is not followed. What is
// another bridge's share is that one's to follow.
func (b *Bridge) Ready(ctx context.Context) []string {
	ours, accounts := b.reasons(ctx)
	return append(ours, accounts...)
}

// reasons are those of the process and its servers, and those of accounts.
func (b *Bridge) reasons(ctx context.Context) (ours, accounts []string) {
	b.mu.Lock()
	waiting := b.waiting
	b.mu.Unlock()
	if waiting != "" {
		return []string{waiting}, nil
	}
	var reasons []string
	if !b.nats.IsConnected() {
		reason := "NATS is not connected"
		if err := b.nats.LastError(); err != nil { // what nats.go says of TLS after the start, it says here alone
			reason += ": " + err.Error()
		}
		reasons = append(reasons, reason)
	}
	reasons = append(reasons, b.stream.troubles.reasons()...)
	refused := b.store.troubles.reasons()
	if err := b.store.Ping(ctx); err != nil && len(refused) == 0 {
		refused = []string{cmp.Or(redisstore.Refusal(err), "the store does not answer")}
	}
	if file, ok := b.store.Store.(*filestore.Store); ok {
		if err := file.Unwritten(); err != nil {
			refused = []string{fmt.Sprintf("data_dir cannot be written to; it goes on when there is room: %s", err)}
		}
	}
	return append(reasons, refused...), b.standing()
}

// standing says of each account that is this bridge's share why it is not followed, if it is not.
func (b *Bridge) standing() (reasons []string) {
	posts := b.posts()
	for i, a := range b.accounts {
		switch trouble := a.troubled(); {
		case trouble != "":
			reasons = append(reasons, fmt.Sprintf("account %s: %s", a.cfg.Name, trouble))
		case a.leads() || !posts[i].Mine:
		case posts[i].Holder == "" || posts[i].Holder == b.holder:
			reasons = append(reasons, fmt.Sprintf("the lease of account %s is not held", a.cfg.Name))
		default:
			reasons = append(reasons, fmt.Sprintf("the lease of account %s is held by %s", a.cfg.Name, posts[i].Holder))
		}
	}
	return reasons
}

// posts are how the accounts stand among the bridges that share them, in their order.
func (b *Bridge) posts() []diff.Post {
	if !b.opened.Load() {
		return make([]diff.Post, len(b.accounts))
	}
	return b.replica.Posts()
}

func (a *account) leads() bool {
	_, p := a.running()
	return p != nil
}

func (a *account) troubled() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trouble
}
