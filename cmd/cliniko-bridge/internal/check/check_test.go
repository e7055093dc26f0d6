package check_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/check"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
)

func TestMain(m *testing.M) {
	redisstore.LogTo(zap.NewNop()) // as the command does
	os.Exit(m.Run())
}

// A setup is a configuration in the making: everything in it is well until a test says otherwise.
type setup struct {
	t     *testing.T
	api   *clinikotest.Server
	dir   string
	key   string // the account's API key
	more  string // of the account
	nats  string // the section, "" for an embedded server on a free port
	state string
	admin string
}

func newSetup(t *testing.T, opts clinikotest.Options) *setup {
	t.Helper()
	clinic := clinikotest.New(opts)
	clinic.Populate(clinikotest.Sizes{"patients": 250, "appointments": 120, "invoices": 10})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	return &setup{
		t: t, api: api, dir: filepath.Join(t.TempDir(), "data"), key: clinic.Key(),
		nats: `{listen: "127.0.0.1:0"}`, state: "{}", admin: "127.0.0.1:0",
	}
}

func (s *setup) config() *config.Config {
	s.t.Helper()
	text := fmt.Sprintf(`
accounts:
  - name: northside
    api_key: %q
    user_agent: "Northside Bridge (ops@northside.example)"
    base_url: %q
%s
data_dir: %q
nats: %s
state: %s
admin: {listen: %q}
`, s.key, s.api.URL, s.more, s.dir, s.nats, s.state, s.admin)
	path := filepath.Join(s.t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	cfg, err := config.Load(path, func(string) string { return "" })
	if err != nil {
		s.t.Fatal(err)
	}
	return cfg
}

// run runs the check. No row may ever show the key.
func (s *setup) run() check.Report {
	s.t.Helper()
	report := check.Run(s.t.Context(), s.config(), "bridge.yaml")
	for _, row := range report {
		if strings.Contains(fmt.Sprint(row), s.key) {
			s.t.Errorf("the key is in the row %q", row.What)
		}
	}
	return report
}

// wants fails the test unless report has a row of what in that state, whose detail has text.
func wants(t *testing.T, report check.Report, what, state, text string) {
	t.Helper()
	for _, row := range report {
		if row.What == what && row.State == state && strings.Contains(row.Detail, text) {
			return
		}
	}
	t.Errorf("no row %q is %s with %q; the report is\n%s", what, state, text, shown(report))
}

func shown(report check.Report) string {
	var b strings.Builder
	for _, row := range report {
		fmt.Fprintf(&b, "%s: %s: %s\n", row.What, row.State, row.Detail)
	}
	return b.String()
}

// Where everything is well, every row says so, nothing was made, and the verdict is one sentence.
func TestAllIsWell(t *testing.T) {
	s := newSetup(t, clinikotest.Options{})
	report := s.run()
	for _, row := range report {
		if row.State != render.OK {
			t.Errorf("%s is %s: %s", row.What, row.State, row.Detail)
		}
	}
	wants(t, report, "configuration", render.OK, "bridge.yaml: 1 account")
	wants(t, report, "northside", render.OK, s.api.URL)
	wants(t, report, "northside: clock", render.OK, "within 5s")
	wants(t, report, "northside: patients", render.OK, "250 records")
	wants(t, report, "northside: polling", render.OK, `59 of 180 requests a minute; the most often appointments by "@every 5s"`)
	wants(t, report, "northside", render.OK, "of shard au1, and answers with the edition 2017")
	wants(t, report, "northside: freshness", render.OK,
		"a change of appointments is read within 5s, of referral_sources within 24h0m0s; what a list hides, in three times as long")
	wants(t, report, "northside: baseline", render.OK, "273 requests, about 3 minutes") // 3 + 2 + 18 of one page, and a referral source for each patient
	wants(t, report, "NATS", render.OK, "`run` starts a server inside")
	wants(t, report, "store", render.OK, "`run` makes ")
	wants(t, report, "fingerprint key", render.OK, "`run` makes ")
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("data_dir was made, or cannot be looked at: %v", err)
	}
	if got, want := report.Verdict(), "All is well: `cliniko-bridge run` can start."; got != want || report.Wrong() != 0 {
		t.Errorf("the verdict is %q, %d wrong; want %q", got, report.Wrong(), want)
	}
	if n := len(s.api.Requests()); n > check.Requests {
		t.Errorf("%d requests were sent, want %d at most", n, check.Requests)
	}
}

// The report is a table with the verdict under it, in either style.
func TestWrite(t *testing.T) {
	report := check.Report{
		{What: "configuration", State: render.OK, Detail: "bridge.yaml: 1 account"},
		{What: "NATS", State: render.Wrong, Detail: "nobody answers"},
	}
	var b strings.Builder
	if err := report.Write(&b, render.Plain); err != nil {
		t.Fatal(err)
	}
	want := `what           state  detail
configuration  ok     bridge.yaml: 1 account
NATS           wrong  nobody answers

One thing is wrong: put it right before ` + "`cliniko-bridge run`.\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestVerdictCounts(t *testing.T) {
	for _, c := range []struct {
		states []string
		want   string
	}{
		{[]string{render.OK, render.Warning}, "Nothing is wrong; there is one warning."},
		{[]string{render.Warning, render.Warning}, "Nothing is wrong; there are 2 warnings."},
		{[]string{render.Wrong, render.Warning, render.Wrong}, "2 things are wrong: put them right before `cliniko-bridge run`."},
	} {
		var report check.Report
		for _, state := range c.states {
			report = append(report, check.Row{State: state})
		}
		if got := report.Verdict(); got != c.want {
			t.Errorf("%v: got %q, want %q", c.states, got, c.want)
		}
	}
}

// A check that is interrupted returns soon, whatever does not answer.
func TestInterrupted(t *testing.T) {
	s := newSetup(t, clinikotest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	s.api.Inject(clinikotest.Rule{Fault: clinikotest.Drift(func(*clinikotest.Clinic) { cancel() })})
	s.api.Inject(clinikotest.Rule{Fault: clinikotest.Slow(time.Hour)})
	cfg := s.config()
	began := time.Now()
	check.Run(ctx, cfg, "bridge.yaml")
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it returned after %s", d)
	}
}
