package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A bridge that has everything embedded is moved to a Redis and a NATS server of their own, while things happen in the clinic, and
// the move is killed with kill -9 in between. Over both streams every change is told once and in its order, with exactly the fields
// that changed: what was known of each record came along, and no first look was taken again.
func TestABridgeThatIsMovedLosesAndRepeatsNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	t.Parallel() // most of it is waiting
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	clinic := clinikotest.New(clinikotest.Options{Seed: seed})
	clinic.Populate(clinikotest.Sizes{"patients": 90})
	api := clinikotest.NewServer(clinic)
	defer api.Close()
	resources := []schemas.Resource{"patients"}
	account := fmt.Sprintf(`
accounts:
  - {name: northside, api_key: %q, user_agent: "Moving Day (ops@clinic.example)", base_url: %q, requests_per_minute: 200, resources: [patients]}
admin: {listen: ADMIN}
resources: {patients: {schedule: "@every 1s"}}
`, clinic.Key(), api.URL)
	dir, addr := t.TempDir(), freeAddr(t)

	old := startProcess(t, account+fmt.Sprintf("data_dir: %q\nnats: {listen: %q}\n", dir, addr))
	waitFor(t, time.Minute, "the first look", old.baselinesComplete)
	j := newStatesJudge(clinic, resources)
	d := &statesDayOf{clinic: clinic, rng: rand.New(rand.NewPCG(seed, 2)), judge: j}
	act := func(n int) {
		for range n {
			d.act()
		}
	}
	act(40)
	nc := publishertest.Connect(t, "nats://"+addr, nats.MaxReconnects(-1))
	js := publishertest.JetStream(t, nc)
	waitFor(t, time.Minute, "some events", func() bool { return len(events(t, js, "CLINIKO")) > 20 })
	_, err := js.CreateConsumer(t.Context(), "CLINIKO", jetstream.ConsumerConfig{Durable: "reminders", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	act(20) // some of which it tells of before it is stopped
	old.stop()
	act(30)

	redis, server := difftest.StartRedis(t), publishertest.Start(t, publishertest.Options{})
	servers := account + fmt.Sprintf("data_dir: %q\nnats: {url: %q}\nstate: {redis_url: %q, fingerprint_key_file: %q}\n",
		t.TempDir(), server.URL(), redis.URL, filepath.Join(dir, "fingerprint.key"))
	to := filepath.Join(t.TempDir(), "servers.yaml")
	if err := os.WriteFile(to, []byte(strings.ReplaceAll(servers, "ADMIN", "127.0.0.1:0")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := migrateOnce(t, old.config, to, false, "--dry-run"); err != nil || !strings.Contains(out, "would move") {
		t.Fatalf("dry run: %v\n%s", err, out)
	}
	out, err := migrateOnce(t, old.config, to, true)
	if err != nil { // as a rule it is killed before it has ended
		out, err = migrateOnce(t, old.config, to, false)
	}
	if err != nil || !strings.Contains(out, "make the consumer reminders again on the new stream, from sequence 1 on: nats consumer add CLINIKO reminders --deliver 1\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	act(20)

	moved := startProcess(t, servers)
	act(20)
	var told map[key][]schemas.Event
	judged := false
	defer func() {
		if !judged { // say what it waited for
			j.verdict(t, told)
		}
	}()
	waitFor(t, 2*time.Minute, "the last state of every record", func() bool {
		told = events(t, server.JetStream(t), "CLINIKO")
		return t.Failed() || j.caughtUp(told)
	})
	judged = true
	unknown := 0
	for _, list := range told {
		for _, e := range list {
			if e.Verb == schemas.Updated && e.Changed == nil {
				unknown++
			}
		}
	}
	if unknown > 0 {
		t.Errorf("%d updates do not say what changed: what was known of their records was lost", unknown)
	}
	total := j.verdict(t, told)
	for name, was := range moved.baselines() {
		if was != "complete" {
			t.Errorf("the baseline of %s is %s", name, was)
		}
	}
	if strings.Contains(moved.stderr.String(), "the baseline is complete") {
		t.Error("a first look was taken again")
	}
	moved.stop()
	t.Logf("%d acts, %d events", d.count, total)
}

// baselines are the states of the first look, by resource.
func (p *process) baselines() map[string]string {
	all := map[string]string{}
	s, _ := p.status()
	for _, a := range s.Accounts {
		for _, r := range a.Resources {
			all[string(r.Name)] = r.Baseline
		}
	}
	return all
}

// migrateOnce runs the real command. If kill is set it is killed with kill -9 once it has said that it copies.
func migrateOnce(t *testing.T, from, to string, kill bool, more ...string) (stdout string, err error) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"migrate", "--from", from, "--to", to}, more...)...)
	var out lockedBuffer
	said := &lineWatch{lines: make(chan struct{}, 100)}
	cmd.Stdout, cmd.Stderr = &out, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if kill {
		select {
		case <-said.lines:
			_ = cmd.Process.Kill() // it may have ended
		case err := <-ended:
			return out.String() + said.b.String(), err
		}
	}
	err = <-ended
	return out.String() + said.b.String(), err
}

// A lineWatch keeps what is written and tells of each write.
type lineWatch struct {
	b     lockedBuffer
	lines chan struct{}
}

func (w *lineWatch) Write(p []byte) (int, error) {
	select {
	case w.lines <- struct{}{}:
	default: // nobody counts so far
	}
	return w.b.Write(p)
}
