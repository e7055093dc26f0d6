package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
	"go.yaml.in/yaml/v3"

	"github.com/cliniko-bridge/cliniko-bridge/publisher/certtest"
)

// That what is rendered is of Kubernetes' types is checked in chart/check, a module of its own.

// helm runs helm. Where it is missing the test is skipped, or fails if the environment has REQUIRE_SERVICES=1.
func helm(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	path, err := exec.LookPath("helm")
	switch {
	case err != nil && os.Getenv("REQUIRE_SERVICES") == "1":
		t.Fatal("helm is not on PATH, and REQUIRE_SERVICES=1")
	case err != nil:
		t.Skip("helm is not on PATH: this needs it")
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// template renders the chart with the values in ci/name.yaml, and changes to them.
func template(t *testing.T, name string, more ...string) (stdout, stderr string, err error) {
	t.Helper()
	args := []string{"template", "release", "chart", "--kube-version", "1.37.0", "--values", "chart/ci/" + name + ".yaml"}
	return helm(t, append(args, more...)...)
}

// chartCases are the names of the values in chart/ci.
func chartCases(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("chart/ci/*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("the cases of the chart are not there: %v %v", files, err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".yaml")
	}
	return files
}

func TestTheChartPassesLint(t *testing.T) {
	for _, name := range chartCases(t) {
		if out, errs, err := helm(t, "lint", "--strict", "chart", "--values", "chart/ci/"+name+".yaml"); err != nil {
			t.Errorf("%s: %v\n%s%s", name, err, out, errs)
		}
	}
	if out, errs, err := helm(t, "lint", "--strict", "chart"); err != nil {
		t.Errorf("%v\n%s%s", err, out, errs)
	}
}

// manifest is as much of any manifest as is looked at here.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     map[string]any
}

func manifests(t *testing.T, rendered string) map[string]manifest {
	t.Helper()
	all := map[string]manifest{}
	for d := yaml.NewDecoder(strings.NewReader(rendered)); ; {
		var m manifest
		if err := d.Decode(&m); err != nil {
			return all
		}
		all[m.Kind] = m
	}
}

// The configuration that the chart renders is one that the bridge takes, with the keys of the Secret as files beside it.
func TestTheBridgeTakesTheConfigurationOfTheChart(t *testing.T) {
	program, err := imageBinary()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, content := range map[string]string{
		"api_key": "MS0xLXBlcnNvbg-au1", "northside": "MS0yLXBlcnNvbg-au1", "harbour": "MS0zLXBlcnNvbg-uk2",
		"admin_token": strings.Repeat("t", 64), "fingerprint_key": strings.Repeat("f", 64),
		"nats_url": "nats://bridge:pw@nats.nats.svc:4222", "redis_url": "redis://bridge:pw@redis.redis.svc:6379/0",
		"bridge.nk": natsSeed(t),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	authority := certtest.NewAuthority(t)
	pair := authority.Issue(t, certtest.Options{})
	for to, from := range map[string]string{"ca.crt": authority.File, "tls.crt": pair.CertFile, "tls.key": pair.KeyFile} {
		if err := copyFile(filepath.Join(folder, "nats", to), from); err != nil {
			t.Fatal(err)
		}
	}
	kinds := map[string]string{"embedded": "StatefulSet", "servers": "Deployment", "three": "Deployment", "tls": "Deployment"}
	for _, name := range chartCases(t) {
		out, errs, err := template(t, name)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, errs)
			continue
		}
		all := manifests(t, out)
		path := filepath.Join(folder, "bridge.yaml")
		text := all["ConfigMap"].Data["bridge.yaml"]
		if !strings.Contains(text, "token_file: admin_token") || !strings.Contains(text, "data_dir: /data") {
			t.Errorf("%s: the chart sets neither token nor folder:\n%s", name, text)
		}
		configAcceptedAt(t, program, path, []byte(text))
		if _, ok := all[kinds[name]]; !ok {
			t.Errorf("%s: it is no %s", name, kinds[name])
		}
	}
}

// natsSeed is the seed of a NATS user, as `nk -gen user` prints it.
func natsSeed(t *testing.T) string {
	t.Helper()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(seed)
}

// What cannot work is refused when the chart is rendered, with a sentence that says why; and so is a secret in values, which
// would stand in a ConfigMap.
func TestTheChartRefuses(t *testing.T) {
	for _, row := range []struct{ name, set, says string }{
		{"embedded", "replicas=2", "which one process alone can have: give nats.url and state.redis_url"},
		{"servers", "config.state.redis_url_file=null,replicas=2", "which one process alone can have"},
		{"servers", "config.accounts=null", "config.accounts is empty: give one account at least"},
		{"servers", "config.accounts[0].api_key=k,config.accounts[0].user_agent=x", "config.accounts[0].api_key: a key does not belong in values"},
		{"servers", "config.state.fingerprint_key=k", "config.state.fingerprint_key: a key does not belong in values"},
		{"servers", "config.nats.url=nats://a:b@c:4222", "config.nats.url holds a password"},
		{"servers", "config.state.redis_url=redis://a:b@c:6379", "config.state.redis_url holds a password"},
		{"servers", "config.state.redis_url=redis-sentinel://one:26379?master_name=m&password=k", "a URL in config or env holds a password"},
		{"servers", "env[0].name=HTTPS_PROXY,env[0].value=http://a:b@proxy:3128", "a URL in config or env holds a password"},
		{"servers", "config.accounts[0].user_agent=x,config.accounts[0].base_url=https://k@api.au1.cliniko.com/v1", "a URL in config or env holds a password"},
		{"servers", "config.admin.token=k", "additional properties 'admin' not allowed"},
		{"servers", "replica=3", "additional properties 'replica' not allowed"},
	} {
		out, errs, err := template(t, row.name, "--set", row.set)
		if err == nil || !strings.Contains(errs, row.says) {
			t.Errorf("%s --set %s: %v: got %s%s; want …%s…", row.name, row.set, err, errs, out, row.says)
		}
	}
}

// Whoever changes the configuration restarts the bridges, and whoever changes something else does not.
func TestAChangedConfigurationIsRolledOut(t *testing.T) {
	sum := func(set string) string {
		out, errs, err := template(t, "servers", "--set", set)
		if err != nil {
			t.Fatalf("%v\n%s", err, errs)
		}
		_, rest, _ := strings.Cut(out, "checksum/config: ")
		line, _, _ := strings.Cut(rest, "\n")
		return line
	}
	before := sum("replicas=1")
	if len(before) != 64 || sum("replicas=3") != before {
		t.Errorf("another number of bridges is another configuration: %s", before)
	}
	if sum("config.baseline=publish") == before {
		t.Error("another configuration is rolled out to nobody")
	}
}

// The alerts in the chart are those of prometheus/alerts.yml, byte for byte: `helm package` takes no file from outside. What
// differs is mended by cp deploy/prometheus/alerts.yml deploy/chart/files/.
func TestTheChartHasTheAlerts(t *testing.T) {
	want, err := os.ReadFile("prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("chart/files/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("chart/files/alerts.yml is not prometheus/alerts.yml: cp deploy/prometheus/alerts.yml deploy/chart/files/")
	}
	out, errs, err := template(t, "three")
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	var rules map[string]any
	if err := yaml.Unmarshal(want, &rules); err != nil {
		t.Fatal(err)
	}
	plain := func(v any) string {
		text, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := manifests(t, out)["PrometheusRule"].Spec; plain(got) != plain(rules) {
		t.Errorf("rendered:\n%s\nwant:\n%s", plain(got), plain(rules))
	}
}
