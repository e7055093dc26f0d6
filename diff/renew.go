package diff

import (
	"context"
	"fmt"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Renew begins the baseline of a resource anew: what exists is looked at once more. With Config.Snapshot every
// record that is met gets a snapshot event again, each once, however often the baseline is interrupted. A resource that
// nobody has opened has its first look before it, and nothing to renew. A page that was read before is refused with
// ErrStanding: it may be the last of the old baseline.
//
// A store that is lost before the baseline ends forgets that it was renewed: ask again.
func (d *Differ) Renew(ctx context.Context, name schemas.Resource) error {
	r := d.resource(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	st, _, err := d.catchUp(ctx, r)
	if err == nil && st.Revision > 0 {
		_, err = d.renew(ctx, r, st, st.Generation+1)
	}
	r.caughtUp = false
	if err != nil {
		return fmt.Errorf("%s/%s: %w", d.Account, name, err)
	}
	return nil
}

// renew commits a state whose baselines have everything to read that is stamped up to the cursors. What is stamped
// later is live polling's, as it was before.
func (d *Differ) renew(ctx context.Context, r *resource, st state, generation int) (state, error) {
	next := st.next()
	next.Scheme, next.Generation = r.printer.scheme, generation
	for _, feed := range r.spec.Feeds {
		if mark, open := next.Marks[feed.Name]; open {
			mark.Horizon = mark.Cursor
			next.Marks[feed.Name] = mark
			delete(next.Marks, schemas.BaselineOf(feed.Name))
		}
	}
	was := r.committed
	return next, d.commit(ctx, r, was, next, nil, nil, 0)
}
