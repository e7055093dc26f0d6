package poller

import "context"

// A turn is held by one goroutine at a time. It is a mutex that can be waited for with a context.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take waits for the turn and runs f with it. If stop ends before that, f is not run, and stop's error is returned.
func (t turn) take(stop context.Context, f func() error) error {
	select {
	case t <- struct{}{}:
	case <-stop.Done():
		return stop.Err()
	}
	defer func() { <-t }()
	if err := stop.Err(); err != nil {
		return err
	}
	return f()
}
