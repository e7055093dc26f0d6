package redisstore

import (
	"hash/fnv"
	"math/bits"
	"strconv"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Every key of the store is built here:
//
//	cliniko:{<account>}:<resource>:meta   HASH    no expiry
//	    state                                     the state, as the last commit set it
//	    buckets                                   how many buckets the resource has, a power of two, never changed
//	    tracked                                   how many records are in them
//	    s:<number in hex>                         a shape
//	cliniko:{<account>}:<resource>:r:<n>  HASH    record id → entry; n from 0 to buckets-1; no expiry
//	cliniko:{<account>}:.lease            STRING  "<token> <holder>"; expires with the lease
//	cliniko:{<account>}:.token            STRING  the last token that was given; no expiry
//	cliniko:{<account>}:.note:<name>      STRING  a note; expires as its writer asked
//	cliniko:.team:<team>                  ZSET    holder → until when it is on the list, Unix milliseconds of Redis's clock;
//	                                              expires with the last of them
//
// An account's name is of [a-z0-9-] and a resource's of [a-z0-9_], so that no two of these meet: no resource begins
// with a dot.
const prefix = "cliniko:{"

func metaKey(account string, resource schemas.Resource) string {
	return prefix + account + "}:" + string(resource) + ":meta"
}

func bucketKey(account string, resource schemas.Resource, n int) string {
	return prefix + account + "}:" + string(resource) + ":r:" + strconv.Itoa(n)
}

func leaseKey(account string) string { return prefix + account + "}:.lease" }

func tokenKey(account string) string { return prefix + account + "}:.token" }

func noteKey(account, name string) string { return prefix + account + "}:.note:" + name }

func teamKey(team string) string { return "cliniko:.team:" + team }

// Fields of a meta hash.
const (
	stateField   = "state"
	bucketsField = "buckets"
	trackedField = "tracked"
	shapePrefix  = "s:"
)

const (
	minBuckets = 16
	// firstFill is about how many records a bucket holds if the resource is as large as was expected. A bucket stays
	// packed up to hash-max-listpack-entries, 512 by default: the resource may grow to five times that size
	// before its buckets take more memory, and work goes on all the same.
	firstFill = 96
)

// bucketsFor is how many buckets a resource gets that is to hold so many records: a power of two, so that none holds
// more than firstFill records and, above the least number, none less than half of that.
func bucketsFor(records int) int {
	n := (max(records, 1) + firstFill - 1) / firstFill
	return max(minBuckets, 1<<bits.Len(uint(n-1)))
}

// bucketOf is the bucket of id among buckets, a power of two. It must never change: entries are found by it.
func bucketOf(id schemas.ID, buckets int) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // a hash takes every write
	sum := h.Sum64()
	return int((sum ^ sum>>32) & uint64(buckets-1)) // the low bits alone hardly mix ids that differ in one digit
}
