package filestore

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"syscall"

	"go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"
)

// ErrForeign says that the file is no store's, or is damaged. It is to be moved away or restored from a backup: what a
// store held is read back from the stream.
var ErrForeign = errors.New("it is not the state of a bridge, or damaged")

// open opens the database at path, if it is one of ours and whole.
func open(path string) (db *bbolt.DB, err error) {
	// A file that was cut off is mapped beyond its end, where reading is a fault of the machine: a panic, if it is asked for.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() == nil {
			return
		}
		err = fmt.Errorf("%w: it cannot be read to its end", ErrForeign) // and stays open until the process ends
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	var system syscall.Errno
	switch {
	case errors.As(err, &system), errors.Is(err, bberrors.ErrTimeout):
		return nil, err
	case err != nil: // what the file holds, then
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	if err := db.View(ours); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// ours looks whether tx's file is as long as it should be, and has nothing at its top that no store writes.
func ours(tx *bbolt.Tx) error {
	info, err := os.Stat(tx.DB().Path())
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return fmt.Errorf("%w: it has %d bytes and should have %d", ErrForeign, info.Size(), tx.Size())
	}
	known := [][]byte{tokenKey, notesBucket, resourcesBucket}
	return tx.ForEach(func(account []byte, b *bbolt.Bucket) error {
		return b.ForEach(func(key, _ []byte) error {
			if !slices.ContainsFunc(known, func(k []byte) bool { return string(k) == string(key) }) {
				return fmt.Errorf("%w: the bucket %q is another program's", ErrForeign, account)
			}
			return nil
		})
	})
}
