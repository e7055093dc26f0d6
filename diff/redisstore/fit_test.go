package redisstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
)

func TestUnfit(t *testing.T) {
	for _, fit := range []redisstore.Facts{{}, {Version: "5.0.14", EvictionPolicy: "noeviction"}, {Version: "7.0.15", EvictionPolicy: "volatile-lru"}} {
		if got := fit.Unfit(); got != nil {
			t.Errorf("%+v: got %q, want none", fit, got)
		}
	}
	got := redisstore.Facts{Version: "4.0.14", EvictionPolicy: "allkeys-lru"}.Unfit()
	if len(got) != 2 || got[0] != "Redis 4.0.14 is too old; install 5 or later" || !strings.HasSuffix(got[1], "maxmemory-policy is allkeys-lru; set it to noeviction") {
		t.Errorf("got %q", got)
	}
}

// A version is read from a server that cannot be had.
func TestAnOldRedis(t *testing.T) {
	url := difftest.StartFake(t, func(command string) string {
		if command == "INFO" {
			return difftest.Bulk("# Server\r\nredis_version:4.0.14\r\n")
		}
		return "+PONG\r\n"
	})
	facts, err := open(t, url).Check(t.Context())
	if err != nil || len(facts.Unfit()) != 1 {
		t.Errorf("got %+v and %v, want what is too old", facts, err)
	}
}

// What Redis refuses is told in a sentence with its remedy, and is taken once the reason is gone.
func TestRefusal(t *testing.T) {
	for name, c := range map[string]struct {
		spoil, mend []any
		want        string
	}{
		"full":      {[]any{"CONFIG", "SET", "maxmemory", "1"}, []any{"CONFIG", "SET", "maxmemory", "0"}, "Redis is full and takes no writes; raise its maxmemory"},
		"a replica": {[]any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"}, "Redis is a read-only replica"},
		"few replicas": {
			[]any{"CONFIG", "SET", "min-replicas-to-write", "1"},
			[]any{"CONFIG", "SET", "min-replicas-to-write", "0"},
			"Redis has fewer replicas than its min-replicas-to-write",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := difftest.StartRedis(t)
			s, admin := open(t, r.URL), raw(t, r)
			lease := acquire(t, s)
			commit(t, s, lease, change("", "one", 3))
			do(t, admin, c.spoil...)
			err := s.Commit(t.Context(), lease, change("one", "two", 3))
			if got := redisstore.Refusal(err); !strings.HasPrefix(got, c.want) {
				t.Errorf("commit: %v: got %q, want %q", err, got, c.want)
			}
			err = s.PutNote(t.Context(), north, "budget", []byte("17"), time.Minute)
			if got := redisstore.Refusal(err); !strings.HasPrefix(got, c.want) {
				t.Errorf("note: %v: got %q, want %q", err, got, c.want)
			}
			facts, err := s.Check(t.Context())
			if err != nil || facts.Full != (name == "full") || facts.Replica != (name == "a replica") {
				t.Errorf("got %+v and %v", facts, err)
			}
			do(t, admin, c.mend...)
			wantRecords(t, s, "one", 3)
			commit(t, s, lease, change("one", "two", 3))
			wantRecords(t, s, "two", 3)
		})
	}
}

// A Redis that loads its data cannot be opened yet, and says so.
func TestARedisThatIsLoading(t *testing.T) {
	url := difftest.StartFake(t, func(string) string { return "-LOADING Redis is loading the dataset in memory\r\n" })
	_, err := redisstore.Open(t.Context(), redisstore.Config{URL: url})
	if got := redisstore.Refusal(err); got != "Redis is loading its data; it takes writes when it has done so" {
		t.Errorf("%v: got %q", err, got)
	}
}

// What Redis did not say is no refusal.
func TestNoRefusal(t *testing.T) {
	r := difftest.StartRedis(t)
	s := open(t, r.URL)
	r.Kill()
	for _, err := range []error{nil, errors.New("OOM of somebody else"), s.Ping(t.Context()), fmt.Errorf("x: %w", s.Ping(t.Context()))} {
		if got := redisstore.Refusal(err); got != "" {
			t.Errorf("%v: got %q", err, got)
		}
	}
}
