package diff

import (
	"context"
	"fmt"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Known returns the ids of all records of a resource that the store has and that are not deleted, in no order: of those
// that are in no state, and of those that are archived or cancelled. It is a look and no more: what is decided on it is
// decided again, record by record, when it comes to Accept.
func (d *Differ) Known(ctx context.Context, name schemas.Resource) (shown, hidden []schemas.ID, err error) {
	forgotten, err := d.forgotten(ctx, name)
	if err != nil {
		return nil, nil, fmt.Errorf("%s/%s: %w", d.Account, name, err)
	}
	err = d.Store.Each(ctx, d.Account, name, func(id schemas.ID, packed []byte) error {
		e, err := unpack(packed)
		switch {
		case err == nil && forgotten[e.shape]:
		case err != nil, e.states == 0: // an entry that cannot be read is of a record that was there
			shown = append(shown, id)
		case e.states&deleted == 0:
			hidden = append(hidden, id)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%s/%s: %w", d.Account, name, err)
	}
	return shown, hidden, nil
}
