package bridge

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
)

var update = flag.Bool("update", false, "rewrite the table in deploy/metrics.md")

const oneAccount = "accounts:\n  - {api_key: nobodys-au1, user_agent: \"Test (ops@clinic.example)\"}\n"

const deploy = "../../../../deploy/"

// Every metric of the bridge stands in deploy/metrics.md as it is: with its type, its labels and its help text, and no other does.
//
//	go test ./cmd/cliniko-bridge/internal/bridge -run TestEveryMetricIsDocumented -update
func TestEveryMetricIsDocumented(t *testing.T) {
	var table strings.Builder
	table.WriteString("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n")
	all := documented(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m := all[name]
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", name, m.kind, strings.Join(m.labels, ", "), m.help)
	}
	const path, begin, end = deploy + "metrics.md", "<!-- made by the test that holds this table to the program -->\n", "<!-- end -->\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	was, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the table", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+table.String()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if was != table.String() {
		t.Errorf("%s is not what the program has; run this test with -update. It has\n%s\nwant\n%s", path, was, table.String())
	}
}

// What a running bridge shows has the types and labels that are documented, and passes the lint of Prometheus.
func TestWhatIsScrapedIsAsDocumented(t *testing.T) {
	s, js := small(t)
	s.id = s.clinic.Create("patients")
	if told := s.told(t, js, 1); len(told) != 1 {
		t.Fatalf("told %v", told)
	}
	var body []byte
	within(t, time.Minute, "the event is counted", func() bool {
		body = scrape(t, s.bridge)
		return bytes.Contains(body, []byte(`cliniko_bridge_detection_delay_seconds_count{resource="patients"} 1`))
	})
	for _, want := range []string{
		"cliniko_bridge_ready 1", "cliniko_bridge_nats_connected 1", "cliniko_bridge_store_reachable 1",
		`cliniko_bridge_account_followed{account="default"} 1`, `cliniko_bridge_account_overdue_seconds{account="default"}`,
		"cliniko_bridge_accounts 1", "cliniko_bridge_accounts_assigned 1", "cliniko_bridge_budget_limit_requests 180",
		`cliniko_bridge_tracked_records{resource="patients"} 21`, `cliniko_bridge_missed_total{resource="patients"} 0`,
		`cliniko_bridge_publish_acks_total{result="stored"} 1`, `cliniko_bridge_baselines{state="complete"} 3`,
	} {
		if !bytes.Contains(body, []byte("\n"+want)) {
			t.Errorf("no %s", want)
		}
	}
	all := documented(t)
	for line := range strings.Lines(string(body)) {
		if kind, is := strings.CutPrefix(line, "# TYPE cliniko_bridge_"); is {
			name, kind, _ := strings.Cut(strings.TrimSpace(kind), " ")
			if got := all["cliniko_bridge_"+name].kind; got != kind {
				t.Errorf("%s is a %s, and documented as %q", name, kind, got)
			}
		}
		series := regexp.MustCompile(`^(cliniko_bridge_\w+)(?:\{(.*)\})? `).FindStringSubmatch(line)
		if series == nil {
			continue
		}
		m := metricOf(all, series[1])
		for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(series[2], -1) {
			if !slices.Contains(m.labels, label[1]) && (label[1] != "le" || m.kind != "histogram") {
				t.Errorf("%s has the label %s, which is not documented", series[1], label[1])
			}
		}
	}
	check := exec.CommandContext(t.Context(), promtool(t), "check", "metrics")
	check.Stdin = bytes.NewReader(body)
	if out, err := check.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// A bridge that has not come through its start, or has ended, says so, and a scrape does not wait.
func TestABridgeThatDoesNotRunIsNotReady(t *testing.T) {
	body := scrape(t, idleBridge(t, oneAccount))
	for _, want := range []string{
		"cliniko_bridge_ready 0", "cliniko_bridge_store_reachable 0", "cliniko_bridge_accounts_assigned 0",
		`cliniko_bridge_account_followed{account="default"} 0`,
	} {
		if !bytes.Contains(body, []byte("\n"+want+"\n")) {
			t.Errorf("no %s", want)
		}
	}
}

// What the alerts and the dashboard ask for is there, with the labels that they use.
func TestTheRulesAndTheDashboardAskForWhatThereIs(t *testing.T) {
	all := documented(t)
	var (
		name     = regexp.MustCompile(`cliniko_bridge_\w+`)
		selector = regexp.MustCompile(`(cliniko_bridge_\w+)\{([^}]*)\}`)
		matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
		grouping = regexp.MustCompile(`\b(?:by|on) ?\(([^)]*)\)`)
		values   = regexp.MustCompile(`label_values\((cliniko_bridge_\w+), (\w+)\)`)
		legend   = regexp.MustCompile(`\{\{(\w+)\}\}`)
	)
	for _, file := range []string{"prometheus/alerts.yml", "grafana/cliniko-bridge.json"} {
		asked := queriesOf(t, deploy+file)
		if len(asked) < 15 {
			t.Errorf("%s asks for %d things", file, len(asked))
		}
		for _, q := range asked {
			var labels []string // of all metrics in it
			for _, series := range name.FindAllString(q.expr, -1) {
				m := metricOf(all, series)
				if m.kind == "" {
					t.Errorf("%s: there is no %s", file, series)
				}
				labels = append(labels, m.labels...)
			}
			check := func(m metric, label string) {
				if !known(m, label) {
					t.Errorf("%s: nobody has the label %s in %s", file, label, q.expr)
				}
			}
			for _, s := range selector.FindAllStringSubmatch(q.expr, -1) {
				for _, label := range matcher.FindAllStringSubmatch(s[2], -1) {
					check(metricOf(all, s[1]), label[1])
				}
			}
			for _, v := range values.FindAllStringSubmatch(q.expr, -1) {
				check(metricOf(all, v[1]), v[2])
			}
			for _, by := range grouping.FindAllStringSubmatch(q.expr, -1) {
				for label := range strings.SplitSeq(by[1], ",") {
					check(metric{labels: labels}, strings.TrimSpace(label))
				}
			}
			for _, l := range legend.FindAllStringSubmatch(q.legend, -1) {
				check(metric{labels: labels}, l[1])
			}
		}
	}
}

// A query is an expression and the labels' names under which its series are shown.
type query struct{ expr, legend string }

// queriesOf are all expressions in a file of YAML, which JSON is, too.
func queriesOf(t *testing.T, path string) (all []query) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	var walk func(node any)
	walk = func(node any) {
		switch n := node.(type) {
		case []any:
			for _, part := range n {
				walk(part)
			}
		case map[string]any:
			for _, key := range []string{"expr", "definition"} {
				if expr, ok := n[key].(string); ok {
					legend, _ := n["legendFormat"].(string)
					all = append(all, query{expr, legend})
				}
			}
			for _, part := range n {
				walk(part)
			}
		}
	}
	walk(tree)
	return all
}

// known says that m has the label, or that Prometheus adds it.
func known(m metric, label string) bool {
	return slices.Contains(m.labels, label) || slices.Contains([]string{"job", "instance", "le"}, label)
}

// A metric is what is documented of it.
type metric struct {
	kind   string
	labels []string
	help   string
}

// metricOf is the metric of a series: that of a histogram has a suffix. Its kind is "" if there is none.
func metricOf(all map[string]metric, series string) metric {
	if m, ok := all[series]; ok {
		return m
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if m := all[strings.TrimSuffix(series, suffix)]; m.kind == "histogram" {
			return m
		}
	}
	return metric{}
}

// documented are the bridge's own metrics, by name, out of its registry.
func documented(t *testing.T) map[string]metric {
	t.Helper()
	kinds := make(kindsOf)
	poller.NewMetrics(kinds)
	diff.NewMetrics(kinds)
	publisher.NewMetrics(kinds)
	b := idleBridge(t, oneAccount)
	all := make(map[string]metric)
	for name, desc := range described(b.Metrics()) {
		if !strings.HasPrefix(name, "cliniko_bridge_") {
			continue
		}
		help, err := strconv.Unquote(desc[2])
		if err != nil {
			t.Fatal(err)
		}
		m := metric{kind: kinds[name], help: help}
		if m.kind == "" {
			m.kind = "gauge" // of the bridge itself
		}
		if desc[3] != "" {
			m.labels = strings.Split(desc[3], ",")
		}
		all[name] = m
	}
	return all
}

// described are the descriptions of what c collects, taken apart: name, help, labels.
func described(c prometheus.Collector) map[string][]string {
	form := regexp.MustCompile(`fqName: "(\w+)", help: ("(?:[^"\\]|\\.)*"), .*variableLabels: \{([^}]*)\}`)
	all := make(map[string][]string)
	descs := make(chan *prometheus.Desc, 1000)
	c.Describe(descs)
	close(descs)
	for desc := range descs {
		if m := form.FindStringSubmatch(desc.String()); m != nil {
			all[m[1]] = m
		}
	}
	return all
}

// kindsOf is a registry that notes which kind each metric is.
type kindsOf map[string]string

func (k kindsOf) Register(c prometheus.Collector) error {
	kind := "gauge" // what is looked up at a scrape
	switch c.(type) {
	case *prometheus.CounterVec:
		kind = "counter"
	case *prometheus.HistogramVec, prometheus.Histogram:
		kind = "histogram"
	case *prometheus.GaugeVec, prometheus.Gauge:
	case prometheus.Counter:
		kind = "counter"
	}
	for name := range described(c) {
		k[name] = kind
	}
	return nil
}

func (k kindsOf) MustRegister(list ...prometheus.Collector) {
	for _, c := range list {
		_ = k.Register(c) // it never fails
	}
}

func (k kindsOf) Unregister(prometheus.Collector) bool { return false }

// idleBridge is a bridge that is not run.
func idleBridge(tb testing.TB, text string) *Bridge {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "bridge.yaml")
	if err := os.WriteFile(path, []byte(text+"data_dir: "+tb.TempDir()+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	cfg, err := config.Load(path, func(string) string { return "" })
	if err != nil {
		tb.Fatal(err)
	}
	b, err := New(cfg, Options{Log: zap.NewNop()})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// scrape is what /metrics answers.
func scrape(tb testing.TB, b *Bridge) []byte {
	tb.Helper()
	answer := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/metrics", nil)
	promhttp.HandlerFor(b.Metrics(), promhttp.HandlerOpts{}).ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		tb.Fatalf("%d: %s", answer.Code, answer.Body)
	}
	return answer.Body.Bytes()
}

// promtool is where Debian's package prometheus has put it.
func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("REQUIRE_SERVICES") == "1" {
			t.Fatal("there is no promtool; install the package prometheus")
		}
		t.Skip("there is no promtool; install the package prometheus")
	}
	return path
}
