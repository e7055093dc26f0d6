package publishertest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// settleWithin bounds how long the servers of a cluster take to agree on something, which takes them seconds.
const settleWithin = time.Minute

// A Cluster is three nats-servers with JetStream, each a process of its own, that hold streams together. It stops with the
// test.
type Cluster struct {
	servers map[string]*Process // by their names, "n1" to "n3"
}

// StartCluster starts the servers and returns when they take streams of three replicas. It needs what StartProcess needs.
func StartCluster(tb testing.TB) *Cluster {
	tb.Helper()
	const size = 3
	var routes []string
	for range size {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", freePort(tb)))
	}
	c := &Cluster{servers: map[string]*Process{}}
	for i, route := range routes {
		p, name := newProcess(tb), fmt.Sprintf("n%d", i+1)
		p.more = []string{
			"--name", name, "--cluster_name", "test", "--cluster", route, "--routes", strings.Join(routes, ","),
		}
		p.Restart(tb)
		c.servers[name] = p
	}
	js := c.JetStream(tb)
	probe := jetstream.StreamConfig{Name: "PROBE", Subjects: []string{"probe"}, Replicas: size}
	settle(tb, "a stream of three replicas", func(ctx context.Context) bool {
		_, err := js.CreateStream(ctx, probe)
		return err == nil
	})
	if err := js.DeleteStream(tb.Context(), probe.Name); err != nil {
		tb.Fatal(err)
	}
	return c
}

// URL names all servers, "nats://127.0.0.1:P,nats://127.0.0.1:Q,nats://127.0.0.1:R".
func (c *Cluster) URL() string {
	var urls []string
	for _, p := range c.servers {
		urls = append(urls, p.URL())
	}
	return strings.Join(urls, ",")
}

// JetStream is JetStream on a connection of its own, which goes over to another server when its own is killed.
func (c *Cluster) JetStream(tb testing.TB) jetstream.JetStream {
	tb.Helper()
	return JetStream(tb, Connect(tb, c.URL()))
}

// Leader is the server that leads the stream, once one does.
func (c *Cluster) Leader(tb testing.TB, js jetstream.JetStream, stream string) *Process {
	tb.Helper()
	var leader *Process
	settle(tb, "a leader of "+stream, func(ctx context.Context) bool {
		s, err := js.Stream(ctx, stream)
		if err != nil || s.CachedInfo().Cluster == nil {
			return false
		}
		leader = c.servers[s.CachedInfo().Cluster.Leader]
		return leader != nil && leader.cmd != nil
	})
	return leader
}

// Whole waits until every server runs and has all of the stream.
func (c *Cluster) Whole(tb testing.TB, js jetstream.JetStream, stream string) {
	tb.Helper()
	settle(tb, "all replicas of "+stream, func(ctx context.Context) bool {
		s, err := js.Stream(ctx, stream)
		if err != nil || s.CachedInfo().Cluster == nil || len(s.CachedInfo().Cluster.Replicas) != len(c.servers)-1 {
			return false
		}
		for _, r := range s.CachedInfo().Cluster.Replicas {
			if !r.Current || r.Offline {
				return false
			}
		}
		return true
	})
}

// settle asks ok again and again until it says yes.
func settle(tb testing.TB, what string, ok func(context.Context) bool) {
	tb.Helper()
	deadline := time.NewTimer(settleWithin)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ctx, cancel := context.WithTimeout(tb.Context(), 2*time.Second)
		done := ok(ctx)
		cancel()
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatalf("not within %s: %s", settleWithin, what)
		}
	}
}
