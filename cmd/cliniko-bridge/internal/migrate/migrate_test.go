package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

var errKilled = errors.New("killed")

// moveTo moves, and is killed before the nth step; 0: never. steps is how many it came to.
func moveTo(t *testing.T, from, to *config.Config, nth int) (report *Report, steps int, err error) {
	t.Helper()
	batches := 0
	report, err = Run(t.Context(), Options{From: from, To: to, step: func(name string) error {
		if name == "batch" {
			if batches++; batches > 2 {
				return nil // one is like another
			}
		}
		if steps++; steps == nth {
			return errKilled
		}
		return nil
	}})
	return report, steps, err
}

// starts says what a bridge says that is started with cfg: nil if it begins its work.
func starts(t *testing.T, cfg *config.Config) error {
	t.Helper()
	b, err := bridge.New(cfg, bridge.Options{Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			if b.Opened() {
				stop()
				return <-ended
			}
		}
	}
}

// A move that was begun with fewer accounts is gone on with, and writes over nothing that another account has there by now.
func TestAMoveThatIsGoneOnWithSparesAnAccountThatCameSince(t *testing.T) {
	from, to := inside(t, t.TempDir()), servers(t)
	history(t, from)
	one := *from
	one.Accounts = from.Accounts[:1]
	if _, _, err := moveTo(t, &one, to, 3); !errors.Is(err, errKilled) { // all marks are set
		t.Fatal(err)
	}
	mine := diff.Commit{Account: "harbour", Resource: "patients", State: []byte(`{"of":"another bridge"}`)}
	with(t, to, func(s *side) {
		lease, err := s.store.Acquire(t.Context(), "harbour", "test", time.Minute)
		if err == nil {
			err = errors.Join(s.store.Commit(t.Context(), lease, mine), s.store.Release(t.Context(), lease))
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if _, _, err := moveTo(t, from, to, 0); err == nil || !strings.Contains(err.Error(), "holds patients of the account harbour already") {
		t.Errorf("error is %v", err)
	}
	with(t, to, func(s *side) {
		if snap, err := s.store.Load(t.Context(), "harbour", "patients", nil); err != nil || string(snap.State) != string(mine.State) {
			t.Errorf("harbour's state is %q, %v", snap.State, err)
		}
	})
}

// A bridge that was started on the target just before a move has set its marks waits for the leases that the move holds. It
// does not begin on the half that the move leaves when it is killed.
func TestABridgeThatWaitedForAMoveDoesNotBeginOnItsHalf(t *testing.T) {
	for _, half := range []string{"store", "stream"} {
		to := servers(t)
		with(t, to, func(s *side) {
			var leases []diff.Lease
			for _, account := range []string{"northside", "harbour"} {
				lease, err := s.store.Acquire(t.Context(), account, "migrate", time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				leases = append(leases, lease)
			}
			b, err := bridge.New(to, bridge.Options{Log: zap.NewNop()})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			ended := make(chan error, 1)
			go func() { ended <- b.Run(ctx) }()
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for !b.Opened() && ctx.Err() == nil {
				<-tick.C
			}
			if half == "stream" {
				err = bridge.PutStreamMove(ctx, s.stream.checkpoints, bridge.Move{From: "elsewhere"})
			}
			for _, lease := range leases {
				if half == "store" {
					err = errors.Join(err, bridge.PutMove(ctx, s.store, lease.Account, bridge.Move{From: "elsewhere"}))
				}
				err = errors.Join(err, s.store.Release(ctx, lease))
			}
			if err != nil {
				t.Fatal(err)
			}
			refused := func() int { return strings.Count(strings.Join(b.Ready(ctx), "\n"), "is not whole yet") }
			for refused() < 2 && ctx.Err() == nil {
				<-tick.C
			}
			if ctx.Err() != nil {
				t.Errorf("half a %s: it says %q", half, b.Ready(t.Context()))
			}
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// In every direction, a move that is killed at any step leaves the old side as it was and no bridge beginning on a half; run again
// it ends with every byte where a bridge looks for it. Once more it refuses: a bridge may have gone on.
func TestAMoveThatIsKilledAnywhereIsEndedByTheNext(t *testing.T) {
	t.Run("embedded to servers", func(t *testing.T) {
		t.Parallel()
		to := servers(t)
		killedAnywhere(t, inside(t, t.TempDir()), 1, func() *config.Config { clean(t, to); return to })
	})
	t.Run("servers to embedded", func(t *testing.T) {
		t.Parallel() // some of it is waiting for the disk
		killedAnywhere(t, servers(t), 3, func() *config.Config { return inside(t, t.TempDir()) })
	})
}

// killedAnywhere moves what is at from into an empty place for each step, or each so many.
func killedAnywhere(t *testing.T, from *config.Config, each int, empty func() *config.Config) {
	t.Helper()
	history(t, from)
	store, stream := contents(t, from)
	last := 1
	var to *config.Config
	for nth := 1; nth <= last; nth += each {
		to = empty()
		if _, _, err := moveTo(t, from, to, nth); !errors.Is(err, errKilled) {
			t.Fatalf("step %d: got %v, want %v", nth, err, errKilled)
		}
		if nth%3 == 0 {
			if s, e := contents(t, from); s != store || e != stream {
				t.Fatalf("killed at step %d it has changed what it moves", nth)
			}
		}
		setup := (*bridge.SetupError)(nil)
		if nth > 1 && nth%5 < 2 { // a bridge takes a while to start and stop
			if err := starts(t, to); !errors.As(err, &setup) || !strings.Contains(err.Error(), "run it again") {
				t.Fatalf("killed at step %d: a bridge that is started on the target says %v", nth, err)
			}
		}
		report, steps, err := moveTo(t, from, to, 0)
		if err != nil {
			t.Fatalf("after step %d: %v", nth, err)
		}
		if s, e := contents(t, to); s != store || e != stream {
			t.Fatalf("after step %d: got\n%.2000s\n%s\nwant\n%.2000s\n%s", nth, s, e, store, stream)
		}
		if report.Resumed != (nth > 1) {
			t.Errorf("after step %d: resumed is %t", nth, report.Resumed)
		}
		last = max(last, steps)
	}
	if last < 11 {
		t.Errorf("%d steps are fewer than there should be", last)
	}
	if _, _, err := moveTo(t, from, to, 0); err == nil || !strings.Contains(err.Error(), "moved already") {
		t.Errorf("moved twice: got %v", err)
	}
	if err := starts(t, to); err != nil {
		t.Errorf("a bridge does not start where all was moved to: %v", err)
	}
}

// What is in the same place in both configurations stays there, and the other half goes with it.
func TestOneHalfIsMovedAlone(t *testing.T) {
	dir, far := t.TempDir(), servers(t)
	redis := load(t, fmt.Sprintf("data_dir: %q\nstate: {redis_url: %q, fingerprint_key: %s}\nnats: {%s}\n", dir, far.State.RedisURL.Reveal(), key, subject))
	history(t, inside(t, dir))
	store, stream := contents(t, inside(t, dir))
	report, _, err := moveTo(t, inside(t, dir), redis, 0)
	if err != nil || report.Stream != nil || report.Store == nil {
		t.Fatalf("the store alone: %+v, %v", report, err)
	}
	if s, e := contents(t, redis); s != store || e != stream {
		t.Errorf("the store alone: got\n%.2000s\n%s", s, e)
	}
	both := load(t, fmt.Sprintf("data_dir: %q\nstate: {redis_url: %q, fingerprint_key: %s}\nnats: {url: %q, %s}\n",
		dir, far.State.RedisURL.Reveal(), key, far.NATS.URL.Reveal(), subject))
	report, _, err = moveTo(t, redis, both, 0)
	if err != nil || report.Stream == nil || report.Store != nil {
		t.Fatalf("the stream alone: %+v, %v", report, err)
	}
	if len(report.Consumers) != 1 || report.Consumers[0] != (Consumer{"reminders", 8}) {
		t.Errorf("got consumers %v", report.Consumers)
	}
	if s, e := contents(t, both); s != store || e != stream {
		t.Errorf("the stream alone: got\n%.2000s\n%s", s, e)
	}
}

// A dry run says what there is, and makes nothing.
func TestADryRunMakesNothing(t *testing.T) {
	from, dir := inside(t, t.TempDir()), filepath.Join(t.TempDir(), "new")
	history(t, from)
	report, err := Run(t.Context(), Options{From: from, To: inside(t, dir), DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if report.Events != (Events{Count: 9, First: 3, Last: 12}) || len(report.Accounts) != 2 || report.Accounts[0] != (Account{"northside", 3, 2*batch + 3}) {
		t.Errorf("got %+v", report)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was made: %v", dir, err)
	}
}

// A move does not begin where it could not end well, and says why.
func TestWhatCannotBeMovedIsRefused(t *testing.T) {
	t.Parallel() // some of it is waiting
	from, to := inside(t, t.TempDir()), servers(t)
	history(t, from)
	refused := func(name string, from, to *config.Config, want string) {
		t.Helper()
		if _, _, err := moveTo(t, from, to, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	refused("to itself", from, from, "there is nothing to move")
	other := *to
	other.NATS.Subject = "clinic.{account}.{resource}.{verb}"
	refused("another subject", from, &other, "events keep their subjects")
	other = *to
	other.Accounts = to.Accounts[:1]
	refused("an account less", from, &other, "the account harbour is not in the new configuration")
	other = *to
	other.State.FingerprintKey = config.NewSecret(strings.Repeat("x", 32))
	refused("another key", from, &other, "another key for the fingerprints")
	refused("nothing there", inside(t, t.TempDir()), to, "is data_dir right?")

	with(t, from, func(*side) { refused("a bridge with the file", from, to, "a bridge is running on "+from.DataDir) })
	with(t, to, func(s *side) {
		lease, err := s.store.Acquire(t.Context(), "harbour", "host/7", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		refused("a bridge on the target", from, to, "a bridge is running on the account harbour: host/7")
		if err := s.store.Release(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
		if _, err := s.stream.js.Publish(t.Context(), "cliniko.northside.patients.updated", []byte("{}")); err != nil {
			t.Fatal(err)
		}
	})
	refused("a stream with messages", from, to, "has had 1 messages already")
	clean(t, to)
	with(t, to, func(s *side) {
		lease, err := s.store.Acquire(t.Context(), "harbour", "test", time.Minute)
		if err == nil {
			err = s.store.Commit(t.Context(), lease, diff.Commit{Account: "harbour", Resource: "taxes", State: []byte("{}")})
		}
		if err = errors.Join(err, s.store.Release(t.Context(), lease)); err != nil {
			t.Fatal(err)
		}
	})
	refused("a store with records", from, to, "holds taxes of the account harbour already")
	clean(t, to)
	if _, _, err := moveTo(t, from, to, 5); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	elsewhere := inside(t, t.TempDir())
	history(t, elsewhere)
	refused("another's half", elsewhere, to, "what was moved there from elsewhere")
}

// What is compared at the end is every byte: a move that finds another one does not end.
func TestAMoveThatFindsADifferenceDoesNotEnd(t *testing.T) {
	from, to := inside(t, t.TempDir()), servers(t)
	history(t, from)
	opts, err := redis.ParseURL(to.State.RedisURL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opts)
	defer func() { _ = client.Close() }()
	meddle := map[string]func(){
		"record ": func() {
			id := client.HKeys(t.Context(), "cliniko:{northside}:patients:r:3").Val()[0]
			client.HSet(t.Context(), "cliniko:{northside}:patients:r:3", id, "other")
		},
		"the number": func() { client.HIncrBy(t.Context(), "cliniko:{northside}:patients:meta", "tracked", 1) },
		"its state":  func() { client.HSet(t.Context(), "cliniko:{harbour}:settings:meta", "state", "other") },
		"a shape":    func() { client.HDel(t.Context(), "cliniko:{harbour}:taxes:meta", "s:7") },
		"messages": func() {
			with(t, to, func(s *side) {
				if found, err := s.stream.js.Stream(t.Context(), s.stream.name); err != nil || found.DeleteMsg(t.Context(), 8) != nil {
					t.Error(err)
				}
			})
		},
	}
	for what, change := range meddle {
		clean(t, to)
		_, err := Run(t.Context(), Options{From: from, To: to, step: func(name string) error {
			if name == "compare" {
				change()
			}
			return nil
		}})
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: got %v", what, err)
		}
		if err := starts(t, to); err == nil {
			t.Errorf("%s: a bridge starts all the same", what)
		}
	}
}

// A lease that is lost ends the move.
func TestALostLeaseEndsTheMove(t *testing.T) {
	from, to := servers(t), servers(t)
	history(t, from)
	_, err := Run(t.Context(), Options{From: from, To: to, step: func(name string) error {
		if name != "records" {
			return nil
		}
		opts, err := redis.ParseURL(to.State.RedisURL.Reveal())
		if err != nil {
			return err
		}
		client := redis.NewClient(opts)
		defer func() { _ = client.Close() }()
		return client.Set(t.Context(), "cliniko:{harbour}:.lease", "99 another", time.Minute).Err()
	}})
	if !errors.Is(err, diff.ErrLeaseLost) {
		t.Errorf("got %v, want %v", err, diff.ErrLeaseLost)
	}
}
