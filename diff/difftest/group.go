package difftest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// settleTimeout is how long several servers may take to agree on who they are, which takes them seconds.
const settleTimeout = time.Minute

// A Group is a Redis master with two replicas, and three sentinels that make one of them the master when it is gone. A
// replica is behind its master by as much as the network takes; see [Group.FallBehind]. It ends with the test.
type Group struct {
	URL string // as redisstore takes it: redis-sentinel://127.0.0.1:PORT?master_name=mymaster&addr=…

	tb        testing.TB
	nodes     []*Redis // the first is the master to begin with
	sentinels []*Redis
}

// StartGroup starts three Redis and three sentinels, and returns once the sentinels know everybody.
func StartGroup(tb testing.TB) *Group {
	tb.Helper()
	master := StartRedis(tb)
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	g := &Group{tb: tb, nodes: []*Redis{master}}
	for range 2 {
		replica := StartRedis(tb, "--replicaof", host+" "+port)
		settle(tb, replica, "a replica", []any{"INFO", "replication"}, "master_link_status:up")
		g.nodes = append(g.nodes, replica)
	}
	for range 3 {
		g.sentinels = append(g.sentinels, startSentinel(tb, master, 2))
	}
	for _, s := range g.sentinels {
		settle(tb, s, "a sentinel", []any{"INFO", "sentinel"}, "slaves=2,sentinels=3")
	}
	g.URL = fmt.Sprintf("%s&addr=%s&addr=%s", g.sentinels[0].URL, g.sentinels[1].Addr, g.sentinels[2].Addr)
	return g
}

// FallBehind cuts the replicas off from the master, once they have all that it has been told so far: of what it is told
// from now on they get nothing. A sentinel mends that after some eight seconds, unless the master is killed before.
func (g *Group) FallBehind() {
	g.tb.Helper()
	told := offset(g.tb, g.nodes[0], "master_repl_offset")
	for _, replica := range g.nodes[1:] {
		wait(g.tb, "a replica that has everything", func() bool { return offset(g.tb, replica, "slave_repl_offset") >= told })
		ask(g.tb, replica, "REPLICAOF", "127.0.0.1", "1") // nobody listens there
	}
}

// offset is how many bytes of replication r names under that name.
func offset(tb testing.TB, r *Redis, name string) int {
	tb.Helper()
	info, _ := ask(tb, r, "INFO", "replication").(string)
	_, rest, _ := strings.Cut(info, "\r\n"+name+":")
	text, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.Atoi(text)
	if err != nil {
		tb.Fatalf("redis %s has no %s", r.Addr, name)
	}
	return n
}

// KillMaster kills the first master, and returns once every sentinel says that a replica has taken its place.
func (g *Group) KillMaster() {
	g.tb.Helper()
	g.nodes[0].Kill()
	for _, s := range g.sentinels {
		wait(g.tb, "a sentinel that has another master", func() bool {
			reply, _ := ask(g.tb, s, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster").([]any)
			return len(reply) == 2 && fmt.Sprintf("%s:%s", reply...) != g.nodes[0].Addr
		})
	}
}

// startSentinel starts a sentinel that takes so many, itself among them, to say that the master is gone.
func startSentinel(tb testing.TB, master *Redis, quorum int) *Redis {
	tb.Helper()
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		tb.Fatal(err)
	}
	// A sentinel keeps what it knows in its configuration file, and wants one to begin with.
	conf := filepath.Join(tb.TempDir(), "sentinel.conf")
	// When the votes are split, the sentinels vote again after twice the failover-timeout: six minutes if it is not said.
	text := fmt.Sprintf("sentinel monitor mymaster %s %s %d\nsentinel down-after-milliseconds mymaster 1000\n"+
		"sentinel failover-timeout mymaster 5000\n", host, port, quorum)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	r := launch(tb, []string{conf, "--sentinel"})
	r.URL = "redis-sentinel://" + r.Addr + "?master_name=mymaster"
	return r
}

// ask sends one command to r, and nil is its reply as long as r does not answer.
func ask(tb testing.TB, r *Redis, command ...any) any {
	tb.Helper()
	c := redis.NewClient(&redis.Options{Addr: r.Addr, Protocol: 2, DisableIdentity: true})
	defer c.Close() //nolint:errcheck // nothing is at stake
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), startTimeout)
	defer cancel()
	reply, err := c.Do(ctx, command...).Result()
	var refused redis.Error
	if errors.As(err, &refused) && !errors.Is(err, redis.Nil) {
		tb.Fatalf("redis %s: %v: %v", r.Addr, command, err)
	}
	return reply
}

// settle waits until the reply to the command holds want.
func settle(tb testing.TB, r *Redis, who string, command []any, want string) {
	tb.Helper()
	wait(tb, fmt.Sprintf("%s that says %q", who, want), func() bool {
		return strings.Contains(fmt.Sprint(ask(tb, r, command...)), want)
	})
}

// wait asks ok twenty times a second until it says yes.
func wait(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(settleTimeout)
	defer deadline.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatalf("not within %s: %s", settleTimeout, what)
		}
	}
}
