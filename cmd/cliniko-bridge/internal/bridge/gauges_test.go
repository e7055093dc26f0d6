package bridge

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// The budget of an account is shown by whoever follows it, and by nobody else: what is left and spent, and who waits in it.
func TestABudgetIsShownByWhoFollowsTheAccount(t *testing.T) {
	b := idleBridge(t, oneAccount)
	a := b.accounts[0]
	if got := budgetOf(t, b); got != "limit_requests 0, spent_requests{baseline} 0, spent_requests{earlier} 0, spent_requests{live} 0, "+
		"spent_requests{side} 0, spent_requests{sweep} 0" {
		t.Errorf("not followed: %s", got)
	}
	client, err := cliniko.New(ClientConfig(a.cfg), b.shared, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := poller.New(poller.Config{Account: a.cfg.Name, Log: zap.NewNop(), Metrics: b.metrics.poller})
	if err != nil {
		t.Fatal(err)
	}
	a.set(client, p, nil)
	for _, lane := range []cliniko.Lane{cliniko.LaneLive, cliniko.LaneLive, cliniko.LaneSide} {
		if err := client.Budget().Wait(t.Context(), lane); err != nil {
			t.Fatal(err)
		}
	}
	client.Budget().Pause(time.Now().Add(time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() { waited <- client.Budget().Wait(ctx, cliniko.LaneSweep) }()
	within(t, time.Minute, "the sweep waits", func() bool { return client.Budget().Stats().Waiting[cliniko.LaneSweep] == 1 })
	if got := budgetOf(t, b); got != "left_requests{default} 177, limit_requests 180, spent_requests{baseline} 0, spent_requests{earlier} 0, "+
		"spent_requests{live} 2, spent_requests{side} 1, spent_requests{sweep} 0, wait_seconds{default sweep}" {
		t.Errorf("followed: %s", got)
	}
	cancel()
	if err := <-waited; err == nil {
		t.Error("a request was granted in a pause")
	}
	a.set(nil, nil, nil)
	if got := budgetOf(t, b); strings.Contains(got, "default") {
		t.Errorf("followed by another: %s", got)
	}
}

// budgetOf are the budget's gauges in short, without the time that is waited.
func budgetOf(t *testing.T, b *Bridge) string {
	t.Helper()
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^cliniko_bridge_budget_(\w+)(?:\{(.*)\})? (.*)$`).FindAllStringSubmatch(string(scrape(t, b)), -1) {
		name := m[1]
		if m[2] != "" {
			name += "{" + strings.NewReplacer(`account="`, "", `lane="`, "", `"`, "", ",", " ").Replace(m[2]) + "}"
		}
		if m[1] != "wait_seconds" {
			name += " " + m[3]
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}
