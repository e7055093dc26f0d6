package redisstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const (
	north    = "northside"
	patients = schemas.Resource("patients")
)

func acquire(tb testing.TB, s *redisstore.Store) diff.Lease {
	tb.Helper()
	lease, err := s.Acquire(tb.Context(), north, "test", time.Hour)
	if err != nil {
		tb.Fatal(err)
	}
	return lease
}

// change is a commit of so many records, "0" and up, onto the state was ("": unknown).
func change(was, state string, records int) diff.Commit {
	c := diff.Commit{Account: north, Resource: patients, State: []byte(state), Entries: map[schemas.ID][]byte{}, Expect: records}
	if was != "" {
		c.Was = []byte(was)
	}
	for i := range records {
		c.Entries[schemas.ID(fmt.Sprint(i))] = []byte(state)
	}
	return c
}

func commit(t *testing.T, s *redisstore.Store, lease diff.Lease, c diff.Commit) {
	t.Helper()
	if err := s.Commit(t.Context(), lease, c); err != nil {
		t.Fatal(err)
	}
}

// wantRecords fails the test unless the state is want and the records "0" and up are of it, so many in all.
func wantRecords(t *testing.T, s *redisstore.Store, want string, records int) {
	t.Helper()
	ids := make([]schemas.ID, records)
	for i := range ids {
		ids[i] = schemas.ID(fmt.Sprint(i))
	}
	got, err := s.Load(t.Context(), north, patients, ids)
	if err != nil {
		t.Fatal(err)
	}
	if string(got.State) != want || got.Tracked != records {
		t.Errorf("got state %q and %d records, want %q and %d", got.State, got.Tracked, want, records)
	}
	for i, entry := range got.Entries {
		if string(entry) != want {
			t.Fatalf("record %d: got %q, want %q", i, entry, want)
		}
	}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited a minute until %s", what)
		}
	}
}

// Of a commit that Redis acknowledged nothing is lost when it is killed, and the store works on when it is back.
func TestKill(t *testing.T) {
	r := difftest.StartRedis(t)
	s := open(t, r.URL)
	lease := acquire(t, s)
	commit(t, s, lease, change("", "one", 50))
	r.Kill()
	err := s.Commit(t.Context(), lease, change("one", "two", 50))
	if err == nil || errors.Is(err, diff.ErrConflict) || errors.Is(err, diff.ErrLeaseLost) {
		t.Errorf("got %v of a Redis that is down", err)
	}
	if s.Ping(t.Context()) == nil {
		t.Error("it answers although it was killed")
	}
	r.Restart()
	wantRecords(t, s, "one", 50)
	commit(t, s, lease, change("one", "two", 50)) // scripts are lost by a restart, leases are not
	wantRecords(t, s, "two", 50)
}

// A commit whose reply is lost is neither repeated nor taken for a conflict: it is not known, and a load tells.
func TestLostReply(t *testing.T) {
	r := difftest.StartRedis(t)
	p := startProxy(t, r.Addr)
	s := open(t, "redis://"+p.addr)
	lease := acquire(t, s)
	commit(t, s, lease, change("", "one", 3))
	before := p.scripts.Load()
	p.cutNext.Store(true)
	err := s.Commit(t.Context(), lease, change("one", "two", 3))
	if err == nil || errors.Is(err, diff.ErrConflict) || errors.Is(err, diff.ErrLeaseLost) {
		t.Errorf("got %v, want an error that leaves it open", err)
	}
	if n := p.scripts.Load() - before; n != 1 {
		t.Errorf("the commit was sent %d times, want once", n)
	}
	wantRecords(t, s, "two", 3)
}

// Several processes share a store. One of them remembers the number of buckets of a resource that was flushed and
// came back with another: its loads and commits find the right ones all the same.
func TestStaleBuckets(t *testing.T) {
	r := difftest.StartRedis(t)
	admin := raw(t, r)
	a, b := open(t, r.URL), open(t, r.URL)
	sizes := []int{100, 20_000, 300}
	for round, size := range sizes {
		do(t, admin, "FLUSHALL")
		c := change("", "one", 100)
		c.Expect = size
		commit(t, a, acquire(t, a), c)
		wantRecords(t, b, "one", 100)
		commit(t, b, acquire(t, b), change("one", "two", 100))
		wantRecords(t, a, "two", 100)
		wantRecords(t, b, "two", 100)

		// b commits without a load in between, once to what a made anew and once as the first.
		do(t, admin, "FLUSHALL")
		c.Expect = sizes[(round+1)%len(sizes)]
		commit(t, a, acquire(t, a), c)
		commit(t, b, acquire(t, b), change("one", "two", 100))
		wantRecords(t, b, "two", 100)
		do(t, admin, "FLUSHALL")
		commit(t, b, acquire(t, b), c)
		wantRecords(t, a, "one", 100)
		wantRecords(t, b, "one", 100)
	}
}

// A flushed store knows nothing, whatever a process remembers, and a lease given after it has a higher token than any
// before: who slept through it all does not write.
func TestFlush(t *testing.T) {
	r := difftest.StartRedis(t)
	admin := raw(t, r)
	s := open(t, r.URL)
	old := acquire(t, s)
	commit(t, s, old, change("", "one", 3))
	do(t, admin, "FLUSHALL")
	got, err := s.Load(t.Context(), north, patients, []schemas.ID{"0"})
	if err != nil || got.State != nil || got.Entries[0] != nil || got.Tracked != 0 {
		t.Errorf("got %v and %v of a flushed store", got, err)
	}
	if err := s.Commit(t.Context(), old, change("", "one", 3)); !errors.Is(err, diff.ErrLeaseLost) {
		t.Errorf("got %v, want %v", err, diff.ErrLeaseLost)
	}
	lease := acquire(t, s)
	if lease.Token <= old.Token {
		t.Errorf("got token %d after %d", lease.Token, old.Token)
	}
	if err := s.Commit(t.Context(), old, change("", "one", 3)); !errors.Is(err, diff.ErrLeaseLost) {
		t.Errorf("got %v, want %v", err, diff.ErrLeaseLost)
	}
	// A clock that was set back does not lower a token either.
	do(t, admin, "SET", redisstore.TokenKey(north), "9007199254740000")
	if next := acquire(t, s); next.Token != 9007199254740001 {
		t.Errorf("got token %d, want the next one", next.Token)
	}
}

// A commit is refused whole if Redis has no memory for it.
func TestOutOfMemory(t *testing.T) {
	r := difftest.StartRedis(t)
	admin := raw(t, r)
	s := open(t, r.URL)
	lease := acquire(t, s)
	commit(t, s, lease, change("", "one", 3))
	do(t, admin, "CONFIG", "SET", "maxmemory", "1")
	if err := s.Commit(t.Context(), lease, change("one", "two", 3)); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("got %v, want an error of memory", err)
	}
	wantRecords(t, s, "one", 3)
}

// proxy stands between a store and Redis.
type proxy struct {
	addr    string
	cutNext atomic.Bool  // the next reply is dropped and its connection closed
	scripts atomic.Int64 // scripts that were sent
}

func startProxy(t *testing.T, server string) *proxy {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return // closed below
			}
			wg.Go(func() { p.serve(t, client, server) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait() // the store has been closed before, and with it every connection
	})
	return p
}

// serve forwards both ways until one side ends.
func (p *proxy) serve(t *testing.T, client net.Conn, server string) {
	t.Helper()
	upstream, err := net.Dial("tcp", server) //nolint:noctx // the loopback interface
	if err != nil {
		t.Error(err)
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		forward(client, upstream, func(b []byte) bool {
			p.scripts.Add(int64(bytes.Count(bytes.ToLower(b), []byte("\r\nevalsha\r\n"))))
			return true
		})
	}()
	forward(upstream, client, func([]byte) bool { return !p.cutNext.CompareAndSwap(true, false) })
	<-done
}

// forward copies from one to the other as long as pass says so, and closes both.
func forward(from, to net.Conn, pass func([]byte) bool) {
	defer from.Close() //nolint:errcheck // a cut connection is what this is for
	defer to.Close()   //nolint:errcheck // as above
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if err != nil || !pass(buf[:n]) {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
