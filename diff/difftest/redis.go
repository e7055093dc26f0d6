package difftest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Redis is a redis-server of a test's own, on a free port of the loopback interface. It ends with the test.
type Redis struct {
	URL  string // as redisstore takes it: redis://127.0.0.1:PORT/0
	Addr string // 127.0.0.1:PORT
	Dir  string // where its append-only file and its log are

	tb    testing.TB
	args  []string
	cmd   *exec.Cmd     // nil while it does not run
	ended chan struct{} // closed when cmd has ended
}

// startTimeout is how long redis-server may take to answer, its loading of a large file included.
const startTimeout = 20 * time.Second

// StartRedis starts redis-server with an append-only file and without snapshots, and returns once it answers PING.
// extraArgs follow the arguments of its own, so that they win: "--appendonly", "no". Where redis-server is not
// installed the test is skipped, or fails if the environment has REQUIRE_SERVICES=1.
func StartRedis(tb testing.TB, extraArgs ...string) *Redis {
	tb.Helper()
	r := launch(tb, append([]string{"--appendonly", "yes", "--save", "", "--daemonize", "no"}, extraArgs...))
	r.URL = "redis://" + r.Addr + "/0"
	return r
}

// StartSentinel starts a Redis Sentinel which alone decides that master is the master "mymaster". The URL is
// redis-sentinel://127.0.0.1:PORT?master_name=mymaster.
func StartSentinel(tb testing.TB, master *Redis) *Redis {
	tb.Helper()
	return startSentinel(tb, master, 1)
}

// launch starts redis-server with args, a port and a directory.
func launch(tb testing.TB, args []string) *Redis {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("REQUIRE_SERVICES") == "1" {
			tb.Fatal("redis-server is not on PATH, and REQUIRE_SERVICES=1")
		}
		tb.Skip("redis-server is not on PATH: this needs a real Redis")
	}
	r := &Redis{Dir: tb.TempDir(), tb: tb}
	tb.Cleanup(func() { r.stop(syscall.SIGKILL) })

	// Between the choice of a port and its use another process may take it: another is tried then.
	var err error
	for range 5 {
		port := strconv.Itoa(freePort(tb))
		r.Addr = net.JoinHostPort("127.0.0.1", port)
		r.args = append(slices.Clone(args), "--port", port, "--bind", "127.0.0.1", "--dir", r.Dir, "--logfile", "redis.log")
		if err = r.start(); err == nil {
			return r
		}
	}
	tb.Fatal(err)
	return nil
}

// Kill ends redis-server as a crash does, with SIGKILL.
func (r *Redis) Kill() {
	r.tb.Helper()
	r.stop(syscall.SIGKILL)
}

// Restart starts redis-server again on the same port and directory, and returns once it answers. One that still runs
// is asked to end first.
func (r *Redis) Restart() {
	r.tb.Helper()
	r.stop(syscall.SIGTERM)
	if err := r.start(); err != nil {
		r.tb.Fatal(err)
	}
}

func (r *Redis) stop(sig os.Signal) {
	if r.cmd == nil {
		return
	}
	_ = r.cmd.Process.Signal(sig) // the one error is that it has ended already
	<-r.ended
	r.cmd = nil
}

func (r *Redis) start() error {
	cmd := exec.Command("redis-server", r.args...) //nolint:noctx // it outlives any context of the test, and Cleanup ends it
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended does not matter: it was killed, or the log says why
		close(ended)
	}()
	r.cmd, r.ended = cmd, ended

	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			r.cmd = nil
			return fmt.Errorf("redis-server ended at once: %s", r.log())
		case <-deadline.C:
			r.tb.Fatalf("redis-server does not answer after %s: %s", startTimeout, r.log())
		case <-tick.C:
			if ping(r.Addr) == nil {
				return nil
			}
		}
	}
}

func (r *Redis) log() string {
	b, err := os.ReadFile(filepath.Join(r.Dir, "redis.log"))
	if err != nil {
		return "it wrote no log"
	}
	return string(b)
}

// ping returns nil once the server at addr answers PING, or wants a password first; while it loads its file it answers
// something else.
func ping(addr string) error {
	conn, err := net.DialTimeout("tcp", addr, time.Second) //nolint:noctx // it has a timeout
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing was written that could be lost
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "+PONG") && !strings.HasPrefix(line, "-NOAUTH") {
		return errors.New("it answers PING with something else")
	}
	return nil
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // nothing was accepted
	return l.Addr().(*net.TCPAddr).Port
}
