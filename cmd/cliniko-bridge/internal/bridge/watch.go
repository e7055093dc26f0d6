package bridge

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// editionRest is the least time between two requests that ask for the edition of an account which is being followed.
const editionRest = 10 * time.Minute

// An editionWatch looks, while an account is followed, whether its API has gone over to another edition. It asks once a
// day, and sooner if a list is not there any more.
type editionWatch struct {
	ask    func(context.Context) (edition schemas.Edition, sure bool, err error) // askEdition
	note   func(context.Context, finding)
	stays  func() // called whenever the API was asked and told of no other edition
	log    *zap.Logger
	doubts chan struct{} // holds one: that there is a doubt is all that matters

	asked, due time.Time // when the API was asked last, and when it is to be next, by our clock; owned by run
}

func newEditionWatch(a *account, client *cliniko.Client) *editionWatch {
	return &editionWatch{
		ask:    func(ctx context.Context) (schemas.Edition, bool, error) { return askEdition(ctx, client) },
		note:   a.note,
		stays:  func() {},
		log:    a.b.log.With(zap.String("account", a.cfg.Name)),
		doubts: make(chan struct{}, 1),
	}
}

// doubt makes run ask soon. It does not wait.
func (w *editionWatch) doubt(schemas.Resource) {
	select {
	case w.doubts <- struct{}{}:
	default:
	}
}

// run returns the edition that the API has gone over to from the one that was found, and true; or false once ctx ends.
// An answer that is neither the list nor its absence says nothing, and changes nothing.
//
// Another edition is believed at once if the list that tells it was given, and otherwise if it is said twice in a row, a
// while apart: 403 and 404 come by mistake, too, and what is followed meanwhile would be of the wrong edition.
func (w *editionWatch) run(ctx context.Context, found finding) (next finding, changed bool) {
	if now := time.Now(); found.at.After(now) {
		found.at = now // our clock was set back
	}
	w.asked, w.due = found.at, nextDay(found.at)
	doubted := false // the answer before this one was another edition, and not sure
	for w.rest(ctx) {
		edition, sure, err := w.ask(ctx)
		w.asked = time.Now().UTC()
		w.due = w.asked.Add(editionRest + rand.N(editionRest)) //nolint:gosec // jitter, no secret
		switch {
		case err != nil:
			w.stays()
			w.log.Debug("the API did not say its edition; it is asked again", zap.Error(err))
		case edition == found.edition:
			doubted = false
			w.stays()
			w.due = nextDay(w.asked)
			w.note(ctx, finding{edition, w.asked})
		case !sure && !doubted:
			doubted = true
			w.log.Info("the API seems to answer with another edition; it is asked again before that is believed",
				zap.String("edition", string(found.edition)), zap.String("other", string(edition)))
		default:
			w.log.Warn("the API answers with another edition than before; what exists is taken up anew in silence",
				zap.String("edition", string(found.edition)), zap.String("other", string(edition)))
			next = finding{edition, w.asked}
			w.note(ctx, next)
			return next, true
		}
	}
	return found, false
}

// rest waits until it is time to ask: a doubt brings that forward. It returns false once ctx ends.
func (w *editionWatch) rest(ctx context.Context) bool {
	for {
		timer := time.NewTimer(time.Until(w.due))
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-w.doubts:
			timer.Stop()
			if soon := w.asked.Add(editionRest); soon.Before(w.due) {
				w.due = soon
			}
		}
	}
}

// nextDay is when the edition is asked for again: shortly before the note of it runs out, and not for all accounts of a
// process at once.
func nextDay(asked time.Time) time.Time {
	return asked.Add(editionTTL - rand.N(editionTTL/8)) //nolint:gosec // jitter, no secret
}
