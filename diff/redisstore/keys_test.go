package redisstore

import (
	"fmt"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A resource of the size that was expected has packed buckets, and room to grow to four times that size.
func TestBucketsFor(t *testing.T) {
	for _, tt := range []struct{ records, want int }{
		{0, 16}, {1, 16}, {16 * firstFill, 16}, {16*firstFill + 1, 32}, {10_000, 128}, {100_000, 2048}, {1_000_000, 16384},
	} {
		if got := bucketsFor(tt.records); got != tt.want {
			t.Errorf("%d records: got %d buckets, want %d", tt.records, got, tt.want)
		}
	}
	for records := 1; records < 10_000_000; records += records/3 + 1 {
		n := bucketsFor(records)
		if fill := float64(records) / float64(n); fill > firstFill || n > minBuckets && fill <= firstFill/2 || n&(n-1) != 0 {
			t.Errorf("%d records: got %d buckets with %.0f each", records, n, fill)
		}
	}
}

// Where an id is found may never change: these were written down once.
func TestBucketOfIsFixed(t *testing.T) {
	for id, want := range map[schemas.ID]int{"": 49089, "1": 14000, "343589": 42983, "18446744073709551615": 39743, "\x00\xff": 57959} {
		if got := bucketOf(id, 1<<16); got != want {
			t.Errorf("id %q: got bucket %d, want %d", id, got, want)
		}
	}
}

// Ids as they come, one after the other or in steps, fill all buckets alike. At random the fullest of 256 buckets
// with 64 records each on average has about 90.
func TestBucketsFillAlike(t *testing.T) {
	const buckets, fill = 256, 64
	for _, step := range []int{1, 2, 5, 8, 10, 16, 256, 1000, 1024, 65536} {
		for _, start := range []int{1, 1_700_000_000_000_000_000} {
			counts := make([]int, buckets)
			for i := range buckets * fill {
				counts[bucketOf(schemas.ID(fmt.Sprint(start+i*step)), buckets)]++
			}
			fullest := 0
			for _, n := range counts {
				fullest = max(fullest, n)
			}
			if fullest > 2*fill {
				t.Errorf("from %d in steps of %d: the fullest bucket has %d records, want about %d", start, step, fullest, fill)
			}
		}
	}
}
