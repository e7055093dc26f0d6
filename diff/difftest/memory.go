package difftest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Memory is a diff.Store that lasts as long as the process. The zero value is ready. It is safe for use by several
// goroutines, and strict: it panics if its caller breaks the contract (a commit without a state, an entry without
// bytes or id, a lease for no time). Its clock is time.Now, so that it runs in a synctest bubble.
type Memory struct {
	// OnReach, if non-nil, is asked before anything else, Close apart, by several goroutines at once: what it returns, if it is an
	// error, is the answer of a store that cannot be reached.
	OnReach func() error
	// OnLoad, if non-nil, is asked before each Load, which fails with the error that it returns.
	// Set the hooks while nobody uses the store.
	OnLoad func(account string, resource schemas.Resource, ids []schemas.ID) error
	// OnCommit, if non-nil, is asked before each Commit. The write happens if apply is true, whatever err says, and
	// err is returned: false with an error is a write that was not done, true with an error one whose reply was lost.
	// True and nil leave Commit to itself.
	OnCommit func(c diff.Commit) (apply bool, err error)

	mu     sync.Mutex // guards what follows
	token  uint64     // the last token of any account; neither Flush nor Restore lowers it
	closed bool
	image  Image
}

var _ diff.Store = (*Memory)(nil)

// An Image is all that a Memory held at one moment. It never changes.
type Image struct {
	resources map[resourceKey]*held
	leases    map[string]memoryLease // by account
	lists     map[listKey]time.Time  // until when one is on the list
	notes     map[noteKey]note
}

type listKey struct{ team, holder string }

type resourceKey struct {
	account  string
	resource schemas.Resource
}

// held is what is known of one resource. The byte slices are never changed in place.
type held struct {
	state   []byte
	entries map[schemas.ID][]byte
	shapes  map[uint32]string
}

type memoryLease struct {
	token  uint64
	holder string
	until  time.Time
}

type noteKey struct{ account, name string }

type note struct {
	value []byte
	until time.Time // zero: for ever
}

var errClosed = errors.New("the store is closed")

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{} }

// Snapshot returns all that the store holds, leases included.
func (m *Memory) Snapshot() Image {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.image.clone()
}

// Restore puts the store back to what it was when image was taken, as a restored backup does: a lease that was taken
// since is gone, one that was held then is held again until the time it had then. Tokens rise on.
func (m *Memory) Restore(image Image) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.image = image.clone()
}

// Flush forgets everything, leases included. Tokens rise on.
func (m *Memory) Flush() { m.Restore(Image{}) }

func (i Image) clone() Image {
	c := Image{
		resources: make(map[resourceKey]*held, len(i.resources)),
		leases:    make(map[string]memoryLease, len(i.leases)),
		lists:     make(map[listKey]time.Time, len(i.lists)),
		notes:     make(map[noteKey]note, len(i.notes)),
	}
	for k, h := range i.resources {
		c.resources[k] = &held{state: h.state, entries: maps.Clone(h.entries), shapes: maps.Clone(h.shapes)}
	}
	maps.Copy(c.leases, i.leases)
	maps.Copy(c.lists, i.lists)
	maps.Copy(c.notes, i.notes)
	return c
}

// begin takes the lock. Every method but Close starts with it.
func (m *Memory) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.OnReach != nil {
		if err := m.OnReach(); err != nil {
			return err
		}
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return errClosed
	}
	if m.image.resources == nil { // the zero value
		m.image = m.image.clone()
	}
	return nil
}

// Load is diff.Store's.
func (m *Memory) Load(ctx context.Context, account string, resource schemas.Resource, ids []schemas.ID) (diff.Snapshot, error) {
	if m.OnLoad != nil {
		if err := m.OnLoad(account, resource, ids); err != nil {
			return diff.Snapshot{}, err
		}
	}
	if err := m.begin(ctx); err != nil {
		return diff.Snapshot{}, err
	}
	defer m.mu.Unlock()
	s := diff.Snapshot{Entries: make([][]byte, len(ids)), Shapes: map[uint32]string{}}
	h := m.image.resources[resourceKey{account, resource}]
	if h == nil {
		return s, nil
	}
	s.State = bytes.Clone(h.state)
	s.Tracked = len(h.entries)
	maps.Copy(s.Shapes, h.shapes)
	for i, id := range ids {
		s.Entries[i] = bytes.Clone(h.entries[id])
	}
	return s, nil
}

// Each is diff.Store's.
func (m *Memory) Each(ctx context.Context, account string, resource schemas.Resource, f func(id schemas.ID, entry []byte) error) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	var entries map[schemas.ID][]byte
	if h := m.image.resources[resourceKey{account, resource}]; h != nil {
		entries = maps.Clone(h.entries)
	}
	m.mu.Unlock()
	for id, entry := range entries {
		if err := f(id, bytes.Clone(entry)); err != nil {
			return err
		}
	}
	return nil
}

// Commit is diff.Store's.
func (m *Memory) Commit(ctx context.Context, lease diff.Lease, c diff.Commit) error {
	mustBeWhole(c)
	var told error
	if m.OnCommit != nil {
		var apply bool
		if apply, told = m.OnCommit(c); !apply {
			if told == nil {
				panic("difftest: OnCommit refused a commit without an error")
			}
			return told
		}
	}
	if err := m.commit(ctx, lease, c); told == nil {
		return err
	}
	return told
}

func (m *Memory) commit(ctx context.Context, lease diff.Lease, c diff.Commit) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if lease.Account != c.Account || !m.current(lease) {
		return diff.ErrLeaseLost
	}
	key := resourceKey{c.Account, c.Resource}
	h := m.image.resources[key]
	if known := h != nil; known != (c.Was != nil) || known && !bytes.Equal(h.state, c.Was) {
		return diff.ErrConflict
	}
	if h == nil {
		h = &held{entries: map[schemas.ID][]byte{}, shapes: map[uint32]string{}}
		m.image.resources[key] = h
	}
	h.state = bytes.Clone(c.State)
	for id, entry := range c.Entries {
		h.entries[id] = bytes.Clone(entry)
	}
	maps.Copy(h.shapes, c.Shapes)
	return nil
}

// mustBeWhole panics if c is no commit that a caller may make.
func mustBeWhole(c diff.Commit) {
	switch {
	case c.Account == "" || c.Resource == "":
		panic("difftest: a commit without an account or a resource")
	case c.State == nil:
		panic("difftest: a commit without a state")
	case slices.ContainsFunc(slices.Collect(maps.Values(c.Entries)), func(b []byte) bool { return b == nil }):
		panic("difftest: a commit with an entry that is nil")
	}
	if _, ok := c.Entries[""]; ok {
		panic("difftest: a commit with an entry that has no id")
	}
}

// current tells whether lease is its account's and has not expired. m.mu is held.
func (m *Memory) current(lease diff.Lease) bool {
	l, ok := m.image.leases[lease.Account]
	return ok && l.token == lease.Token && time.Now().Before(l.until)
}

// Acquire is diff.Store's.
func (m *Memory) Acquire(ctx context.Context, account, holder string, ttl time.Duration) (diff.Lease, error) {
	mustLast(ttl)
	if err := m.begin(ctx); err != nil {
		return diff.Lease{}, err
	}
	defer m.mu.Unlock()
	if l, ok := m.image.leases[account]; ok && l.holder != holder {
		if left := time.Until(l.until); left > 0 {
			return diff.Lease{}, &diff.HeldError{Account: account, Holder: l.holder, Left: left}
		}
	}
	m.token++
	m.image.leases[account] = memoryLease{token: m.token, holder: holder, until: time.Now().Add(ttl)}
	return diff.Lease{Account: account, Token: m.token}, nil
}

// Renew is diff.Store's.
func (m *Memory) Renew(ctx context.Context, lease diff.Lease, ttl time.Duration) error {
	mustLast(ttl)
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if !m.current(lease) {
		return diff.ErrLeaseLost
	}
	l := m.image.leases[lease.Account]
	l.until = time.Now().Add(ttl)
	m.image.leases[lease.Account] = l
	return nil
}

func mustLast(ttl time.Duration) {
	if ttl <= 0 {
		panic("difftest: a lease for no time")
	}
}

// Release is diff.Store's.
func (m *Memory) Release(ctx context.Context, lease diff.Lease) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if m.current(lease) {
		delete(m.image.leases, lease.Account)
	}
	return nil
}

// Note is diff.Store's.
func (m *Memory) Note(ctx context.Context, account, name string) ([]byte, error) {
	if err := m.begin(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	n, ok := m.image.notes[noteKey{account, name}]
	if !ok || !n.until.IsZero() && !time.Now().Before(n.until) {
		return nil, nil
	}
	return bytes.Clone(n.value), nil
}

// PutNote is diff.Store's.
func (m *Memory) PutNote(ctx context.Context, account, name string, value []byte, ttl time.Duration) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	n := note{value: append([]byte{}, value...)}
	if ttl > 0 {
		n.until = time.Now().Add(ttl)
	}
	m.image.notes[noteKey{account, name}] = n
	return nil
}

// Ping is diff.Store's.
func (m *Memory) Ping(ctx context.Context) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	m.mu.Unlock()
	return nil
}

// Close is diff.Store's. What is held stays for Snapshot to see.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
