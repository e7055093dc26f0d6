package diff_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// names draws up to most different names, in any order.
func names(t *rapid.T, prefix string, least, most int) []string {
	numbers := rapid.SliceOfNDistinct(rapid.IntRange(0, 1_000_000), least, most, rapid.ID[int]).Draw(t, prefix)
	list := make([]string, len(numbers))
	for i, n := range numbers {
		list[i] = fmt.Sprintf("%s-%d", prefix, n)
	}
	return list
}

// Every account is one holder's, and no holder has two more than another.
func TestSharesAreWholeAndEven(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		accounts, holders := names(rt, "clinic", 0, 200), names(rt, "pod", 1, 12)
		shares := diff.Share(accounts, holders)
		load := make(map[string]int)
		for _, account := range accounts {
			if !slices.Contains(holders, shares[account]) {
				rt.Errorf("%s is the share of %q", account, shares[account])
			}
			load[shares[account]]++
		}
		if len(shares) != len(accounts) {
			rt.Errorf("%d shares for %d accounts", len(shares), len(accounts))
		}
		each := len(accounts) / len(holders)
		for _, h := range holders {
			if load[h] < each || load[h] > each+1 {
				rt.Errorf("%s has %d of %d accounts among %d", h, load[h], len(accounts), len(holders))
			}
		}
	})
}

// Whoever knows the same names comes to the same shares.
func TestSharesAreTheSameForAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		accounts, holders := names(rt, "clinic", 0, 100), names(rt, "pod", 0, 12)
		here := diff.Share(accounts, holders)
		there := diff.Share(rapid.Permutation(accounts).Draw(rt, "accounts"), rapid.Permutation(holders).Draw(rt, "holders"))
		if !maps.Equal(here, there) {
			rt.Errorf("got %v here and %v there", here, there)
		}
	})
}

// One that comes or goes moves its own share, and of the others' a number that grows as the root of all: no more than 27 of a
// thousand, as it was measured with 2 to 10 holders.
func TestOneThatComesOrGoesMovesItsOwnShareAndFewOthers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		accounts, holders := names(rt, "clinic", 0, 400), names(rt, "pod", 2, 12)
		with, without := diff.Share(accounts, holders), diff.Share(accounts, holders[1:])
		moved := 0
		for _, account := range accounts {
			if with[account] != holders[0] && with[account] != without[account] {
				moved++
			}
		}
		if most := 4 + int(2*math.Sqrt(float64(len(accounts)))); moved > most {
			rt.Errorf("%d of %d accounts moved between others, want %d at most", moved, len(accounts), most)
		}
	})
}

// Nobody has anything where nobody is there.
func TestSharesOfNobody(t *testing.T) {
	if got := diff.Share([]string{"clinic"}, nil); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
