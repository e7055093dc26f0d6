package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// manyAccounts is the status of n accounts with 40 resources each, of which every tenth account has one in trouble.
func manyAccounts(n int) admin.Status {
	var s admin.Status
	for i := range n {
		a := admin.Account{Name: fmt.Sprintf("account-%04d", i), Leader: i%2 == 0, RequestsPerMinute: 180, RequestsLastMinute: 100}
		for j := range 40 {
			r := admin.Resource{Name: schemas.Resource(fmt.Sprintf("resource_%02d", j)), Baseline: admin.BaselineComplete, Tracked: 10}
			if i%10 == 0 && j == 7 {
				r.LastError = "GET /resource_07: 503"
			}
			a.Resources = append(a.Resources, r)
		}
		s.Accounts = append(s.Accounts, a)
	}
	return s
}

// A thousand accounts are a line each, what they come to, and some of what is in trouble.
func TestTheStatusOfAThousandAccountsCanBeRead(t *testing.T) {
	var out bytes.Buffer
	v := statusView{env: &env{stdout: &out, getenv: func(string) string { return "" }}}
	if err := v.show(&out, manyAccounts(1000)); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if got := strings.Count(text, "\n"); got != 1+1000+2+1+mostTroubled+1 {
		t.Errorf("%d lines, want one an account, and %d in trouble:\n%s", got, mostTroubled, text)
	}
	for _, want := range []string{
		"\n1000 accounts, 500 of them followed here: 400000 records tracked, 0 events told, 100 with trouble; --account NAME shows the resources of one\n",
		"\naccount-0390  resource_07  complete", "\n60 more resources with trouble\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text[max(0, len(text)-2000):])
		}
	}
}

// A bridge that goes away while it is watched is said once, and so is that it is back; the end is no failure.
func TestAWatchedBridgeThatGoesAwayIsWaitedFor(t *testing.T) {
	var asked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	bridge := admin.New("127.0.0.1:0", admin.Deps{Status: func() admin.Status { return manyAccounts(1) }}).Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := asked.Add(1); {
		case n >= 3 && n <= 5:
			panic(http.ErrAbortHandler) // the connection breaks
		case n == 8:
			cancel()
		}
		bridge.ServeHTTP(w, r)
	}))
	defer server.Close()
	var stdout, stderr bytes.Buffer
	v := statusView{env: &env{stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}, every: time.Millisecond}
	if err := v.watch(ctx, admin.NewClient(server.Listener.Addr().String(), config.Secret{})); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], "; waiting") || !strings.HasSuffix(lines[1], " the bridge is back") {
		t.Errorf("it said %q", lines)
	}
	if got := strings.Count(stdout.String(), "account  "); got < 4 || got > 5 {
		t.Errorf("%d tables, want those of the answers", got)
	}
}
