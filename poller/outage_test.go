package poller

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// away is a Source that has no answer until back.
type away struct {
	*guarded
	back time.Time
	sent int
}

func (a *away) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	a.mu.Lock()
	if time.Now().Before(a.back) {
		a.sent++
		a.mu.Unlock()
		return cliniko.Page{}, &cliniko.Error{Kind: cliniko.Network, Path: q.Path, Reason: "no answer"}
	}
	a.mu.Unlock()
	return a.guarded.List(ctx, q)
}

// An API that is away for a day is asked every five minutes at most, by the poll and by nobody else once it is not open; the
// log says it when it begins and when it ends; and then what is there is read.
func TestAnAPIThatIsAwayForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		a := &away{guarded: newGuarded(time.Second), back: time.Now().Add(24 * time.Hour)}
		s := newSink(t)
		p := newPoller(t, a.guarded, &guardedSink{sink: s}, "@every 1s", zap.New(core))
		p.leaver.Source = a
		run(t, p, 24*time.Hour+10*time.Minute)
		if a.sent < 24*60/5 || a.sent > 1000 {
			t.Errorf("it was asked %d times in the day, want a little more than once in five minutes", a.sent)
		}
		if n := logs.FilterLevelExact(zap.WarnLevel).Len(); n != 1 {
			t.Errorf("the log warned %d times, want once: %v", n, logs.FilterLevelExact(zap.WarnLevel).All())
		}
		if n := logs.FilterMessage("polling goes on").Len(); n != 1 {
			t.Errorf("the log said %d times that polling goes on, want once", n)
		}
		if got := p.Status()[0]; got.LastError != "" || got.Baseline != complete {
			t.Errorf("ten minutes after it is back: %+v", got)
		}
	})
}
