package redisstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Who looks into Redis finds the keys as the comment in keys.go has them, and no other.
func TestLayout(t *testing.T) {
	r := difftest.StartRedis(t)
	s := open(t, r.URL)
	admin := raw(t, r)
	lease := acquire(t, s)
	c := change("", "one", 40)
	c.Shapes = map[uint32]string{0xbeef: "a shape"}
	commit(t, s, lease, c)
	if err := s.PutNote(t.Context(), north, "budget", []byte("17"), 0); err != nil {
		t.Fatal(err)
	}
	keys, err := admin.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"cliniko:{northside}:.lease", "cliniko:{northside}:.note:budget", "cliniko:{northside}:.token",
		"cliniko:{northside}:patients:meta",
	}
	for n := range 16 {
		want = append(want, fmt.Sprintf("cliniko:{northside}:patients:r:%d", n))
	}
	for _, key := range keys {
		if !slices.Contains(want, key) {
			t.Errorf("got the key %q", key)
		}
	}
	meta, err := admin.HGetAll(t.Context(), redisstore.MetaKey(north, patients)).Result()
	if err != nil {
		t.Fatal(err)
	}
	if want := "map[buckets:16 s:beef:a shape state:one tracked:40]"; fmt.Sprint(meta) != want {
		t.Errorf("got %v, want %s", meta, want)
	}
	if got := do(t, admin, "GET", redisstore.LeaseKey(north)); got != fmt.Sprintf("%d test", lease.Token) {
		t.Errorf("got the lease %q", got)
	}
	bucket := redisstore.BucketKey(north, patients, redisstore.BucketOf(schemas.ID("7"), 16))
	if got := do(t, admin, "HGET", bucket, "7"); got != "one" {
		t.Errorf("got %q in the bucket of record 7", got)
	}
}

func TestCheck(t *testing.T) {
	r := difftest.StartRedis(t, "--hash-max-listpack-value", "128", "--maxmemory-policy", "allkeys-lru")
	got, err := open(t, r.URL).Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Version == "" || !strings.Contains(got.Version, ".") {
		t.Errorf("got version %q", got.Version)
	}
	got.Version = ""
	want := redisstore.Facts{
		EvictionPolicy: "allkeys-lru", AppendOnly: "yes", ConfigAllowed: true, ListpackValue: 128, ListpackEntries: 512,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Hosted Redis often forbids CONFIG and INFO, and gives a user a prefix of keys: the store works, and knows less.
func TestNarrowUser(t *testing.T) {
	r := difftest.StartRedis(t)
	do(t, raw(t, r), "ACL", "SETUSER", "narrow", "on", ">pw", "~cliniko:*", "+@all", "-@admin", "-@dangerous")
	s := open(t, strings.Replace(r.URL, "redis://", "redis://narrow:pw@", 1))
	commit(t, s, acquire(t, s), change("", "one", 3))
	wantRecords(t, s, "one", 3)
	got, err := s.Check(t.Context())
	if err != nil || got != (redisstore.Facts{}) {
		t.Errorf("got %+v and %v, want no facts and no error", got, err)
	}
	if advice := got.Advice(); advice != nil {
		t.Errorf("got advice %q without a fact", advice)
	}
}

func TestAdvice(t *testing.T) {
	good := redisstore.Facts{EvictionPolicy: "noeviction", AppendOnly: "yes", ListpackValue: 128, ListpackEntries: 512}
	if got := good.Advice(); got != nil {
		t.Errorf("got %q, want none", got)
	}
	bad := redisstore.Facts{EvictionPolicy: "volatile-lfu", AppendOnly: "no", ListpackValue: 64, ListpackEntries: 128}
	got := bad.Advice()
	if len(got) != 4 {
		t.Fatalf("got %q, want four", got)
	}
	for i, want := range []string{"noeviction", "appendonly", "hash-max-listpack-value is 64", "hash-max-listpack-entries is 128"} {
		if !strings.Contains(got[i], want) {
			t.Errorf("got %q, want it to say %q", got[i], want)
		}
	}
}

// Open tells the operator's log what is set up badly.
func TestOpenLogsAdvice(t *testing.T) {
	r := difftest.StartRedis(t, "--appendonly", "no", "--hash-max-listpack-value", "128")
	core, logs := observer.New(zap.InfoLevel)
	s, err := redisstore.Open(t.Context(), redisstore.Config{URL: r.URL, Logger: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is at stake
	entries := logs.All()
	if len(entries) != 1 || !strings.HasPrefix(entries[0].ContextMap()["advice"].(string), "appendonly is no") {
		t.Errorf("got %v, want one line on appendonly", entries)
	}
}

// An error of Open says which server and why, and never the password.
func TestOpenErrors(t *testing.T) {
	r := difftest.StartRedis(t, "--requirepass", "right")
	for url, want := range map[string]string{
		strings.Replace(r.URL, "redis://", "redis://:secret@", 1): "redis " + r.Addr + ": refused: WRONGPASS",
		r.URL: "redis " + r.Addr + ": refused: NOAUTH",
		"redis://:secret@127.0.0.1:1/0?dial_timeout=1s": "redis 127.0.0.1:1: dial tcp 127.0.0.1:1: ",
		"redis://:sec/ret@127.0.0.1:1/0":                "redis URL: it cannot be read",
	} {
		_, err := redisstore.Open(t.Context(), redisstore.Config{URL: url})
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "sec") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Behind a sentinel the store finds the master, and what the client library says of it goes to the process's log.
func TestSentinel(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	redisstore.LogTo(zap.New(core))
	t.Cleanup(func() { redisstore.LogTo(zap.NewNop()) })
	s := open(t, difftest.StartSentinel(t, difftest.StartRedis(t)).URL)
	commit(t, s, acquire(t, s), change("", "one", 3))
	wantRecords(t, s, "one", 3)
	if logs.FilterMessageSnippet("redis client: ").Len() == 0 {
		t.Error("got no line of the client library")
	}
}
