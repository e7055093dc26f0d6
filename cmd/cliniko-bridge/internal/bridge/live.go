package bridge

import (
	"context"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/live"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// A liveSource is the bridge as the operators' page asks it.
type liveSource struct{ b *Bridge }

// Live is what the page's feed asks. It may be asked at any time.
func (b *Bridge) Live() live.Source { return liveSource{b} }

// OnTold has f called with the events of each page once they are committed, of all accounts, by several goroutines at once. f
// must not block. It is called before Run, once.
func (b *Bridge) OnTold(f func([]diff.Told)) { b.told = f }

// Holder names this process, as host/pid/mark.
func (b *Bridge) Holder() string { return b.holder }

// Each is live.Source's.
func (s liveSource) Each(f func(live.Account)) {
	posts := s.b.posts()
	for i, a := range s.b.accounts {
		f(a.live(posts[i]))
	}
}

// Account is live.Source's.
func (s liveSource) Account(name string) (live.Account, bool) {
	for i, a := range s.b.accounts {
		if a.cfg.Name == name {
			return a.live(s.b.posts()[i]), true
		}
	}
	return live.Account{}, false
}

// Reasons is live.Source's.
func (s liveSource) Reasons(ctx context.Context) (ours, accounts []string) { return s.b.reasons(ctx) }

// Spent is live.Source's.
func (s liveSource) Spent(from, until time.Time) map[string]int {
	spent := make(map[string]int)
	for _, a := range s.b.accounts {
		client, _ := a.running()
		if client == nil {
			continue
		}
		for lane, n := range client.Budget().SpentBetween(from, until) {
			spent[cliniko.Lane(lane).String()] += n
		}
	}
	return spent
}

func (a *account) live(post diff.Post) live.Account {
	out := live.Account{
		Name: a.cfg.Name, PerMinute: a.cfg.RequestsPerMinute, Starting: !a.b.opened.Load(),
		Ours: post.Mine, Holder: post.Holder, Us: post.Holder == a.b.holder, Trouble: a.troubled(),
	}
	client, p := a.running()
	if p == nil {
		return out
	}
	out.Followed, out.Budget = true, client.Budget().Stats()
	list := p.Status()
	out.Resources = make([]live.Resource, len(list))
	for i := range list {
		out.Resources[i] = live.Resource{Status: list[i], Aside: a.setAside(list[i].Resource)}
	}
	return out
}
