package bridge

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
)

// A patience is one wait at the start that may last for minutes or for a night.
type patience struct {
	log  *zap.Logger
	tell func(string)
	said time.Time
}

// saidAgain is how often the log tells of a wait that goes on.
const saidAgain = time.Hour

func newPatience(log *zap.Logger, tell func(string)) *patience {
	return &patience{log: log, tell: tell}
}

// openWait is between two tries to reach a server at the start.
const openWait = time.Second

// until calls try until it comes through, ctx ends, or it returns an error that waiting does not mend. In between it waits for
// what.
func (p *patience) until(ctx context.Context, what string, try func() error) error {
	for {
		err := try()
		if bad := (*SetupError)(nil); err == nil || errors.As(err, &bad) || errors.Is(err, redisstore.ErrRefused) {
			return err
		}
		if !p.wait(ctx, what, err, openWait) {
			return ctx.Err()
		}
	}
}

// wait tells that it waits for what because of err, and lets d pass. It returns false once ctx ends.
func (p *patience) wait(ctx context.Context, what string, err error, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	p.tell("it waits for " + what + ": " + err.Error())
	if time.Since(p.said) >= saidAgain {
		p.said = time.Now()
		p.log.Warn("waiting", zap.String("for", what), zap.Error(err), zap.Duration("said_again_in", saidAgain))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
