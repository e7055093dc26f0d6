package filestore

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// eachBatch is how many records one transaction of Each reads: an open one keeps the pages that commits leave behind.
const eachBatch = 2000

// Each is diff.Store's.
func (s *Store) Each(ctx context.Context, account string, resource schemas.Resource, f func(id schemas.ID, entry []byte) error) error {
	var from []byte
	for {
		n := 0
		err := s.view(ctx, func(tx *bbolt.Tx) error {
			b := find(tx, account, resourcesBucket, []byte(resource), recordsBucket)
			if b == nil {
				return nil
			}
			c := b.Cursor()
			for id, entry := c.Seek(from); id != nil && n < eachBatch; id, entry = c.Next() {
				if err := f(schemas.ID(id), entry); err != nil {
					return err
				}
				from = append(append(from[:0], id...), 0) // the key behind it
				n++
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("list %s/%s: %w", account, resource, err)
		}
		if n < eachBatch {
			return nil
		}
	}
}
