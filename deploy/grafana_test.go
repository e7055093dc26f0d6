package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A dashboard is of Grafana's schema what the dashboard has to have right.
type dashboard struct {
	UID           string  `json:"uid"`
	Title         string  `json:"title"`
	ID            *int    `json:"id"` // of a host; null in a file
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type variable struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Datasource *source         `json:"datasource"`
	Definition string          `json:"definition"`
	Query      json.RawMessage `json:"query"`
	AllValue   string          `json:"allValue"`
}

type panel struct {
	ID          int     `json:"id"`
	Type        string  `json:"type"`
	Title       string  `json:"title"`
	Description string  `json:"description"`
	Datasource  *source `json:"datasource"`
	GridPos     grid    `json:"gridPos"`
	Targets     []struct {
		RefID      string  `json:"refId"`
		Datasource *source `json:"datasource"`
		Expr       string  `json:"expr"`
	} `json:"targets"`
}

// A grid is where a panel is: 24 columns, rows without end.
type grid struct{ X, Y, W, H int }

func (g grid) overlaps(o grid) bool {
	return g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile("grafana/cliniko-bridge.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The dashboard can be put into any Grafana: it names no datasource but by its variable, has no id of a host, no panel
// twice, and no panel over another.
func TestTheDashboardFitsAnyGrafana(t *testing.T) {
	d := readDashboard(t)
	if d.ID != nil || d.UID != "cliniko-bridge" || d.SchemaVersion < 39 || d.SchemaVersion > 41 || len(d.Panels) < 20 {
		t.Errorf("id %v, uid %q, schema %d, %d panels", d.ID, d.UID, d.SchemaVersion, len(d.Panels))
	}
	chosen := source{"prometheus", "${datasource}"}
	for i, p := range d.Panels {
		g := p.GridPos
		if g.X < 0 || g.Y < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			t.Errorf("%s lies at %+v", p.Title, g)
		}
		for _, o := range d.Panels[:i] {
			if o.ID == p.ID || o.Title == p.Title || g.overlaps(o.GridPos) {
				t.Errorf("%q (%d, %+v) and %q (%d, %+v)", o.Title, o.ID, o.GridPos, p.Title, p.ID, g)
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.ID < 1 || p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.Datasource == nil || *p.Datasource != chosen {
			t.Errorf("%q lacks something: %+v", p.Title, p)
		}
		refs := make(map[string]bool)
		for _, target := range p.Targets {
			if target.Datasource == nil || *target.Datasource != chosen || refs[target.RefID] || target.Expr == "" {
				t.Errorf("%q: target %+v", p.Title, target)
			}
			refs[target.RefID] = true
		}
	}
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
		if v.Type == "query" && (v.Datasource == nil || *v.Datasource != chosen || v.AllValue != ".*" || !strings.HasPrefix(v.Definition, "label_values(")) {
			t.Errorf("variable %+v", v)
		}
	}
	if got := strings.Join(names, " "); got != "datasource account resource" {
		t.Errorf("variables %s", got)
	}
}

// Prometheus can read every expression, and each variable in one is Grafana's or the dashboard's.
func TestPrometheusReadsEveryExpressionOfTheDashboard(t *testing.T) {
	values := strings.NewReplacer("$__rate_interval", "5m", "$account", ".*", "$resource", ".*")
	var rules bytes.Buffer
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	n := 0
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			expr := values.Replace(target.Expr)
			if strings.Contains(expr, "$") {
				t.Errorf("%s: a variable that nobody has: %s", p.Title, target.Expr)
			}
			fmt.Fprintf(&rules, "  - {record: 'panel:%d:target', expr: %q}\n", n, expr)
			n++
		}
	}
	path := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(path, rules.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	runPromtool(t, ".", "check", "rules", path)
}

// The files by which Grafana finds datasource and dashboard are of its form, and name what is there.
func TestGrafanaIsProvisioned(t *testing.T) {
	var datasources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			IsDefault                    bool           `yaml:"isDefault"`
			JSONData                     map[string]any `yaml:"jsonData"`
		}
	}
	readStrictly(t, "grafana/provisioning/datasources/prometheus.yml", &datasources)
	if d := datasources.Datasources; datasources.APIVersion != 1 || len(d) != 1 || d[0].Type != "prometheus" || !d[0].IsDefault {
		t.Errorf("got %+v", datasources)
	}
	var dashboards struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type      string
			DisableDeletion bool `yaml:"disableDeletion"`
			AllowUIUpdates  bool `yaml:"allowUiUpdates"`
			Options         struct{ Path string }
		}
	}
	readStrictly(t, "grafana/provisioning/dashboards/cliniko-bridge.yml", &dashboards)
	if p := dashboards.Providers; dashboards.APIVersion != 1 || len(p) != 1 || p[0].Type != "file" || !filepath.IsAbs(p[0].Options.Path) {
		t.Errorf("got %+v", dashboards)
	}
	for _, p := range readDashboard(t).Panels {
		for _, by := range regexp.MustCompile(`(?i)localhost|127\.0\.0\.1|\bbridge:8321\b`).FindAllString(fmt.Sprint(p), -1) {
			t.Errorf("%s names the host %s", p.Title, by)
		}
	}
}

func readStrictly(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	strict := yaml.NewDecoder(bytes.NewReader(text))
	strict.KnownFields(true)
	if err := strict.Decode(to); err != nil {
		t.Errorf("%s: %v", path, err)
	}
}
