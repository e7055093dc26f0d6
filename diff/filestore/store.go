package filestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// lockTimeout is how long Open waits for another process that may just be ending.
const lockTimeout = time.Second

// ErrInUse says that another process has the file open. It is to be stopped, or this one not to be started.
var ErrInUse = errors.New("another process has it open")

// A Store is a diff.Store in a file. It is safe for use by several goroutines.
type Store struct {
	db *bbolt.DB

	unwritten atomic.Pointer[error] // why the last write failed, nil if it did not

	mu    sync.Mutex      // guards held and lists; Commit and Acquire keep it until the disk has what they wrote
	held  map[string]held // by account
	lists map[listed]time.Time
}

var _ diff.Store = (*Store)(nil)

// Names of buckets and keys; doc.go shows where they stand.
var (
	tokenKey        = []byte("token")
	notesBucket     = []byte("notes")
	resourcesBucket = []byte("resources")
	stateKey        = []byte("state")
	trackedKey      = []byte("tracked")
	shapesBucket    = []byte("shapes")
	recordsBucket   = []byte("records")
)

// Open opens the file at path and makes it if there is none; its folder must exist. It is readable for its owner
// alone. It returns an error that is ErrInUse if another process has it open, and one that is ErrForeign if it is not a
// store's, or damaged. The caller closes the store.
func Open(path string) (*Store, error) {
	db, err := open(path)
	if errors.Is(err, bberrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: %w", path, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &Store{db: db, held: map[string]held{}, lists: map[listed]time.Time{}}, nil
}

// Note is diff.Store's.
func (s *Store) Note(ctx context.Context, account, name string) ([]byte, error) {
	var value []byte
	err := s.view(ctx, func(tx *bbolt.Tx) error {
		notes := find(tx, account, notesBucket)
		if notes == nil {
			return nil
		}
		stored := notes.Get([]byte(name))
		if stored == nil {
			return nil
		}
		expiry, err := number(stored[:min(8, len(stored))])
		if err != nil {
			return err
		}
		if expiry == 0 || time.Now().UnixMilli() < int64(expiry) {
			value = append([]byte{}, stored[8:]...) // bbolt's own memory ends with the transaction
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read note %s of %s: %w", name, account, err)
	}
	return value, nil
}

// PutNote is diff.Store's. An expired note keeps its place in the file until it is put again.
func (s *Store) PutNote(ctx context.Context, account, name string, value []byte, ttl time.Duration) error {
	var expiry uint64
	if ttl > 0 {
		expiry = uint64(time.Now().Add(ttl).UnixMilli())
	}
	err := s.update(ctx, func(tx *bbolt.Tx) error {
		notes, err := create(tx, account, notesBucket)
		if err != nil {
			return err
		}
		return notes.Put([]byte(name), append(binary.BigEndian.AppendUint64(nil, expiry), value...))
	})
	if err != nil {
		return fmt.Errorf("write note %s of %s: %w", name, account, err)
	}
	return nil
}

// Ping is diff.Store's.
func (s *Store) Ping(ctx context.Context) error {
	return s.view(ctx, func(*bbolt.Tx) error { return nil })
}

// Close is diff.Store's. It waits for what is being written or read.
func (s *Store) Close() error { return s.db.Close() }

// view and update run f in a transaction. One that has begun does not look at ctx: it takes some milliseconds.
func (s *Store) view(ctx context.Context, f func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.db.View(f)
}

func (s *Store) update(ctx context.Context, f func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.db.Update(f)
	var system syscall.Errno
	switch {
	case err == nil:
		s.unwritten.Store(nil)
	case errors.As(err, &system):
		s.unwritten.Store(&err)
	}
	return err
}

// Unwritten is why the disk did not take the last write, and nil as long as it takes them. Such a write left everything as
// it was before, and may be tried again.
func (s *Store) Unwritten() error {
	if err := s.unwritten.Load(); err != nil {
		return *err
	}
	return nil
}

// find goes from bucket to bucket of account, and returns nil if one of them is not there.
func find(tx *bbolt.Tx, account string, path ...[]byte) *bbolt.Bucket {
	b := tx.Bucket([]byte(account))
	for _, name := range path {
		if b == nil {
			return nil
		}
		b = b.Bucket(name)
	}
	return b
}

// create is find that makes what is not there.
func create(tx *bbolt.Tx, account string, path ...[]byte) (*bbolt.Bucket, error) {
	b, err := tx.CreateBucketIfNotExists([]byte(account))
	for _, name := range path {
		if err != nil {
			return nil, err
		}
		b, err = b.CreateBucketIfNotExists(name)
	}
	return b, err
}

// number reads 8 bytes, big endian; nil is 0.
func number(b []byte) (uint64, error) {
	switch len(b) {
	case 0:
		return 0, nil
	case 8:
		return binary.BigEndian.Uint64(b), nil
	default:
		return 0, errors.New("the file is damaged: a number has not 8 bytes")
	}
}
