package poller

import (
	"context"
	"errors"
	"fmt"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// ErrUnknown says that the poller does not read such a resource.
var ErrUnknown = errors.New("no such resource is followed")

// Renew begins the baseline of a resource anew: what exists is looked at once more, beside live polling. A resource that
// was not opened yet has its first look to come anyway. It waits for the step that the resource is at. Its errors are
// ErrUnknown, ctx's, and those of the sink, wrapped; after one of these the baseline has begun anew or has not, and
// Renew may be called again.
func (p *Poller) Renew(ctx context.Context, resource schemas.Resource) error {
	for _, r := range p.resources {
		if r.spec.Resource != resource {
			continue
		}
		if err := r.step.take(ctx, func() error { return r.renew(ctx) }); err != nil {
			return fmt.Errorf("renew %s/%s: %w", r.account, resource, err)
		}
		return nil
	}
	return fmt.Errorf("renew %s/%s: %w", p.Account, resource, ErrUnknown)
}

// renew has the sink begin anew, and asks it where the resource stands then: what was known of that is of the past,
// and the baselines are read by it. The caller holds step.
func (r *resource) renew(ctx context.Context) error {
	r.standing = nil
	if err := r.sink.Renew(ctx, r.spec.Resource); err != nil {
		return err
	}
	r.mu.Lock()
	for _, reader := range r.readers {
		reader.progress.left, reader.progress.read = -1, 0
	}
	r.mu.Unlock()
	return r.know(ctx)
}
