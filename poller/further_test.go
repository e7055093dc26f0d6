package poller

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// slowSides is a Source whose budget has nothing for the side lists but once in 40 s.
type slowSides struct{ *guarded }

func (s slowSides) Reserve(ctx context.Context, lane cliniko.Lane) error {
	if lane == cliniko.LaneSide {
		rest(ctx, 40*time.Second)
	}
	return ctx.Err()
}

// The further feeds of a resource wait for the budget beside its polls and not within them; they are read all the
// same, and never twice at once.
func TestFurtherFeedsDoNotHoldPollsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(100 * time.Millisecond)
		spec, _ := schemas.Lookup(schemas.Edition2017, "patients")
		spec.Feeds = []schemas.Feed{spec.Feeds[0], {
			Name: "archived", Path: "/patients/archived", Key: "patients", Stamp: "updated_at", Implies: schemas.ArchivedState,
		}}
		g.lists["/patients/archived"] = newList()
		p, err := New(Config{
			Account: "northside", Source: slowSides{g}, Sink: &guardedSink{sink: newSink(t)}, Specs: []schemas.Spec{spec},
			Schedules: map[schemas.Resource]string{"patients": "@every 2s"}, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()),
		})
		if err != nil {
			t.Fatal(err)
		}
		run(t, p, 5*time.Minute)
		asked := g.asked["/patients"]
		for i := 5; i < len(asked); i++ { // the first are the opening look and the baseline
			if gap := asked[i].Sub(asked[i-1]); gap > 2*time.Second+500*time.Millisecond {
				t.Errorf("poll %d came %s after the one before", i, gap)
			}
		}
		if n := len(g.asked["/patients/archived"]); n < 5 || n > 9 { // one in 40 s, and the opening look
			t.Errorf("the archived were asked for %d times", n)
		}
	})
}
