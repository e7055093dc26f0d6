package publishertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// A Process is a nats-server with JetStream in a process of its own. It stops with the test.
type Process struct {
	binary string
	dir    string
	port   int
	more   []string // further arguments
	cmd    *exec.Cmd
}

// StartProcess starts nats-server, of the version that this module requires, on a free loopback port. It needs the
// go command to build it, once for each version and machine; without it the test is skipped, or fails if the
// environment has REQUIRE_SERVICES=1.
func StartProcess(tb testing.TB) *Process {
	tb.Helper()
	p := newProcess(tb)
	p.Restart(tb)
	return p
}

// newProcess makes a Process that does not run yet.
func newProcess(tb testing.TB) *Process {
	tb.Helper()
	binary, err := build()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("REQUIRE_SERVICES") != "1" {
		tb.Skip("the go command is not there to build nats-server with")
	}
	if err != nil {
		tb.Fatalf("build nats-server: %v", err)
	}
	p := &Process{binary: binary, dir: tb.TempDir(), port: freePort(tb)}
	tb.Cleanup(p.Kill)
	return p
}

// freePort is a loopback port that nobody listened on just now.
func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }() // nothing was accepted
	return l.Addr().(*net.TCPAddr).Port
}

// URL is where the server listens, through every restart.
func (p *Process) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", p.port) }

// Kill ends the process at once (SIGKILL). One that has ended already is no error.
func (p *Process) Kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// Stop freezes the process (SIGSTOP) and returns when it stands: its connections stay open and nothing answers.
func (p *Process) Stop(tb testing.TB) {
	tb.Helper()
	p.signal(tb, syscall.SIGSTOP)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		tb.Fatalf("nats-server does not stand still: %v", err)
	}
}

// Cont thaws the process (SIGCONT).
func (p *Process) Cont(tb testing.TB) {
	tb.Helper()
	p.signal(tb, syscall.SIGCONT)
}

func (p *Process) signal(tb testing.TB, s os.Signal) {
	tb.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		tb.Fatalf("nats-server: %v: %v", s, err)
	}
}

// Restart starts the server again on the same port and directory, after killing one that still runs, and returns
// when it answers.
func (p *Process) Restart(tb testing.TB) {
	tb.Helper()
	p.Kill()
	// The process ends with the test's clean-up and not with its context, so that it outlives what still uses it.
	args := append([]string{"--addr", "127.0.0.1", "--port", strconv.Itoa(p.port), "--jetstream", "--store_dir", p.dir}, p.more...)
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), p.binary, args...)
	if err := cmd.Start(); err != nil {
		tb.Fatalf("nats-server: %v", err)
	}
	p.cmd = cmd
	nc, err := nats.Connect(p.URL(), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(5*time.Millisecond), nats.ReconnectJitter(0, 0))
	if err != nil {
		tb.Fatal(err)
	}
	defer nc.Close()
	if err := nc.FlushTimeout(readyWithin); err != nil {
		tb.Fatalf("nats-server does not answer: %v", err)
	}
}

// build makes the nats-server program and returns its path. It is kept in the user's cache, under its version.
var build = sync.OnceValues(func() (string, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "cliniko-bridge-test")
	binary := filepath.Join(dir, "nats-server-"+server.VERSION)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	next := fmt.Sprintf("%s.%d", binary, os.Getpid()) // test binaries of other packages may build at the same time
	cmd := exec.CommandContext(context.Background(), tool, "build", "-o", next, "github.com/nats-io/nats-server/v2")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, os.Rename(next, binary)
})
