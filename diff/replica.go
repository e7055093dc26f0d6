package diff

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// A ReplicaConfig says which accounts a process shares with the others on its store.
type ReplicaConfig struct {
	Store Store
	// Holder names this process, as no other is named.
	Holder string
	// Accounts are all accounts of the configuration, each once. Bridges that have the same accounts share them out. Those
	// that have others, as after a change of the configuration, do not count: between these who comes first keeps.
	Accounts []string
	// TTL is how long a lease, and a process's place among the others, lasts unless it is renewed. All others have the same.
	TTL time.Duration
	// Work follows the account until ctx ends. What it does after that is what it had in flight, and short: the account is
	// this process's until Work returns, and no other's.
	Work func(ctx context.Context, lease Lease)
	Log  *zap.Logger
}

// A Replica is this process among those that share accounts out. Each says every TTL/6 that it is there, learns who else
// is, and computes the same shares (Share).
//
// It takes the lease of an account that is its share as soon as that is free. An account that turns out to be another's
// share it gives up when it has been that for two TTLs on end: a process that comes and goes faster than that moves
// nothing that is in good hands. An account that nobody takes for three TTLs, although the one whose share it is says that
// it is there, is taken by anybody, and kept until the processes are others.
//
// All this decides who asks for a lease and when. That no two work on one account is the leases' doing alone.
type Replica struct {
	ReplicaConfig

	team    string
	leading sync.WaitGroup
	said    bool      // the log knows that the store does not answer; owned by Run
	looked  time.Time // when all leases were last looked at; owned by Run

	mu     sync.Mutex // guards what follows
	others []string   // all who are there, this process among them, sorted; nil: not known yet
	posts  []*post    // in the order of Accounts
}

// A post is one account as this process sees it. Replica.mu guards it.
type post struct {
	account string
	share   string                  // whose share it is; "": not known yet
	holder  string                  // who has its lease, as far as is known; "": nobody, or not known
	leave   context.CancelCauseFunc // ends the work on it; nil: this process does not have it
	foreign time.Time               // since when it is another's share; zero: it is not
	free    int                     // how many looks on end found that nobody takes it
	kept    bool                    // it was taken because nobody did
	waited  string                  // the holder that the log knows is waited for
}

const (
	beatsPerTTL = 6
	settleTTLs  = 2 // how long an account is another's share before it is handed over
	vacantTTLs  = 3 // how long nobody takes an account before anybody does
	acquirers   = 16
)

// NewReplica makes a Replica that has not begun.
func NewReplica(c ReplicaConfig) *Replica {
	r := &Replica{ReplicaConfig: c, team: teamOf(c.Accounts)}
	for _, account := range c.Accounts {
		r.posts = append(r.posts, &post{account: account})
	}
	return r
}

// teamOf names those who have the same accounts.
func teamOf(accounts []string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(accounts)), "\n")))
	return hex.EncodeToString(sum[:8])
}

// Run works on the accounts that are this process's until ctx ends. Then it leaves the others at once, and returns when
// all work has returned and every lease is given up. It may be called once.
func (r *Replica) Run(ctx context.Context) {
	for ctx.Err() == nil {
		r.beat(ctx)
		pause(ctx, r.TTL/beatsPerTTL)
	}
	// Those who stay ask for our accounts from now on, and get each when it is free.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.TTL/3)
	defer cancel()
	_ = r.Store.Delist(limited, r.team, r.Holder) // if this fails, our place ends by itself
	r.leading.Wait()
}

// A Post is how an account stands, as this process sees it.
type Post struct {
	// Mine says that the account is this process's share, or that it is not known yet whose.
	Mine bool
	// Holder is who has its lease; "" if nobody, or if it is not known. Of others' leases it is as old as TTL.
	Holder string
}

// Posts tells how each account stands, in the order of Accounts.
func (r *Replica) Posts() []Post {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Post, len(r.posts))
	for i, p := range r.posts {
		list[i] = Post{Mine: p.share == "" || p.share == r.Holder, Holder: p.holder}
	}
	return list
}

// beat says that this process is there, and does what follows from who else is.
func (r *Replica) beat(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, r.TTL)
	defer cancel()
	others, err := r.Store.Enlist(limited, r.team, r.Holder, r.TTL)
	if err == nil {
		r.share(others)
		r.handOver()
		err = r.take(ctx)
	}
	if err != nil && !r.said && ctx.Err() == nil {
		r.Log.Warn("the store does not answer; waiting for it", zap.Error(err))
	}
	r.said = err != nil
}

// share works out whose share each account is, if others are there than before.
func (r *Replica) share(others []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Equal(others, r.others) {
		return
	}
	alone := len(others) == 1 && len(r.others) <= 1
	r.others = others
	shares, mine := Share(r.Accounts, others), 0
	for _, p := range r.posts {
		p.share = shares[p.account]
		switch {
		case p.share == r.Holder:
			p.foreign = time.Time{}
			mine++
		case p.foreign.IsZero() || p.kept:
			p.foreign = time.Now()
		}
		p.kept, p.free = false, 0
	}
	if !alone {
		r.Log.Info("the accounts are shared out", zap.Int("bridges", len(others)), zap.Strings("holders", others),
			zap.Int("share", mine), zap.Int("accounts", len(r.posts)))
	}
}

// handOver gives up what has been another's share for long enough.
func (r *Replica) handOver() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.posts {
		if p.leave != nil && !p.kept && !p.foreign.IsZero() && time.Since(p.foreign) >= settleTTLs*r.TTL {
			p.leave(errHandedOver)
		}
	}
}

// take takes the accounts of this process's share whose leases are free, and once a TTL looks at all others.
func (r *Replica) take(ctx context.Context) error {
	look := time.Since(r.looked) >= r.TTL
	if look {
		r.looked = time.Now()
	}
	ask := r.lacking(look)
	if len(ask) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, r.TTL) // a store that hangs must not hold up the next beat
	defer cancel()
	accounts := make([]string, len(ask))
	for i, p := range ask {
		accounts[i] = p.account
	}
	holders, err := r.Store.Holders(limited, accounts)
	var all errgroup.Group
	all.SetLimit(acquirers)
	for _, p := range ask {
		if holder, known := holders[p.account]; known && r.wants(p, holder) {
			all.Go(func() error {
				asked := time.Now()
				lease, err := r.Store.Acquire(limited, p.account, r.Holder, r.TTL)
				if _, faster := errors.AsType[*HeldError](err); faster {
					return nil // the next beat sees who
				}
				if err == nil {
					r.begin(ctx, p, lease, asked)
				}
				return err
			})
		}
	}
	return errors.Join(all.Wait(), err)
}

// lacking are the accounts that this process does not have: of its share, or all.
func (r *Replica) lacking(all bool) (list []*post) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.posts {
		if p.leave == nil && (all || p.share == r.Holder) {
			list = append(list, p)
		}
	}
	return list
}

// wants says whether to ask for the lease of p now that holder has it.
func (r *Replica) wants(p *post, holder string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.holder = holder
	vacant := holder == "" || holder == r.Holder // ours without our knowing: the answer that gave it was lost
	switch {
	case p.share == r.Holder:
		if !vacant && p.waited != holder && !slices.Contains(r.others, holder) {
			p.waited = holder
			r.Log.Info("another bridge has this account; waiting for its lease", zap.String("account", p.account), zap.String("holder", holder))
		}
		return vacant
	case vacant:
		p.free++
	default:
		p.free = 0
	}
	return p.free > vacantTTLs
}

// begin works on p under lease until it is lost, handed over, or ctx ends.
func (r *Replica) begin(ctx context.Context, p *post, lease Lease, asked time.Time) {
	log := r.Log.With(zap.String("account", p.account))
	held, leave := context.WithCancelCause(ctx)
	r.mu.Lock()
	p.leave, p.holder, p.waited, p.free = leave, r.Holder, "", 0
	p.kept = p.share != r.Holder
	if p.kept {
		log.Warn("took an account that nobody else takes", zap.Uint64("token", lease.Token), zap.String("share_of", p.share))
	} else {
		log.Info("has the lease", zap.Uint64("token", lease.Token))
	}
	r.mu.Unlock()
	r.leading.Go(func() {
		defer leave(nil)
		cause := lead(held, r.Store, lease, asked, r.TTL, r.Work)
		r.mu.Lock()
		defer r.mu.Unlock()
		p.leave, p.holder = nil, ""
		switch {
		case errors.Is(cause, errHandedOver):
			log.Info("handed the account over", zap.String("to", p.share))
		case ctx.Err() == nil:
			log.Warn("lost the lease", zap.Error(cause))
		}
	})
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
