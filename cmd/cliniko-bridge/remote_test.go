package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
)

var errSilent = errors.New("silent")

// A bridge that is silent for a while, as while it is restarted, is followed on; one that is silent for longer is not.
func TestWatchHasPatience(t *testing.T) {
	for name, row := range map[string]struct {
		silence time.Duration
		want    error
	}{
		"never":        {0, nil},
		"a while":      {patience - time.Second, nil},
		"for too long": {patience + time.Minute, errSilent},
	} {
		synctest.Test(t, func(t *testing.T) {
			began, looks := time.Now(), 0
			status := func(context.Context) (admin.Status, error) {
				since := time.Since(began)
				// After the first minute and once more after the second, so that what was silent before counts no more.
				if since > time.Minute && since%time.Minute < row.silence {
					return admin.Status{}, errSilent
				}
				return admin.Status{}, nil
			}
			err := watch(t.Context(), status, func(admin.Status) bool {
				looks++
				return time.Since(began) > 3*time.Minute-time.Second
			})
			if !errors.Is(err, row.want) || (row.want == nil) != (err == nil) {
				t.Errorf("%s: got %v; want %v", name, err, row.want)
			}
			if looks < 100 {
				t.Errorf("%s: looked %d times in a minute", name, looks)
			}
		})
	}
}

// Whoever interrupts is heard at once, also while the bridge is silent.
func TestWatchIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		err := watch(ctx, func(context.Context) (admin.Status, error) { return admin.Status{}, errSilent }, nil)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Second {
			t.Errorf("got %v after %v; want the end of the context after 10 s", err, time.Since(began))
		}
	})
}

func TestAboutIsSaidInOneUnit(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 s", 119 * time.Second: "119 s", 150 * time.Second: "2 min", 119 * time.Minute: "119 min", 5 * time.Hour: "5 h",
	} {
		if got := about(d); got != want {
			t.Errorf("about(%v): got %s; want %s", d, got, want)
		}
	}
}
