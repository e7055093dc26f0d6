package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/check"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/filestore"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
)

// onRedis is the report of a setup whose state is in the Redis at url.
func onRedis(t *testing.T, url string) check.Report {
	t.Helper()
	s := newSetup(t, clinikotest.Options{})
	s.more = "    resources: [patients]"
	s.state = fmt.Sprintf("{redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}", url)
	return s.run()
}

func TestRedis(t *testing.T) {
	report := onRedis(t, difftest.StartRedis(t, "--hash-max-listpack-value", "128").URL)
	wants(t, report, "Redis", render.OK, "version ")
	wants(t, report, "Redis eviction", render.OK, "noeviction")
	wants(t, report, "Redis appendonly", render.OK, "appendonly is yes")
	wants(t, report, "Redis memory", render.OK, "packed")
	wants(t, report, "fingerprint key", render.OK, "in the configuration")
	if report.Wrong() > 0 {
		t.Errorf("something is wrong:\n%s", shown(report))
	}
}

// A Redis that may forget what it was told is wrong; one that costs more than it needs is a warning.
func TestRedisSetUpBadly(t *testing.T) {
	report := onRedis(t, difftest.StartRedis(t, "--maxmemory-policy", "allkeys-lru", "--appendonly", "no").URL)
	wants(t, report, "Redis eviction", render.Wrong, "maxmemory-policy is allkeys-lru")
	wants(t, report, "Redis appendonly", render.Warning, "appendonly is no")
	wants(t, report, "Redis memory", render.Warning, "hash-max-listpack-value is 64")
	if report.Wrong() != 1 {
		t.Errorf("%d are wrong, want the policy alone:\n%s", report.Wrong(), shown(report))
	}
}

func TestRedisEvictsLeases(t *testing.T) {
	report := onRedis(t, difftest.StartRedis(t, "--maxmemory-policy", "volatile-ttl").URL)
	wants(t, report, "Redis eviction", render.Wrong, "maxmemory-policy is volatile-ttl")
}

func TestRedisThatMayNotBeAsked(t *testing.T) {
	redis := difftest.StartRedis(t, "--user", "ops", "on", ">zzsecretzz", "~*", "&*", "+@all", "-info", "-config")
	url := strings.Replace(redis.URL, "redis://", "redis://ops:zzsecretzz@", 1)
	report := onRedis(t, url)
	wants(t, report, "Redis", render.Warning, "its settings are not known")
	if strings.Contains(shown(report), "zzsecretzz") {
		t.Error("the password is in the report")
	}
}

func TestRedisUnreachable(t *testing.T) {
	redis := difftest.StartRedis(t)
	redis.Kill()
	report := onRedis(t, strings.Replace(redis.URL, "redis://", "redis://ops:zzsecretzz@", 1))
	wants(t, report, "Redis", render.Wrong, "connection refused")
	if strings.Contains(shown(report), "zzsecretzz") {
		t.Error("the password is in the report")
	}
}

// The file is there, or will be made, or belongs to a bridge that runs, or is none.
func TestFileStore(t *testing.T) {
	s := newSetup(t, clinikotest.Options{})
	s.more = "    resources: [patients]"
	path := filepath.Join(s.dir, "state.db")
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	report := s.run()
	wants(t, report, "data_dir", render.OK, "can be written to")
	wants(t, report, "store", render.OK, "`run` makes "+path)
	if entries, err := os.ReadDir(s.dir); err != nil || len(entries) > 0 {
		t.Errorf("the check left %v behind, %v", entries, err)
	}

	store, err := filestore.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, s.run(), "store", render.OK, "a bridge is running on "+path)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	report = s.run()
	wants(t, report, "store", render.OK, path)
	wants(t, report, "fingerprint key", render.Wrong, "is missing")

	if err := os.WriteFile(filepath.Join(s.dir, "fingerprint.key"), []byte("too short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, s.run(), "fingerprint key", render.Wrong, "holds no key")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 2000)), 0o600); err != nil {
		t.Fatal(err)
	}
	wants(t, s.run(), "store", render.Wrong, "invalid database")
}

// A data_dir under a file cannot be made.
func TestDataDirThatCannotBe(t *testing.T) {
	s := newSetup(t, clinikotest.Options{})
	s.more = "    resources: [patients]"
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.dir = filepath.Join(file, "data")
	wants(t, s.run(), "data_dir", render.Wrong, file)
	s.dir = file
	wants(t, s.run(), "data_dir", render.Wrong, "is no folder")
}

// A Redis that takes no writes, or not yet, is wrong, and so is one that is too old.
func TestRedisThatCannotBeUsed(t *testing.T) {
	full := difftest.StartRedis(t, "--maxmemory", "1")
	wants(t, onRedis(t, full.URL), "Redis memory", render.Wrong, "it is full and takes no writes; raise its maxmemory")
	replica := difftest.StartRedis(t, "--replicaof", "127.0.0.1 1")
	wants(t, onRedis(t, replica.URL), "Redis role", render.Wrong, "state.redis_url has to name the master")
	loading := difftest.StartFake(t, func(string) string { return "-LOADING Redis is loading the dataset in memory\r\n" })
	wants(t, onRedis(t, loading), "Redis", render.Wrong, "Redis is loading its data")
	old := difftest.StartFake(t, func(command string) string {
		if command == "INFO" {
			return difftest.Bulk("redis_version:4.0.14\r\nmaxmemory_policy:noeviction\r\n")
		}
		return "+PONG\r\n"
	})
	wants(t, onRedis(t, old), "Redis", render.Wrong, "version 4.0.14; 5 or later is needed")
}
