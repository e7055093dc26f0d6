package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
)

// binary is the real command, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "cliniko-bridge-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "cliniko-bridge")
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.CommandContext(context.Background(), "go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// A process is a bridge that runs as a process of its own.
type process struct {
	t      testing.TB
	config string
	addr   string // of its status
	cmd    *exec.Cmd
	stderr *lockedBuffer
	ended  chan error
	within func(*exec.Cmd) // if non-nil, changes the command before it is started
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startProcess writes config to a file and starts a bridge with it. The text says "ADMIN" for the address of the status.
func startProcess(tb testing.TB, config string) *process {
	tb.Helper()
	return startProcessWithin(tb, config, nil)
}

// startProcessWithin is startProcess for a process that is started in another way: within changes its command.
func startProcessWithin(tb testing.TB, config string, within func(*exec.Cmd)) *process {
	tb.Helper()
	addr := freeAddr(tb)
	path := filepath.Join(tb.TempDir(), "bridge.yaml")
	text := bytes.ReplaceAll([]byte(config), []byte("ADMIN"), []byte(addr))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		tb.Fatal(err)
	}
	p := &process{t: tb, config: path, addr: addr, stderr: &lockedBuffer{}, within: within}
	p.start()
	tb.Cleanup(func() {
		if p.cmd != nil {
			p.kill()
		}
		if strings.Contains(p.stderr.String(), "DATA RACE") {
			tb.Error("the race detector has found something in the bridge")
		}
		if tb.Failed() {
			tail := p.stderr.String()
			tb.Logf("the bridge's log ends:\n%s", tail[max(0, len(tail)-6000):])
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	path, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.CommandContext(context.Background(), path, "run", "--config", p.config)
	p.cmd.Stderr = p.stderr
	if p.within != nil {
		p.within(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	cmd := p.cmd
	go func() { ended <- cmd.Wait() }()
	p.ended = ended
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	if err := <-p.ended; err == nil {
		p.t.Error("the bridge had ended by itself before it was killed")
	}
	p.cmd = nil
}

// stop is SIGTERM. It fails the test unless the bridge ends within ten seconds with status 0.
func (p *process) stop() {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Errorf("after SIGTERM: %v, want exit status 0", err)
		}
	case <-time.After(10 * time.Second):
		p.t.Error("ten seconds after SIGTERM it still runs")
		p.kill()
		return
	}
	p.t.Logf("stopped in %s", time.Since(began).Round(time.Millisecond))
	p.cmd = nil
}

// status asks the bridge what it is doing; ok is false while it does not answer.
func (p *process) status() (s admin.Status, ok bool) {
	body, code := p.get("/status")
	return s, code == http.StatusOK && json.Unmarshal(body, &s) == nil
}

func (p *process) get(path string) ([]byte, int) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0
	}
	defer func() { _ = resp.Body.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		return nil, 0
	}
	return b.Bytes(), resp.StatusCode
}

// waitFor asks ok ten times a second until it says yes, and fails the test if it does not within limit.
func waitFor(tb testing.TB, limit time.Duration, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			tb.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// baselinesComplete says that every resource's first look is done.
func (p *process) baselinesComplete() bool {
	s, ok := p.status()
	if !ok || len(s.Accounts) == 0 {
		return false
	}
	for _, a := range s.Accounts {
		if len(a.Resources) == 0 {
			return false
		}
		for _, r := range a.Resources {
			if r.Baseline != admin.BaselineComplete {
				return false
			}
		}
	}
	return true
}

// freeAddr is a loopback address that nobody listened on just now.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
