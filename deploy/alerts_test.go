// Package deploy holds what lies in this folder to the tools that read it. It has tests alone.
package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// An alertRule is one rule of prometheus/alerts.yml.
type alertRule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func alertRules(t *testing.T) []alertRule {
	t.Helper()
	text, err := os.ReadFile("prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string      `yaml:"name"`
			Rules []alertRule `yaml:"rules"`
		} `yaml:"groups"`
	}
	strict := yaml.NewDecoder(bytes.NewReader(text))
	strict.KnownFields(true)
	if err := strict.Decode(&file); err != nil || len(file.Groups) != 1 {
		t.Fatalf("%d groups, %v", len(file.Groups), err)
	}
	return file.Groups[0].Rules
}

// The rules fire when they should, and no others with them. Each is seen firing by a test.
func TestTheAlertsFire(t *testing.T) {
	runPromtool(t, "prometheus", "check", "rules", "alerts.yml")
	runPromtool(t, "prometheus", "test", "rules", "alerts_test.yml")
	tests, err := os.ReadFile("prometheus/alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, rule := range alertRules(t) {
		if !strings.Contains(string(tests), `{alertname="`+rule.Alert+`"}`) {
			t.Errorf("no test sees %s fire", rule.Alert)
		}
	}
}

// What Prometheus is started with is what it takes, and its job is the one that the alerts ask for.
func TestThePrometheusConfiguration(t *testing.T) {
	runPromtool(t, "prometheus", "check", "config", "--syntax-only", "prometheus.yml")
	text, err := os.ReadFile("prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "job_name: cliniko-bridge ") {
		t.Error("prometheus.yml has no job cliniko-bridge")
	}
}

// Every alert says what is the matter, how bad it is, and what to do: a command to give or a setting to change.
func TestEveryAlertSaysWhatToDo(t *testing.T) {
	names := make(map[string]bool)
	for _, rule := range alertRules(t) {
		if names[rule.Alert] {
			t.Errorf("%s: there are two", rule.Alert)
		}
		names[rule.Alert] = true
		if s := rule.Labels["severity"]; len(rule.Labels) != 1 || s != "critical" && s != "warning" {
			t.Errorf("%s: labels %v", rule.Alert, rule.Labels)
		}
		if s := rule.Annotations["summary"]; s == "" || len(s) > 180 || strings.HasSuffix(s, ".") {
			t.Errorf("%s: summary %q", rule.Alert, s)
		}
		if d := rule.Annotations["description"]; strings.Count(d, "`") < 2 || !strings.HasSuffix(d, ".") {
			t.Errorf("%s: no command and no setting in %q", rule.Alert, d)
		}
	}
	if len(names) > 25 {
		t.Errorf("%d alerts: nobody learns so many", len(names))
	}
}

// Each alert has its section in alerts.md, in the order of the rules, and no section is of an alert that there is not. It says
// what the alert means, what subscribers notice, and what to do.
func TestEveryAlertHasItsSection(t *testing.T) {
	page, err := os.ReadFile("alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, rule := range alertRules(t) {
		want = append(want, rule.Alert)
	}
	for _, section := range regexp.MustCompile(`(?m)^## `).Split(string(page), -1)[1:] {
		name, text, _ := strings.Cut(section, "\n")
		got = append(got, name)
		if !strings.Contains(text, "\nSubscribers: ") || !strings.Contains(text, "\nDo: ") {
			t.Errorf("%s: the section does not say what subscribers notice and what to do", name)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("alerts.md has %v, want %v", got, want)
	}
}

// runPromtool runs promtool in a folder and fails the test with what it says.
func runPromtool(t *testing.T, dir string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("REQUIRE_SERVICES") == "1" {
			t.Fatal("there is no promtool; install the package prometheus")
		}
		t.Skip("there is no promtool; install the package prometheus")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
