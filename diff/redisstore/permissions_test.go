package redisstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// narrow is a Redis with the users of deploy/redis-users.acl, and the URL of the bridge's. rights are what the file allows.
func narrow(t *testing.T, args ...string) (r *difftest.Redis, url string, rights []string) {
	t.Helper()
	data, err := os.ReadFile("../../deploy/redis-users.acl")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users.acl")
	if err := os.WriteFile(path, []byte(strings.Replace(string(data), ">CHANGE-ME", ">pw", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		for word := range strings.FieldsSeq(line) {
			if strings.HasPrefix(line, "user ") && strings.HasPrefix(word, "+") {
				rights = append(rights, word)
			}
		}
	}
	r = difftest.StartRedis(t, append([]string{"--include", path}, args...)...)
	return r, strings.Replace(r.URL, "://", "://bridge:pw@", 1), rights
}

// A user with the rights of deploy/redis-users.acl can do all that a store does.
func TestTheRightsInDeploySuffice(t *testing.T) {
	r, url, _ := narrow(t)
	difftest.TestStore(t, func(t *testing.T) diff.Store {
		t.Helper()
		do(t, raw(t, r), "FLUSHALL")
		return open(t, url)
	})
	facts, err := open(t, url).Check(t.Context())
	if err != nil || facts.Version == "" || !facts.ConfigAllowed {
		t.Errorf("got %+v, %v, want every fact", facts, err)
	}
	other := raw(t, r)
	do(t, other, "AUTH", "bridge", "pw")
	if err := other.Set(t.Context(), "elsewhere", "x", 0).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
		t.Errorf("got %v for a key that is not the bridge's", err)
	}
}

// In a cluster two rights more suffice.
func TestTheRightsInDeploySufficeInACluster(t *testing.T) {
	r, _, _ := narrow(t, "--cluster-enabled", "yes")
	admin := raw(t, r)
	do(t, admin, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
	do(t, admin, "ACL", "SETUSER", "bridge", "+cluster|slots", "+command")
	waitForCluster(t, admin)
	if err := useAll(t, "redis-cluster://bridge:pw@"+r.Addr); err != nil {
		t.Error(err)
	}
}

// Each right is needed: without it something fails, and says that a right is missing; outside of
// scripts Redis says which.
func TestEachRightIsNeeded(t *testing.T) {
	r, url, rights := narrow(t)
	admin := raw(t, r)
	if len(rights) < 10 {
		t.Fatalf("got the rights %q", rights)
	}
	for _, right := range rights {
		command := right[1:]
		do(t, admin, "FLUSHALL")
		do(t, admin, "SCRIPT", "FLUSH")
		do(t, admin, "ACL", "SETUSER", "bridge", "-"+command)
		err := useAll(t, url)
		if err == nil || !strings.Contains(err.Error(), "'"+command+"'") &&
			!strings.Contains(err.Error(), "The user executing the script can't run this command") {
			t.Errorf("without %s: got %v, want an error that says so", right, err)
		}
		do(t, admin, "ACL", "SETUSER", "bridge", right)
	}
	do(t, admin, "FLUSHALL")
	if err := useAll(t, url); err != nil {
		t.Errorf("with all rights: %v", err)
	}
}

// useAll does everything that a store can, and returns what went wrong.
func useAll(t *testing.T, url string) error {
	t.Helper()
	ctx := t.Context()
	s, err := redisstore.Open(ctx, redisstore.Config{URL: url})
	if err != nil {
		return err
	}
	defer s.Close() //nolint:errcheck // nothing is at stake
	lease, err := s.Acquire(ctx, north, "one", time.Minute)
	if err != nil {
		return err
	}
	held := (*diff.HeldError)(nil)
	if _, err := s.Acquire(ctx, north, "two", time.Minute); !errors.As(err, &held) {
		return err
	}
	c := diff.Commit{Account: north, Resource: patients, State: []byte("one"), Entries: map[schemas.ID][]byte{"7": []byte("x")}}
	if err := s.Commit(ctx, lease, c); err != nil {
		return err
	}
	if _, err := s.Load(ctx, north, patients, []schemas.ID{"7"}); err != nil {
		return err
	}
	if err := s.Each(ctx, north, patients, func(schemas.ID, []byte) error { return nil }); err != nil {
		return err
	}
	// A store that does not know the buckets reads the records in a second step.
	fresh, err := redisstore.Open(ctx, redisstore.Config{URL: url})
	if err != nil {
		return err
	}
	defer fresh.Close() //nolint:errcheck // nothing is at stake
	if _, err := fresh.Load(ctx, north, patients, []schemas.ID{"7"}); err != nil {
		return err
	}
	if err := errors.Join(s.PutNote(ctx, north, "n", nil, time.Minute), s.Renew(ctx, lease, time.Minute), s.Release(ctx, lease)); err != nil {
		return err
	}
	if _, err := s.Note(ctx, north, "n"); err != nil {
		return err
	}
	if _, err := s.Enlist(ctx, "team", "one", time.Minute); err != nil {
		return err
	}
	if _, err := s.Holders(ctx, []string{north}); err != nil {
		return err
	}
	if err := s.Delist(ctx, "team", "one"); err != nil {
		return err
	}
	facts, err := s.Check(ctx)
	switch {
	case err != nil:
		return err
	case facts.Version == "":
		return errors.New("INFO: without 'info' there are no facts")
	case !facts.ConfigAllowed:
		return errors.New("CONFIG GET: without 'config|get' there are no facts")
	}
	return nil
}
