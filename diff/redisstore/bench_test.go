package redisstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// entrySize is what an entry of a record with 30 fields takes.
const entrySize = 84

// BenchmarkRedisBytesPerRecord tells how much memory Redis takes for a record: a million of them, or BENCH_RECORDS,
// with 19-digit ids. The promise is at most 110 bytes with hash-max-listpack-value 128; with Redis's default of 64
// the hashes are not packed.
func BenchmarkRedisBytesPerRecord(b *testing.B) {
	records := 1_000_000
	if text := os.Getenv("BENCH_RECORDS"); text != "" {
		var err error
		if records, err = strconv.Atoi(text); err != nil {
			b.Fatalf("BENCH_RECORDS: %v", err)
		}
	}
	for name, args := range map[string][]string{
		"listpack-value=128":     {"--hash-max-listpack-value", "128"},
		"listpack-value=default": nil,
	} {
		b.Run(name, func(b *testing.B) {
			r := difftest.StartRedis(b, append([]string{"--appendonly", "no"}, args...)...)
			admin := raw(b, r)
			s := openBench(b, r)
			// One account now, so that connections and scripts are there before.
			fill(b, s, "warm", 1000)
			before := usedMemory(b, admin)
			fill(b, s, "measured", records)
			b.ReportMetric(float64(usedMemory(b, admin)-before)/float64(records), "B/record")
			b.ReportMetric(0, "ns/op") // it is one run, however often it is asked for
		})
	}
}

// BenchmarkLoadCommit compares pages of 100 records, loaded and then committed with some of them changed, with a bare
// client that sends the same HMGET and HSET and checks nothing. 400,000 records are there.
func BenchmarkLoadCommit(b *testing.B) {
	const accounts, records, page = 8, 50_000, 100
	r := difftest.StartRedis(b, "--appendonly", "no", "--hash-max-listpack-value", "128")
	s := openBench(b, r)
	admin := raw(b, r)
	for a := range accounts {
		fill(b, s, accountName(a), records)
	}
	buckets, err := strconv.Atoi(do(b, admin, "HGET", redisstore.MetaKey(accountName(0), patients), "buckets").(string))
	if err != nil {
		b.Fatal(err)
	}
	for _, workers := range []int{1, accounts} {
		for _, changed := range []int{0, 5, page} {
			b.Run(fmt.Sprintf("workers=%d/changed=%d", workers, changed), func(b *testing.B) {
				store := make([]func() error, workers)
				bare := make([]func() error, workers)
				for w := range workers {
					store[w] = storePages(b, s, accountName(w), records, page, changed)
					bare[w] = barePages(b, admin, accountName(w), records, page, changed, buckets)
				}
				// In turns, so that what else the machine does falls on both.
				const turns = 10
				var storeTook, bareTook time.Duration
				for turn := range turns {
					pages := b.N*(turn+1)/turns - b.N*turn/turns
					storeTook += timePages(b, pages, store)
					bareTook += timePages(b, pages, bare)
				}
				b.ReportMetric(float64(b.N)/storeTook.Seconds(), "pages/s")
				b.ReportMetric(float64(b.N)/bareTook.Seconds(), "bare-pages/s")
				b.ReportMetric(bareTook.Seconds()/storeTook.Seconds(), "ratio")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func accountName(i int) string { return fmt.Sprintf("account-%d", i) }

func openBench(b *testing.B, r *difftest.Redis) *redisstore.Store {
	b.Helper()
	s, err := redisstore.Open(b.Context(), redisstore.Config{URL: r.URL})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// recordID is the 19-digit id of the i-th record.
func recordID(i int) schemas.ID { return schemas.ID(strconv.Itoa(1_000_000_000_000_000_000 + i*7919)) }

// newEntry is random bytes: nothing in it can be packed.
func newEntry(random *rand.ChaCha8) []byte {
	entry := make([]byte, entrySize)
	_, _ = random.Read(entry) // never an error
	return entry
}

// fill commits so many records in pages of 500.
func fill(b *testing.B, s *redisstore.Store, account string, records int) {
	b.Helper()
	lease, err := s.Acquire(b.Context(), account, "bench", time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{1})
	var was []byte
	for at := 0; at < records; at += 500 {
		c := diff.Commit{
			Account: account, Resource: patients, Was: was, State: strconv.AppendInt(nil, int64(at), 10),
			Entries: make(map[schemas.ID][]byte, 500), Expect: records,
		}
		for i := at; i < min(at+500, records); i++ {
			c.Entries[recordID(i)] = newEntry(random)
		}
		if err := s.Commit(b.Context(), lease, c); err != nil {
			b.Fatal(err)
		}
		was = c.State
	}
}

func usedMemory(b *testing.B, c *redis.Client) int {
	b.Helper()
	info, err := c.InfoMap(b.Context(), "memory").Result()
	if err != nil {
		b.Fatal(err)
	}
	n, err := strconv.Atoi(info["Memory"]["used_memory"])
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// timePages has the workers do so many pages together.
func timePages(b *testing.B, pages int, workers []func() error) time.Duration {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(pages))
	var wg sync.WaitGroup
	begin := time.Now()
	for _, page := range workers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := page(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begin)
}

func somePage(random *rand.Rand, records, page int) []schemas.ID {
	ids := make([]schemas.ID, page)
	for i := range ids {
		ids[i] = recordID(random.IntN(records))
	}
	return ids
}

func storePages(b *testing.B, s *redisstore.Store, account string, records, page, changed int) func() error {
	b.Helper()
	source := rand.NewChaCha8([32]byte{2})
	random := rand.New(source) //nolint:gosec // nobody guesses it
	lease, err := s.Acquire(b.Context(), account, "bench", time.Hour)
	if err != nil {
		b.Error(err)
	}
	n := 0
	return func() error {
		n++
		ids := somePage(random, records, page)
		snap, err := s.Load(b.Context(), account, patients, ids)
		if err != nil {
			return err
		}
		c := diff.Commit{
			Account: account, Resource: patients, Was: snap.State, State: fmt.Appendf(nil, "page %d", n),
			Entries: make(map[schemas.ID][]byte, changed),
		}
		for _, id := range ids[:changed] {
			c.Entries[id] = newEntry(source)
		}
		return s.Commit(b.Context(), lease, c)
	}
}

func barePages(b *testing.B, c *redis.Client, account string, records, page, changed, buckets int) func() error {
	b.Helper()
	source := rand.NewChaCha8([32]byte{2})
	random := rand.New(source) //nolint:gosec // nobody guesses it
	meta := redisstore.MetaKey(account, patients)
	key := func(id schemas.ID) string {
		return redisstore.BucketKey(account, patients, redisstore.BucketOf(id, buckets))
	}
	do := func(ctx context.Context, f func(redis.Pipeliner)) error {
		_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
			f(p)
			return nil
		})
		return err
	}
	return func() error {
		ids := somePage(random, records, page)
		err := do(b.Context(), func(p redis.Pipeliner) {
			p.HGetAll(b.Context(), meta)
			for _, id := range ids {
				p.HMGet(b.Context(), key(id), string(id))
			}
		})
		if err != nil {
			return err
		}
		return do(b.Context(), func(p redis.Pipeliner) {
			p.HSet(b.Context(), meta, "state", "page")
			for _, id := range ids[:changed] {
				p.HSet(b.Context(), key(id), string(id), newEntry(source))
			}
		})
	}
}
