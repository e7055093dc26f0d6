package poller

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// spent is a Source whose budget is spent for most of a minute.
type spent struct{ *guarded }

func (s spent) Reserve(ctx context.Context, _ cliniko.Lane) error {
	timer := time.NewTimer(50 * time.Second)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Nothing is waited for that was not sent yet: a poller whose requests are in the queue of the budget stops at once.
func TestAPollerThatWaitsForItsBudgetStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(time.Second)
		p := newPoller(t, g, &guardedSink{sink: newSink(t)}, "@every 1s", zap.NewNop())
		p.leaver.Source = spent{g}
		if took := run(t, p, 10*time.Second); took > 0 {
			t.Errorf("it took %s to stop, with nothing on its way", took)
		}
		if asked := len(g.asked["/patients"]); asked != 0 {
			t.Errorf("%d requests were sent within a budget that is spent", asked)
		}
	})
}
