package cliniko

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// The lanes that wait say for how long, and the others 0: one that starves counts from its last turn by right.
func TestALaneSaysHowLongItHasWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(60, nil)
		b.Pause(time.Now().Add(5 * time.Minute))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Wait(ctx, LaneSide) }()
		time.Sleep(2 * time.Minute)
		if s := b.Stats(); s.Waited[LaneSide] != 2*time.Minute || s.Waited[LaneLive] != 0 {
			t.Errorf("got %v", s.Waited)
		}
		cancel()
		if err := <-done; err == nil {
			t.Error("a request was granted in a pause")
		}
		if s := b.Stats(); s.Waited[LaneSide] != 0 {
			t.Errorf("nobody waits any more: got %v", s.Waited)
		}
	})
}
