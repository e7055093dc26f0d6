package diff

import (
	"cmp"
	"slices"

	"github.com/dchest/siphash"
)

// Share says which of holders is to have each account, by the account's name. Neither list may name one twice; without
// holders nobody has anything.
//
// Whoever knows the same names comes to the same answer, in whatever order the lists are, so that nobody has to be asked. It
// is rendezvous hashing with bounded load: each account goes to the holder with which its name hashes highest among
// those that have room, and no two holders have numbers of accounts that differ by more than one. A holder that comes or
// goes moves its own share and few others: those that had found no room, or find none any more.
//
// Bridges that share accounts out have to agree on this function: it must not change in passing.
func Share(accounts, holders []string) map[string]string {
	shares := make(map[string]string, len(accounts))
	if len(holders) == 0 {
		return shares
	}
	type pair struct {
		score           uint64
		account, holder string
	}
	pairs := make([]pair, 0, len(accounts)*len(holders))
	for _, account := range accounts {
		for _, holder := range holders {
			score := siphash.Hash(0, 0, []byte(account+"\x00"+holder))
			pairs = append(pairs, pair{score, account, holder})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.account, b.account), cmp.Compare(a.holder, b.holder))
	})
	load := make(map[string]int, len(holders))
	each, more := len(accounts)/len(holders), len(accounts)%len(holders) // so many holders have one more
	for _, p := range pairs {
		if _, ok := shares[p.account]; ok {
			continue
		}
		switch n := load[p.holder]; {
		case n < each:
		case n == each && more > 0:
			more--
		default:
			continue
		}
		load[p.holder]++
		shares[p.account] = p.holder
	}
	return shares
}
