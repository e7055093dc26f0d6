package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// leak is in every secret and in a value of every record. It may be seen in events and nowhere else.
const leak = "zzleak"

// An overheard bridge is one of which everything is kept that it says.
type overheard struct {
	config string        // the path of its configuration
	addr   string        // of its status
	said   func() string // so far
	stop   func()
	crash  func() // runs it once more, and has it end by showing what every goroutine is at; nil: it cannot
}

// Whatever goes wrong, no secret and no value of a record is in a log, an error, an answer to operators, or Redis: not
// in a process of its own, nor with every line of the debug level.
func TestNothingLeaks(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Run("in a process", func(t *testing.T) {
		t.Parallel() // most of it is waiting
		nothingLeaks(t, func(t *testing.T, config string) overheard {
			t.Helper()
			p := startProcess(t, config)
			return overheard{p.config, p.addr, p.stderr.String, p.stop, p.crash}
		})
	})
	t.Run("with debug lines", func(t *testing.T) {
		t.Parallel()
		nothingLeaks(t, startDebugging)
	})
}

// startDebugging starts a bridge in this process, with a log of every level.
func startDebugging(t *testing.T, text string) overheard {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "ADMIN", freeAddr(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	said := &lockedBuffer{}
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewDevelopmentEncoderConfig()), zapcore.AddSync(said), zap.DebugLevel))
	b, err := bridge.New(cfg, bridge.Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	server := newAdmin(cfg, b, log)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, cfg, b, server, log) }()
	stop := func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	}
	return overheard{path, cfg.Admin.Listen, said.String, stop, nil}
}

// crash starts the bridge again, and ends it as an unrecovered panic would: with a trace of every goroutine.
func (p *process) crash() {
	p.t.Helper()
	p.start()
	waitFor(p.t, time.Minute, "that it is ready once more", func() bool {
		_, code := p.get("/readyz")
		return code == http.StatusOK
	})
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		p.t.Fatal(err)
	}
	<-p.ended //nolint:errcheck // it ends with a status of its own
	p.cmd = nil
	if !strings.Contains(p.stderr.String(), "goroutine 1 ") {
		p.t.Error("it left no trace")
	}
}

// leakFaults go wrong all at once, each with a resource of its own.
var leakFaults = map[schemas.Resource]clinikotest.Fault{
	"patients":         clinikotest.NullID(0),
	"appointments":     clinikotest.NotAnObject(0),
	"invoices":         clinikotest.NoUpdatedAt(0),
	"invoice_items":    clinikotest.Truncate(),
	"contacts":         clinikotest.HTML(),
	"products":         clinikotest.Status(http.StatusInternalServerError),
	"medical_alerts":   clinikotest.Status(http.StatusUnauthorized),
	"taxes":            clinikotest.Status(http.StatusBadRequest),
	"users":            clinikotest.WrongKey(),
	"businesses":       clinikotest.Cut(),
	"practitioners":    clinikotest.Forbidden(),
	"billable_items":   clinikotest.NotFound(),
	"concession_types": clinikotest.IgnoreSort(),
	"stock_adjustments": clinikotest.Redirect(
		"http://127.0.0.1:9/v1/stock_adjustments?who=" + leak),
}

func nothingLeaks(t *testing.T, start func(t *testing.T, config string) overheard) {
	t.Helper()
	redis := difftest.StartRedis(t, "--requirepass", leak+"redis")
	server := publishertest.Start(t, publishertest.Options{User: "ops", Password: leak + "nats"})
	proxy := publishertest.StartProxy(t, server.URL())
	clinic := clinikotest.New(clinikotest.Options{Key: leak + "key-au1", RequestsPerMinute: -1})
	sizes := clinikotest.Sizes{}
	for r := range leakFaults {
		sizes[r] = 5
	}
	clinic.Populate(sizes)
	for r := range leakFaults {
		clinic.AddField(r, "remark", "said in confidence: "+leak+" \u2028<&>")
	}
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	text := fmt.Sprintf(`
accounts:
  - api_key: %q
    user_agent: "Northside Bridge (ops@northside.example)"
    base_url: %q
data_dir: %q
nats: {url: %q}
state: {redis_url: %q, fingerprint_key: %q}
admin: {listen: ADMIN, token: %q}
resources:
`, clinic.Key(), api.URL, t.TempDir(), strings.Replace(proxy.URL(), "nats://", "nats://ops:"+leak+"nats@", 1),
		strings.Replace(redis.URL, "redis://", "redis://:"+leak+"redis@", 1), strings.Repeat(leak, 6), leak+"token-of-operators")
	for r := range leakFaults {
		text += fmt.Sprintf("  %s: {schedule: \"@every 15s\"}\n", r) // which the budget has room for
	}
	b := start(t, text)
	page, ended := startLive(t, b.addr, "default")
	var seen []string // every answer to operators
	look := func() {
		for _, path := range []string{"/readyz", "/status", "/metrics", "/", "/healthz", "/nowhere?" + leak} {
			seen = append(seen, ask(t, b.addr, path))
		}
		for _, token := range []string{leak + "token-of-operators", leak + "another-token", ""} {
			seen = append(seen, wishFor(t, b.addr, token))
		}
	}
	ready := func() bool { return strings.HasPrefix(ask(t, b.addr, "/readyz"), "ready") }

	waitFor(t, time.Minute, "the first look", func() bool {
		return ready() && strings.Count(ask(t, b.addr, "/status"), `"baseline":"complete"`) >= len(leakFaults)
	})
	look()

	// Changes, so that the values pass through all of the bridge.
	for r := range leakFaults {
		clinic.Edit(r, clinic.IDs(r)[0], clinikotest.Fields{"remark": "changed: " + leak})
	}
	js := publishertest.JetStream(t, publishertest.Connect(t, strings.Replace(server.URL(), "nats://", "nats://ops:"+leak+"nats@", 1)))
	waitFor(t, time.Minute, "an event of each resource", func() bool {
		told := map[schemas.Resource]bool{}
		for k, list := range events(t, js, "CLINIKO") {
			if bytes.Contains(list[0].Record, []byte(leak)) {
				told[k.resource] = true
			}
		}
		return len(told) == len(leakFaults)
	})

	// Answers that are none.
	for r, fault := range leakFaults {
		api.Inject(clinikotest.Rule{Fault: fault, Resource: r})
	}
	from := len(api.Requests())
	waitFor(t, time.Minute, "every fault at work", func() bool {
		struck := map[string]bool{}
		for _, r := range api.Requests()[from:] {
			if len(r.Faults) > 0 {
				struck[strings.Split(r.Path, "/")[2]] = true // /v1/appointments/cancelled is one of appointments
			}
		}
		return len(struck) == len(leakFaults) && strings.Contains(b.said(), `"reason":"no id"`)
	})
	look()
	api.Heal()

	// Servers that go away.
	proxy.Down()
	redis.Kill()
	waitFor(t, time.Minute, "that it is not ready", func() bool { return !ready() })
	for r := range leakFaults {
		clinic.EditField(r, clinic.IDs(r)[1])
	}
	look()
	waitFor(t, time.Minute, "that the page says so", func() bool { return strings.Contains(page.String(), "The store does not answer.") })
	redis.Restart()
	proxy.Heal()
	waitFor(t, time.Minute, "that it is ready again", ready)
	look()
	b.stop()
	if seen = append(seen, ended()); !strings.Contains(page.String(), `"verb":"updated"`) {
		t.Error("the page was told of no change")
	}
	if b.crash != nil {
		b.crash()
	}

	seen = append(seen, checked(t, b.config))
	proxy.Down()
	redis.Kill()
	api.Inject(clinikotest.Rule{Fault: clinikotest.Status(http.StatusUnauthorized)})
	seen = append(seen, checked(t, b.config))

	searched := b.said()
	if !strings.Contains(searched, "stopped") || !strings.Contains(strings.Join(seen, ""), "500") {
		t.Errorf("what is searched is not all that was said:\n%s\n%s", searched, seen)
	}
	noLeak(t, "the log", searched)
	for _, answer := range seen {
		noLeak(t, "an answer", answer)
	}
	noLeakOnDisk(t, redis.Dir)
}

// ask returns status and body of an answer to operators.
func ask(t *testing.T, addr, path string) string {
	t.Helper()
	p := process{t: t, addr: addr}
	body, code := p.get(path)
	if code == http.StatusOK {
		return string(body)
	}
	return fmt.Sprintf("%d %s", code, body)
}

// wishFor is the answer to whoever asks for a sweep with token, of an account that there is not.
func wishFor(t *testing.T, addr, token string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/sweep", strings.NewReader(`{"account": "nowhere"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %v %s", resp.StatusCode, resp.Header, answer)
}

// checked is all that check says about a configuration.
func checked(t *testing.T, config string) string {
	t.Helper()
	var out bytes.Buffer
	run(t.Context(), []string{"check", "--config", config}, os.Getenv, &out, &out)
	if !strings.Contains(out.String(), "default") {
		t.Errorf("check says nothing of the account: %s", out.String())
	}
	return out.String()
}

func noLeak(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if leaks(line) {
			t.Errorf("%s holds a secret or a value: %s", what, line)
		}
	}
}

// leaks says whether text holds the mark, in any case, or in base64, as which zap writes bytes.
func leaks(text string) bool {
	for shift := range 3 { // three bytes are four letters: what the mark becomes depends on where it begins
		coded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + leak))
		if strings.Contains(text, coded[(8*shift+5)/6:8*(shift+len(leak))/6]) { // the letters that are of the mark alone
			return true
		}
	}
	return strings.Contains(strings.ToLower(text), leak)
}

// The search finds the mark in whatever form a log has it.
func TestLeaksAreFound(t *testing.T) {
	for before := range 6 {
		value := strings.Repeat(".", before) + leak + "!"
		for _, text := range []string{value, strings.ToUpper(value), base64.StdEncoding.EncodeToString([]byte(value))} {
			if !leaks(`{"a":"` + text + `"}`) {
				t.Errorf("%q is not found", text)
			}
		}
	}
	if leaks(`{"a":"enpsZWF","b":"zzlea"}`) {
		t.Error("what is no mark is found")
	}
}

// noLeakOnDisk looks into the files that Redis wrote: no value leaves the process for it.
func noLeakOnDisk(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if leaks(string(data)) {
			t.Errorf("Redis's file %s holds a secret or a value", filepath.Base(path))
		}
		files++
		return err
	})
	if err != nil || files < 2 {
		t.Errorf("%d files of Redis were searched, %v", files, err)
	}
}
