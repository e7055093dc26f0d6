package filestore_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/filestore"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const (
	north    = "northside"
	patients = schemas.Resource("patients")
)

func TestMain(m *testing.M) {
	if path := os.Getenv("FILESTORE_CRASH"); path != "" {
		writeUntilKilled(path)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func TestStore(t *testing.T) {
	difftest.TestStore(t, func(t *testing.T) diff.Store {
		t.Helper()
		return open(t, filepath.Join(t.TempDir(), "state.db"))
	})
}

func open(tb testing.TB, path string) *filestore.Store {
	tb.Helper()
	s, err := filestore.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() }) // a test may have closed it already
	return s
}

func change(was, state string) diff.Commit {
	c := diff.Commit{
		Account: north, Resource: patients, State: []byte(state), Shapes: map[uint32]string{1: state},
		Entries: map[schemas.ID][]byte{schemas.ID(state): []byte(state)},
	}
	if was != "" {
		c.Was = []byte(was)
	}
	return c
}

func acquire(tb testing.TB, s *filestore.Store) diff.Lease {
	tb.Helper()
	lease, err := s.Acquire(tb.Context(), north, "test", time.Hour)
	if err != nil {
		tb.Fatal(err)
	}
	return lease
}

// What was committed is there when the file is opened again. A lease from before is void, and tokens rise on.
func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	old := acquire(t, s)
	if err := s.Commit(t.Context(), old, change("", "one")); err != nil {
		t.Fatal(err)
	}
	if err := s.PutNote(t.Context(), north, "edition", []byte("2017"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, path)
	if err := s.Commit(t.Context(), old, change("one", "two")); !errors.Is(err, diff.ErrLeaseLost) {
		t.Errorf("got %v under a lease of the process before, want %v", err, diff.ErrLeaseLost)
	}
	if err := s.Renew(t.Context(), old, time.Hour); !errors.Is(err, diff.ErrLeaseLost) {
		t.Errorf("got %v, want %v", err, diff.ErrLeaseLost)
	}
	lease, err := s.Acquire(t.Context(), north, "another", time.Hour)
	if err != nil || lease.Token <= old.Token {
		t.Fatalf("got token %d and %v, want one above %d at once", lease.Token, err, old.Token)
	}
	got, err := s.Load(t.Context(), north, patients, []schemas.ID{"one", "two"})
	if err != nil {
		t.Fatal(err)
	}
	if string(got.State) != "one" || string(got.Entries[0]) != "one" || got.Entries[1] != nil || got.Shapes[1] != "one" || got.Tracked != 1 {
		t.Errorf("got %+v", got)
	}
	if note, err := s.Note(t.Context(), north, "edition"); err != nil || string(note) != "2017" {
		t.Errorf("got note %q and %v", note, err)
	}
	if err := s.Commit(t.Context(), lease, change("one", "two")); err != nil {
		t.Error(err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path)
	_, err := filestore.Open(path)
	if !errors.Is(err, filestore.ErrInUse) || err.Error() != "open "+path+": another process has it open" {
		t.Errorf("got %v, want %v", err, filestore.ErrInUse)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "no-folder", "state.db"), dir, other} {
		_, err := filestore.Open(path)
		if err == nil || !strings.HasPrefix(err.Error(), "open "+path+": ") || errors.Is(err, filestore.ErrInUse) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// A file that is not ours, or not whole, is refused before anything is read from it or written to it: a missing end is a
// fault of the machine where the file is mapped.
func TestWhatIsNoStoreIsRefused(t *testing.T) {
	full := filepath.Join(t.TempDir(), "state.db")
	s := open(t, full)
	lease, was := acquire(t, s), []byte(nil)
	for i := range 50 {
		state := []byte(strings.Repeat(strconv.Itoa(i), 3000))
		if err := s.Commit(t.Context(), lease, diff.Commit{Account: north, Resource: patients, Was: was, State: state}); err != nil {
			t.Fatal(err)
		}
		was = state
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(full)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 4096, 8192, 12288, 16384, len(whole) / 2} {
		cut := filepath.Join(t.TempDir(), "state.db")
		if err := os.WriteFile(cut, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := filestore.Open(cut); !errors.Is(err, filestore.ErrForeign) {
			t.Errorf("cut off after %d of %d bytes: got %v, want %v", size, len(whole), err, filestore.ErrForeign)
			if err == nil {
				_ = s.Close()
			}
		}
		if after, err := os.ReadFile(cut); err != nil || len(after) != size {
			t.Errorf("it was changed: %d bytes, %v", len(after), err)
		}
	}

	other := filepath.Join(t.TempDir(), "state.db")
	db, err := bbolt.Open(other, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("users"))
		if err != nil {
			return err
		}
		return b.Put([]byte("of"), []byte("another program"))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := filestore.Open(other); !errors.Is(err, filestore.ErrForeign) || !strings.Contains(err.Error(), `the bucket "users" is another program's`) {
		t.Errorf("another program's: got %v, want %v", err, filestore.ErrForeign)
	}
}

// Nobody else on the machine reads it.
func TestFileMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	open(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v and %v, want 0600", info.Mode(), err)
	}
}

// A process that is killed while it commits leaves a file that opens, with the last commit whole and none after it.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	told := 0
	for range 3 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "FILESTORE_CRASH="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 1) // one byte for each commit that returned
		for range 10 {
			if _, err := out.Read(buf); err != nil {
				t.Fatal(err)
			}
			told++
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for { // what it told before it died
			n, err := out.Read(buf)
			told += n
			if err != nil {
				break
			}
		}
		_ = cmd.Wait() // it was killed

		s := open(t, path)
		got, err := s.Load(t.Context(), north, patients, nil)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(string(got.State))
		if err != nil || n < told || got.Tracked != 20*n {
			t.Errorf("got state %q and %d records after %d commits", got.State, got.Tracked, told)
		}
		told = n
		ids := make([]schemas.ID, 20*n+20)
		for i := range ids {
			ids[i] = schemas.ID(strconv.Itoa(i))
		}
		if got, err = s.Load(t.Context(), north, patients, ids); err != nil {
			t.Fatal(err)
		}
		for i, entry := range got.Entries {
			if (entry != nil) != (i < 20*n) {
				t.Errorf("record %d: got %q after %d commits of 20", i, entry, n)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// writeUntilKilled is the process that TestKill kills: it commits 20 records at a time and prints a byte after each. It returns if
// something fails.
func writeUntilKilled(path string) {
	s, err := filestore.Open(path)
	if err != nil {
		return
	}
	ctx := context.Background()
	lease, err := s.Acquire(ctx, north, "victim", time.Hour)
	if err != nil {
		return
	}
	for {
		snap, err := s.Load(ctx, north, patients, nil)
		if err != nil {
			return
		}
		n := 0
		if snap.State != nil {
			if n, err = strconv.Atoi(string(snap.State)); err != nil {
				return
			}
		}
		c := diff.Commit{
			Account: north, Resource: patients, Was: snap.State, State: strconv.AppendInt(nil, int64(n+1), 10),
			Entries: map[schemas.ID][]byte{},
		}
		for i := range 20 {
			c.Entries[schemas.ID(strconv.Itoa(20*n+i))] = []byte("entry")
		}
		if err := s.Commit(ctx, lease, c); err != nil {
			return
		}
		if _, err := os.Stdout.WriteString("."); err != nil {
			return
		}
	}
}

// BenchmarkCommit commits pages of 100 random ones of 100,000 records, with sync: the disk sets the pace.
func BenchmarkCommit(b *testing.B) {
	const records = 100_000
	for _, changed := range []int{0, 5, 100} {
		b.Run("changed="+strconv.Itoa(changed), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "state.db"))
			lease := acquire(b, s)
			c := diff.Commit{Account: north, Resource: patients, State: []byte("0"), Entries: map[schemas.ID][]byte{}}
			for i := range records {
				c.Entries[schemas.ID(strconv.Itoa(i))] = make([]byte, 84)
			}
			if err := s.Commit(b.Context(), lease, c); err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				n++
				c.Was, c.State, c.Entries = c.State, strconv.AppendInt(nil, int64(n), 10), map[schemas.ID][]byte{}
				for range changed {
					c.Entries[schemas.ID(strconv.Itoa(rand.IntN(records)))] = make([]byte, 84)
				}
				if err := s.Commit(b.Context(), lease, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
