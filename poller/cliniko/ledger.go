package cliniko

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Ledger is where a Budget remembers what was spent, so that a process that starts just after another has stopped
// does not spend the same minute twice. It holds one small value of an account; what it says is the Budget's to know.
//
// Spending is written down before it happens, in blocks: a block of 5 % of the budget (at least one request) that may
// be used for 20 seconds. What a process has left of its block when it dies counts as sent at the last moment at which
// it could have been, the block's end: so the reading can only err towards too few requests, and by one block at most.
// A process that was believed dead, and was not, cannot use its block longer than that either. The clocks of the hosts
// that share an account have to agree to a second or so.
//
// Both methods are called with a ctx that ends after 5 seconds, and by one goroutine at a time.
type Ledger interface {
	// Spent returns what was last reserved, nil if nothing was or it is two minutes old or more.
	Spent(ctx context.Context) ([]byte, error)
	// Reserve replaces what is there. After an error it is not known whether it did, which does no harm.
	Reserve(ctx context.Context, spent []byte) error
}

// ErrLedger says that the ledger could not be read or written, and so the request must not be sent: what it spends
// would be lost with this process. Asking again later is fine, and makes the next try. It does not stop anything that
// would have gone on otherwise: the ledger is kept in the store, and without the store no page can be committed.
var ErrLedger = errors.New("the ledger of the request budget does not answer")

const (
	blockLife     = 20 * time.Second
	ledgerTimeout = 5 * time.Second
)

// askLedger reads the ledger, or else reserves a block, on behalf of w, whose turn it is. Whoever is the most urgent
// when it is done goes first; that need not be w, which goes on waiting.
//
// If the ledger fails, w fails, and the next in the queue tries for itself: the ledger is asked at the pace at which
// requests come.
func (b *Budget) askLedger(ctx context.Context, w *waiter) error {
	limited, cancel := context.WithTimeout(ctx, ledgerTimeout)
	defer cancel()
	step := b.reserve
	if !b.loaded { // only the reserver writes it
		step = b.load
	}
	err := step(limited)

	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == nil:
		b.reserver = nil
		b.dispatch()
		return nil
	case ctx.Err() != nil:
		b.leave(w)
		return ctx.Err()
	default:
		b.leave(w)
		return fmt.Errorf("%w: %w", ErrLedger, err)
	}
}

// load counts what earlier processes may have sent.
func (b *Budget) load(ctx context.Context) error {
	raw, err := b.ledger.Spent(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	sums, err := parseSums(raw)
	if err != nil {
		// Not ours, or a later version's. The safe reading is that everything has just been spent; the next
		// reservation writes it anew.
		sums = []sum{{second: now.Unix(), n: b.perMinute}}
	}
	for _, s := range sums {
		// A block cannot end later than one that is reserved now; if it says so, the clock was put back.
		left := min(time.Unix(s.second, 0).Sub(now), blockLife+time.Second)
		for range min(s.n, b.perMinute) {
			b.spend(spending{now.Add(left), laneCount})
		}
	}
	b.loaded = true
	return nil
}

// reserve writes down a new block, together with all that is in the window.
func (b *Budget) reserve(ctx context.Context) error {
	size := max(1, b.perMinute/20)
	b.mu.Lock()
	// The block's life begins before it is written: it must not outlast what the ledger says.
	now := time.Now()
	lapse := now.Add(blockLife)
	b.forget(now)
	sums := sumUp(b.spent, lapse, size)
	b.mu.Unlock()

	if err := b.ledger.Reserve(ctx, formatSums(sums)); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved, b.lapse = size, lapse
	return nil
}

// A sum is n requests, sent no later than at a Unix second.
type sum struct {
	second int64
	n      int
}

// sumUp adds up spent and a block of n that lapses then, by the second, which is rounded up.
func sumUp(spent []spending, lapse time.Time, n int) []sum {
	var sums []sum
	add := func(at time.Time, n int) {
		second := at.Add(time.Second - 1).Unix()
		if last := len(sums) - 1; last >= 0 && sums[last].second == second {
			sums[last].n += n
			return
		}
		sums = append(sums, sum{second, n})
	}
	i, _ := slices.BinarySearchFunc(spent, lapse, func(s spending, t time.Time) int { return s.at.Compare(t) })
	for _, s := range spent[:i] {
		add(s.at, 1)
	}
	add(lapse, n)
	for _, s := range spent[i:] {
		add(s.at, 1)
	}
	return sums
}

// The ledger's bytes are text: a version, and a word for each sum with the seconds since the one before (for the first,
// the Unix second) and the number of requests:
//
//	1 1774606000:9 3:9 20:9
const sumsVersion = "1"

// maxSums is far above one for each second that a window and a block can hold.
const maxSums = 200

var errLedgerBytes = errors.New("not a ledger of the request budget")

// formatSums writes sums, which are in the order of their seconds.
func formatSums(sums []sum) []byte {
	b := []byte(sumsVersion)
	before := int64(0)
	for _, s := range sums {
		b = append(b, ' ')
		b = strconv.AppendInt(b, s.second-before, 10)
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(s.n), 10)
		before = s.second
	}
	return b
}

// parseSums reads what formatSums wrote. Nothing is no sums.
func parseSums(raw []byte) ([]sum, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	words := strings.Split(string(raw), " ")
	if words[0] != sumsVersion || len(words) > maxSums {
		return nil, errLedgerBytes
	}
	sums := make([]sum, 0, len(words)-1)
	before := int64(0)
	for _, word := range words[1:] {
		delta, count, _ := strings.Cut(word, ":")
		seconds, err := strconv.ParseInt(delta, 10, 64)
		if err != nil || seconds < 0 || seconds > math.MaxUint32-before {
			return nil, errLedgerBytes
		}
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 || n > 1000 {
			return nil, errLedgerBytes
		}
		before += seconds
		sums = append(sums, sum{before, n})
	}
	return sums, nil
}
