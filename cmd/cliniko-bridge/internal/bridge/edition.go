package bridge

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What was found out is remembered for a day, so that it costs a request a day, and a change shows within that and at a
// restart.
const (
	editionNote = "edition"
	editionTTL  = 24 * time.Hour
)

// Waits while the edition cannot be found out.
const (
	firstEditionWait = time.Second
	maxEditionWait   = time.Minute
)

// edition is the edition of the API that the account answers with: the configured one, or else found out by asking,
// again and again while the API does not say. Its error is ctx's.
func (a *account) edition(ctx context.Context, client *cliniko.Client) (schemas.Edition, error) {
	if a.cfg.API != config.APIAuto {
		return schemas.Edition(a.cfg.API), nil
	}
	if note, err := a.b.store.Note(ctx, a.cfg.Name, editionNote); err == nil && len(schemas.Catalogue(schemas.Edition(note))) > 0 {
		return schemas.Edition(note), nil
	}
	class := ""
	for wait := firstEditionWait; ; wait = min(2*wait, maxEditionWait) {
		edition, err := FindEdition(ctx, client)
		if err == nil {
			a.say("")
			if err := a.b.store.PutNote(ctx, a.cfg.Name, editionNote, []byte(edition), editionTTL); err != nil {
				a.b.log.Warn("the edition could not be noted; it is asked for again at the next start", zap.Error(err))
			}
			return edition, nil
		}
		a.say("the edition of its API is not known yet: " + err.Error())
		if e, ok := errors.AsType[*cliniko.Error](err); ok && e.Kind.String() != class {
			class = e.Kind.String()
			a.b.log.Warn("the edition of the API could not be found out; asking again", zap.String("account", a.cfg.Name), zap.Error(err))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			a.say("") // another bridge may have the account now
			return "", ctx.Err()
		case <-timer.C:
		}
	}
}

// FindEdition asks the API which edition it is, with one request: individual appointments came with the later one. A user who
// may not see them is told so, and not that there are none.
func FindEdition(ctx context.Context, client *cliniko.Client) (schemas.Edition, error) {
	_, err := client.List(ctx, cliniko.Query{
		Path: "/individual_appointments", Key: "individual_appointments", PerPage: 1, Lane: cliniko.LaneLive,
	})
	e, ok := errors.AsType[*cliniko.Error](err)
	switch {
	case err == nil, ok && e.Kind == cliniko.Forbidden:
		return schemas.Edition2025, nil
	case ok && e.Kind == cliniko.NotFound:
		return schemas.Edition2017, nil
	default:
		return "", err
	}
}

func (a *account) say(trouble string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trouble = trouble
}
