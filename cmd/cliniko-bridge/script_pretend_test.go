package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A pretender stands for a bridge behind the server for operators. Its status is the first of states until it grants a
// wish. Then each look sees the next one, and the last for ever.
type pretender struct {
	ts  *testscript.TestScript
	log string // the file that has a line for each wish, and one for each look after it

	mu     sync.Mutex // guards states and asked
	states []admin.Status
	asked  bool
}

// startPretender starts a pretender with the states in the files that are named. It writes asked.txt. With REFUSE in the
// environment of the script it grants nothing and says that; WAITS is why it is not ready, and TOKEN its admin.token.
func startPretender(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) == 0, "pretend STATUS...")
	p := &pretender{ts: ts, log: ts.MkAbs("asked.txt")}
	for _, file := range args {
		var s admin.Status
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(file)), &s))
		p.states = append(p.states, s)
	}
	ts.Check(os.WriteFile(p.log, nil, 0o600))
	refuse := error(nil)
	if why := ts.Getenv("REFUSE"); why != "" {
		refuse = errors.New(why)
	}
	deps := admin.Deps{
		Status: p.status,
		Sweep: func(account string, resources []schemas.Resource, accept bool) error {
			p.note("sweep %q %q accept %t", account, resources, accept)
			return refuse
		},
		Baseline: func(account string, resource schemas.Resource) error {
			p.note("baseline %q %q", account, resource)
			return refuse
		},
	}
	if why := ts.Getenv("WAITS"); why != "" {
		deps.Ready = func(context.Context) []string { return []string{why} }
	}
	if token := ts.Getenv("TOKEN"); token != "" {
		deps.Token = func() config.Secret { return config.NewSecret(token) }
	}
	server := httptest.NewServer(admin.New("127.0.0.1:0", deps).Handler())
	ts.Defer(server.Close)
	ts.Setenv("ADMIN_LISTEN", server.Listener.Addr().String())
}

func (p *pretender) status() admin.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.asked {
		return p.states[0]
	}
	if len(p.states) > 1 {
		p.states = p.states[1:]
	}
	p.write("look\n")
	return p.states[0]
}

func (p *pretender) note(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = true
	p.write(fmt.Sprintf(format, args...) + "\n")
}

func (p *pretender) write(line string) {
	f, err := os.OpenFile(p.log, os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(line)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		p.ts.Logf("%s: %v", p.log, err)
	}
}
