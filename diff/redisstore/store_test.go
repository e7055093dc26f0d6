package redisstore_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
)

func TestStore(t *testing.T) {
	r := difftest.StartRedis(t)
	admin := raw(t, r)
	difftest.TestStore(t, func(t *testing.T) diff.Store {
		t.Helper()
		do(t, admin, "FLUSHALL")
		return open(t, r.URL)
	})
}

// A cluster refuses a script whose keys are not all named or not all on one node, and a cluster of one node does too.
func TestStoreOnCluster(t *testing.T) {
	r := difftest.StartRedis(t, "--cluster-enabled", "yes")
	admin := raw(t, r)
	do(t, admin, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	waitForCluster(t, admin)
	difftest.TestStore(t, func(t *testing.T) diff.Store {
		t.Helper()
		do(t, admin, "FLUSHALL")
		return open(t, "redis-cluster://"+r.Addr)
	})
}

// open opens a store that is closed at the end.
func open(t *testing.T, url string) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(t.Context(), redisstore.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a test may have closed it already
	return s
}

// raw is a client that looks past the store.
func raw(tb testing.TB, r *difftest.Redis) *redis.Client {
	tb.Helper()
	c := redis.NewClient(&redis.Options{Addr: r.Addr})
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

func do(tb testing.TB, c *redis.Client, args ...any) any {
	tb.Helper()
	reply, err := c.Do(tb.Context(), args...).Result()
	if err != nil {
		tb.Fatalf("%v: %v", args, err)
	}
	return reply
}

// waitForCluster returns once the cluster says that all its slots are served.
func waitForCluster(t *testing.T, admin *redis.Client) {
	t.Helper()
	eventually(t, "the cluster is up", func() bool {
		info, err := admin.ClusterInfo(t.Context()).Result()
		return err == nil && strings.Contains(info, "cluster_state:ok")
	})
}
