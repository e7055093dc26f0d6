package diff

import (
	"context"
	"fmt"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Known returns the ids of all records of a resource that the store has and that are not deleted, in no order. It is
// a look and no more: what is decided on it is decided again, record by record, when it comes to Accept.
func (d *Differ) Known(ctx context.Context, name schemas.Resource) ([]schemas.ID, error) {
	var ids []schemas.ID
	err := d.Store.Each(ctx, d.Account, name, func(id schemas.ID, packed []byte) error {
		// An entry that cannot be read is of a record that was there.
		if e, err := unpack(packed); err != nil || e.states&deleted == 0 {
			ids = append(ids, id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s/%s: %w", d.Account, name, err)
	}
	return ids, nil
}
