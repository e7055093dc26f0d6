package check

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// maxSkew is how far our clock may be from the API's. A Date header is to the second.
const maxSkew = 5 * time.Second

// Requests is how often an account is asked at the most: one request for each resource, or two, and two to find out the
// edition and try the key; two more for each list that refuses something. Beside a bridge that uses all of its budget of
// 180, an account of the later edition may see a 429 from it,
// which both of them wait out.
const Requests = 42

// account tries the key of one account, and each of its resources.
func account(ctx context.Context, cfg *config.Config, a *config.Account, transport *http.Transport) Report {
	var out Report
	client, err := cliniko.New(bridge.ClientConfig(a), transport, nil)
	if err != nil {
		out.bad(a.Name, "%s", err)
		return out
	}
	c := &caller{client: client, name: a.Name, shard: cliniko.Secret(a.APIKey.Reveal()).Shard()}

	// Two requests tell whether to go on: with a wrong key, or no way to the API, all of them would end alike. The first
	// finds out the edition.
	edition := schemas.Edition(a.API)
	found, err := bridge.FindEdition(ctx, client)
	if hopeless(err) {
		out.bad(a.Name, "%s", c.explain(err))
		return out
	}
	if a.API == config.APIAuto {
		edition = found
	}
	specs := bridge.Specs(a, edition)
	if len(specs) == 0 {
		out.bad(a.Name, "none of its resources is a list that a bridge follows; name another one in resources")
		return out
	}
	first, _ := schemas.Lookup(edition, "businesses") // for an account that follows no list
	if i := slices.IndexFunc(specs, func(s schemas.Spec) bool { return s.Shape == schemas.Collection }); i >= 0 {
		first = specs[i]
	}
	list := first.Feeds[0]
	_, err = c.list(ctx, cliniko.Query{Path: list.Path, Key: list.Key, Stamp: list.Stamp, PerPage: 1})
	if hopeless(err) {
		out.bad(a.Name, "%s", c.explain(err))
		return out
	}
	tried := c.resources(ctx, specs)
	served := slices.DeleteFunc(slices.Clone(tried), func(f finding) bool { return !f.served })
	switch {
	case len(served) > 0 && found != "" && found != edition:
		out.warn(a.Name, "%s knows the key, of shard %s; it answers with the edition %s and is followed as %s: set api to auto, or to %s",
			client.BaseURL(), c.shard, found, edition, found)
	case len(served) > 0:
		out.ok(a.Name, "%s knows the key, of shard %s, and answers with the edition %s", client.BaseURL(), c.shard, edition)
	default:
		out.bad(a.Name, "%s answers, and gives none of the resources: see base_url, user_agent and the rights of the key's user",
			client.BaseURL())
	}
	out = append(out, c.clock()...)
	for _, f := range tried {
		out = append(out, f.row)
	}
	if len(served) > 0 && len(tried) == len(specs) {
		out = append(out, pace(a.Name, served, schedules(cfg), client.Budget().Stats().PerMinute)...)
	}
	return out
}

// A caller asks one account.
type caller struct {
	client      *cliniko.Client
	name, shard string
	date        time.Time // of the latest answer that had one
	at          time.Time // when that came, by our clock
}

func (c *caller) list(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	q.Lane = cliniko.LaneLive
	page, err := c.client.List(ctx, q)
	if err == nil && !page.Date.IsZero() {
		c.date, c.at = page.Date, time.Now()
	}
	return page, err
}

// clock compares our clock with the API's.
func (c *caller) clock() Report {
	var out Report
	what := c.name + ": clock"
	if c.date.IsZero() {
		out.warn(what, "no answer tells the time: ours cannot be compared")
		return out
	}
	skew, word := c.at.Sub(c.date), "ahead of"
	if skew < 0 {
		skew, word = -skew, "behind"
	}
	if skew > maxSkew {
		out.warn(what, "ours is %s %s the API's, and observed_at as much in error: let NTP set it", skew.Round(time.Second), word)
		return out
	}
	out.ok(what, "ours is within %s of the API's", maxSkew)
	return out
}

// hopeless says that other requests of the account would end alike: the answer is not about the list that was asked for.
func hopeless(err error) bool {
	var e *cliniko.Error
	if !errors.As(err, &e) {
		return err != nil // ctx has ended
	}
	switch e.Kind {
	case cliniko.Network, cliniko.Server, cliniko.RateLimited, cliniko.Unauthorized:
		return true
	default:
		return false
	}
}
