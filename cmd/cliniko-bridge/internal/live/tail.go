package live

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const (
	toldKept = 200
	// toldAtOnce is how many events a frame has at the most: four frames a second make no more than 50.
	toldAtOnce = 12
	// namesShown is how many names of fields an event shows, and nameShown how many bytes of one: there may be thousands.
	namesShown = 40
	nameShown  = 80
)

// A tail keeps the events that were told last, each with its number: the first that was told has 0. A page remembers up to
// which number it was told, and nothing is kept for it.
type tail struct {
	mu    sync.Mutex       // guards the following
	ring  [toldKept][]byte // an event stands at its number modulo toldKept: a Told in JSON
	told  [toldKept]Told   // the same; the JSON is made when the first page asks for it
	total uint64           // how many were told; the next has this number
}

func (t *tail) add(list []diff.Told) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range list {
		at := t.total % toldKept
		t.told[at], t.ring[at] = toldOf(&list[i]), nil
		t.total++
	}
}

func toldOf(e *diff.Told) Told {
	told := Told{At: e.At, Account: e.Account, Resource: e.Resource, ID: e.ID, Verb: e.Verb, Sequence: e.Sequence, Changed: shown(e.Changed)}
	if e.Verb != schemas.Snapshot { // which tells no change
		told.Delay = round(delay(e))
	}
	return told
}

// shown are the names that are not too many and not too long. A record can have as many as it likes.
func shown(names []string) []string {
	if names == nil {
		return nil
	}
	out := make([]string, 0, min(len(names), namesShown+1))
	for i, name := range names {
		if i == namesShown {
			return append(out, fmt.Sprintf("… and %d more", len(names)-i))
		}
		if len(name) > nameShown {
			name = name[:nameShown] + "…" // a rune that is cut becomes U+FFFD in JSON
		}
		out = append(out, name)
	}
	return out
}

// all is a frame of all that are kept, and the number of the next.
func (t *tail) all() (text []byte, next uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := t.total - min(t.total, toldKept)
	return arrayFrame("told", t.texts(first, t.total)), t.total
}

// frame is a frame of the next events from number from on, the number behind them, and whether there are more. Those that
// are not kept any more are skipped, which the first one says. It is nil if there is none.
func (t *tail) frame(from uint64) (text []byte, next uint64, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if from >= t.total {
		return nil, from, false
	}
	first := max(from, t.total-min(t.total, toldKept))
	next = min(first+toldAtOnce, t.total)
	list := t.texts(first, next)
	if skipped := int(first - from); skipped > 0 { //nolint:gosec // nobody skips 2^63
		told := t.told[first%toldKept]
		told.Skipped = skipped
		list[0], _ = json.Marshal(told) // it always encodes
	}
	return arrayFrame("told", list), next, next < t.total
}

// texts are the events of these numbers in JSON, made once for all pages. The caller holds mu.
func (t *tail) texts(from, until uint64) [][]byte {
	list := make([][]byte, 0, until-from)
	for n := from; n < until; n++ {
		at := n % toldKept
		if t.ring[at] == nil {
			t.ring[at], _ = json.Marshal(&t.told[at]) // it always encodes
		}
		list = append(list, t.ring[at])
	}
	return list
}
