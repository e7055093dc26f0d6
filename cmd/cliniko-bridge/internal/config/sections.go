package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// config reads the whole file into c, which holds the defaults.
func (r *reader) config(c *Config, n *yaml.Node) {
	c.DataDir = filepath.Join(r.dir, defaultDataDir)
	subjectLine := n.Line
	r.section(
		n, "",
		key{name: "accounts", node: func(n *yaml.Node, path string) { c.Accounts = r.accounts(n, path) }},
		key{name: "resources", node: func(n *yaml.Node, path string) { r.resources(c.Resources, n, path) }},
		key{name: "baseline", scalar: set(r, &c.Baseline, oneOf(BaselineSilent, BaselinePublish))},
		key{name: "sweep", node: func(n *yaml.Node, path string) { r.sweep(&c.Sweep, n, path) }},
		key{name: "nats", node: func(n *yaml.Node, path string) { r.nats(&c.NATS, n, path) }},
		key{name: "state", node: func(n *yaml.Node, path string) { r.state(&c.State, n, path) }},
		key{name: "events", node: func(n *yaml.Node, path string) {
			r.section(n, path, key{name: "data", scalar: set(r, &c.Events.Data, oneOf(DataFull, DataThin))})
		}},
		key{name: "data_dir", scalar: func(v value) { c.DataDir = r.absolute(v.text) }},
		key{name: "admin", node: func(n *yaml.Node, path string) {
			r.section(
				n, path,
				key{name: "listen", scalar: set(r, &c.Admin.Listen, listen(defaultAdmin))},
				key{name: "token", secret: true, source: &c.Admin.TokenFile, scalar: set(r, &c.Admin.Token, parseToken)},
			)
			if fault := openToAll(c.Admin.Listen); fault != "" && !r.given(path+".token") && !r.given(path+".token_file") {
				r.fault(r.lines[path+".listen"], path+".listen", fault)
			}
		}},
	)
	if !r.given("accounts") && n.Kind == yaml.MappingNode {
		r.fault(n.Line, "accounts", "is missing; write one account at least: a list with api_key and user_agent")
	}
	if len(c.Accounts) > 1 && !hasAccount(c.NATS.Subject) {
		if line := r.lines["nats.subject"]; line > 0 {
			subjectLine = line
		}
		r.fault(subjectLine, "nats.subject", fmt.Sprintf("has no {account}, and there are %d accounts; "+
			"write one that tells them apart, such as cliniko.{account}.{resource}.{verb}", len(c.Accounts)))
	}
}

func (r *reader) accounts(n *yaml.Node, path string) []Account {
	var list []Account
	first := map[string]string{}    // name → path of the account that has it
	keyed := map[[2]string]string{} // key and address → path of the account that has them
	empty := r.list(n, path, func(n *yaml.Node, path string) {
		a, named := newAccount(), path+".name"
		r.account(&a, n, path)
		line := max(n.Line, r.lines[named])
		if other := first[a.Name]; other != "" && a.Name != "" {
			r.fault(line, named, fmt.Sprintf("%q is the name of %s already; give each account its own", a.Name, other))
		} else {
			first[a.Name] = path
		}
		r.oneKeyAnAccount(&a, n.Line, path, keyed)
		list = append(list, a)
	})
	if empty {
		r.fault(n.Line, path, "is empty; write one account at least: a list with api_key and user_agent")
	}
	return list
}

// oneKeyAnAccount refuses a key that an account in keyed has already, at the same address: every change would be told
// twice, and two budgets would be spent where Cliniko gives one.
func (r *reader) oneKeyAnAccount(a *Account, line int, path string, keyed map[[2]string]string) {
	id := [2]string{a.APIKey.Reveal(), a.BaseURL}
	other := keyed[id]
	switch {
	case a.APIKey.IsZero():
	case other == "":
		keyed[id] = path
	default:
		at := path + ".api_key"
		if r.given(at + "_file") {
			at += "_file"
		}
		r.fault(max(line, r.lines[at]), at, "is the key of "+other+" already; give each account its own")
	}
}

func (r *reader) account(a *Account, n *yaml.Node, path string) {
	a.Name = "" // and so it stays if it is given and wrong
	r.section(
		n, path,
		key{name: "name", scalar: set(r, &a.Name, parseAccountName)},
		key{name: "api_key", secret: true, source: &a.APIKeyFile, scalar: set(r, &a.APIKey, parseAPIKey)},
		key{name: "user_agent", scalar: set(r, &a.UserAgent, parseUserAgent)},
		key{name: "base_url", scalar: set(r, &a.BaseURL, parseBaseURL)},
		key{name: "api", scalar: set(r, &a.API, oneOf(APIAuto, API2017, API2025))},
		key{name: "requests_per_minute", scalar: set(r, &a.RequestsPerMinute, whole(1, 200))},
		key{name: "resources", node: func(n *yaml.Node, path string) { a.Resources = r.followed(n, path) }},
	)
	if !r.given(path + ".name") {
		a.Name = defaultAccount
	}
	if !r.given(path+".api_key") && !r.given(path+".api_key_file") {
		r.fault(n.Line, path+".api_key", "is missing; give it, or api_key_file")
	}
	if !r.given(path + ".user_agent") {
		r.fault(n.Line, path+".user_agent", "is missing; Cliniko asks for NAME (EMAIL), "+
			"such as Northside Bridge (ops@northside.example)")
	}
}

// followed reads the resources that an account is to follow.
func (r *reader) followed(n *yaml.Node, path string) []schemas.Resource {
	var list []schemas.Resource
	empty := r.list(n, path, func(n *yaml.Node, path string) {
		v, ok := r.scalar(n, path, false)
		if !ok {
			return
		}
		var resource schemas.Resource
		set(r, &resource, known(catalogue()))(v)
		if resource != "" && slices.Contains(list, resource) {
			r.fault(v.line, path, quote(v)+" is in the list already; take it out")
			return
		}
		list = append(list, resource)
	})
	if empty {
		r.fault(n.Line, path, "is empty; leave the key out to follow all")
	}
	return list
}

// resources reads what is set for single resources into all.
func (r *reader) resources(all map[schemas.Resource]Resource, n *yaml.Node, path string) {
	names := catalogue()
	keys := make([]key, len(names))
	for i, name := range names {
		keys[i] = key{name: name, node: func(n *yaml.Node, path string) {
			all[schemas.Resource(name)] = r.resource(name, n, path)
		}}
	}
	r.section(n, path, keys...)
}

func (r *reader) resource(name string, n *yaml.Node, path string) Resource {
	var out Resource
	keys := []key{{name: "schedule", scalar: set(r, &out.Schedule, parseSchedule)}}
	if name == availableTimes {
		out.Days = mostDays
		keys = append(keys, key{name: "days", scalar: set(r, &out.Days, whole(1, mostDays))})
	}
	r.section(n, path, keys...)
	return out
}

func (r *reader) sweep(s *Sweep, n *yaml.Node, path string) {
	r.section(
		n, path,
		key{name: "schedule", scalar: set(r, &s.Schedule, parseSchedule)},
		key{name: "confirm_after", scalar: set(r, &s.ConfirmAfter, atLeast(time.Second))},
		key{name: "limit", scalar: set(r, &s.Limit, parsePercent)},
	)
}

func (r *reader) nats(c *NATS, n *yaml.Node, path string) {
	r.section(
		n, path,
		key{name: "url", secret: true, scalar: set(r, &c.URL, parseNATSURL)},
		key{name: "listen", scalar: set(r, &c.Listen, listen(defaultListen))},
		key{name: "creds_file", holds: credentials, scalar: func(v value) { c.CredsFile = v.text }},
		key{name: "nkey_file", holds: seed, scalar: func(v value) { c.NKeyFile = v.text }},
		key{name: "tls", node: func(n *yaml.Node, path string) { r.tls(&c.TLS, n, path) }},
		key{name: "stream", scalar: set(r, &c.Stream, parseStream)},
		key{name: "subject", scalar: set(r, &c.Subject, parseSubject)},
		key{name: "max_age", scalar: set(r, &c.MaxAge, atLeast(time.Minute))},
		key{name: "replicas", scalar: set(r, &c.Replicas, whole(1, 5))},
	)
	embedded := !r.given(path+".url") && !r.given(path+".url_file")
	if !embedded {
		c.Listen = ""
	}
	if line := r.lines[path+".listen"]; line > 0 && !embedded {
		r.fault(line, path+".listen", "is the address of the embedded server, and with nats.url there is none; take it out")
	}
	for _, name := range []string{".creds_file", ".nkey_file", ".tls"} {
		if line := r.lines[path+name]; line > 0 && embedded {
			r.fault(line, path+name, "is for a server given by nats.url, and there is none; give that, or take it out")
		}
	}
	if line := r.lines[path+".nkey_file"]; line > 0 && r.given(path+".creds_file") {
		r.fault(line, path+".nkey_file", "is given beside "+path+".creds_file; keep one of them")
	}
	if embedded && c.Replicas > 1 {
		r.fault(r.lines[path+".replicas"], path+".replicas", "the embedded server is one; write 1, or give nats.url")
	}
}

func (r *reader) state(s *State, n *yaml.Node, path string) {
	r.section(
		n, path,
		key{name: "redis_url", secret: true, scalar: set(r, &s.RedisURL, parseRedisURL)},
		key{name: "tls", node: func(n *yaml.Node, path string) { r.tls(&s.TLS, n, path) }},
		key{name: "fingerprint_key", secret: true, scalar: set(r, &s.FingerprintKey, parseFingerprintKey)},
	)
	redis := r.given(path+".redis_url") || r.given(path+".redis_url_file")
	if redis && !r.given(path+".fingerprint_key") && !r.given(path+".fingerprint_key_file") {
		r.fault(n.Line, path+".fingerprint_key", "is missing; with redis_url it must be given, "+
			"the same to every bridge: openssl rand -hex 32 makes one")
	}
	if line := r.lines[path+".tls"]; line > 0 && !redis {
		r.fault(line, path+".tls", "is for a server given by state.redis_url, and there is none")
	} else if line > 0 && !s.RedisURL.IsZero() && !strings.HasPrefix(s.RedisURL.Reveal(), "rediss") {
		r.fault(line, path+".tls", "is for TLS, and state.redis_url is without; write rediss:// there")
	}
}
