package diff

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Store keeps what is known of each record between two looks: fingerprints, sequences and marks. It holds no value
// of any record. To the store an entry and a state are bytes without meaning.
//
// One process at a time may write an account: the holder of its lease.
type Store interface {
	// Load returns the state of account's resource, the entries of ids, and its shapes. A failed Load
	// may be repeated.
	Load(ctx context.Context, account string, resource schemas.Resource, ids []schemas.ID) (Snapshot, error)

	// Each calls f with the id and the entry of every record of account's resource, in no order, each once, and stops
	// at the first error of f, which it returns. It is no snapshot: what is committed meanwhile may be seen or not.
	// entry is f's only until f returns.
	Each(ctx context.Context, account string, resource schemas.Resource, f func(id schemas.ID, entry []byte) error) error

	// Commit writes all of c or nothing of it, in one step. An error other than the two below means that it is not
	// known whether the step was taken: load again and see. It returns
	//   - ErrLeaseLost if lease is no longer the account's: stop working on it.
	//   - ErrConflict if the state in the store is not c.Was: somebody else wrote, or the store was put back to an
	//     earlier day. Load again and decide again.
	Commit(ctx context.Context, lease Lease, c Commit) error

	// Acquire takes the lease of account for ttl and returns it with a token higher than every one before, or
	// returns a *HeldError while somebody else holds it. It does not wait.
	Acquire(ctx context.Context, account, holder string, ttl time.Duration) (Lease, error)
	// Renew makes lease last for ttl from now, or returns ErrLeaseLost.
	Renew(ctx context.Context, lease Lease, ttl time.Duration) error
	// Release gives lease up, so that another need not wait for its end. One that is lost already is no error.
	Release(ctx context.Context, lease Lease) error
	// Holders returns who holds the lease of each of accounts, "" if nobody does. Where that cannot be found out the
	// account is not in the map, and the error says why.
	Holders(ctx context.Context, accounts []string) (map[string]string, error)

	// Enlist puts holder on the list of team for ttl from now, and returns all who are on it, sorted. The list is there for
	// sharing work out: it may be lost, and nobody's right to write depends on it.
	Enlist(ctx context.Context, team, holder string, ttl time.Duration) ([]string, error)
	// Delist takes holder off the list of team at once. One that is not on it is no error.
	Delist(ctx context.Context, team, holder string) error

	// Note returns what PutNote stored for account under name, nil if nothing or if it has expired.
	Note(ctx context.Context, account, name string) ([]byte, error)
	// PutNote keeps a small value beside the account for ttl, 0 for ever. It is for what may be lost without harm
	// to an event: what was spent of the request budget, the edition that was found.
	PutNote(ctx context.Context, account, name string, value []byte, ttl time.Duration) error

	// Ping tells whether the store can be reached.
	Ping(ctx context.Context) error
	Close() error
}

// A Snapshot is what the store holds for one page.
type Snapshot struct {
	State   []byte            // nil: the resource is unknown
	Entries [][]byte          // in the order of the ids asked for; nil: the record is unknown
	Shapes  map[uint32]string // every shape of the resource, by its number
	Tracked int               // records known of the resource, about
}

// A Commit is what one page changes.
type Commit struct {
	Account  string
	Resource schemas.Resource
	Was      []byte                // the state as Load returned it; nil if it was unknown
	State    []byte                // the state that replaces it
	Entries  map[schemas.ID][]byte // entries that are new or changed; none is removed
	Shapes   map[uint32]string     // shapes that Entries name, whether or not the store has them already
	// Expect is how many records the resource will hold in all, as far as is known: a hint for the layout of a
	// resource of which this is the first commit.
	Expect int
}

// A Lease is the right to write one account.
type Lease struct {
	Account string
	Token   uint64 // rises with every lease of the account

	until *atomic.Int64 // see Until
}

var (
	// ErrLeaseLost says that the lease has expired or is another's. What was decided under it must be forgotten.
	ErrLeaseLost = errors.New("the lease is lost")
	// ErrConflict says that the state changed since it was loaded. Load again and decide again.
	ErrConflict = errors.New("the state has changed since it was loaded")
)

// A HeldError says that somebody else holds the lease.
type HeldError struct {
	Account string
	Holder  string        // who, as they named themselves
	Left    time.Duration // how long until it ends, if it is not renewed
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("the lease of %s is held by %s for another %s", e.Account, e.Holder, e.Left.Round(time.Second))
}
