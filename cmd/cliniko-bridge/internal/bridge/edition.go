package bridge

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What was found out is remembered for a day, so that it costs a request a day. The note is the edition and when the API
// said so, by our clock: "2025 2027-03-27T10:04:02Z".
const (
	editionNote = "edition"
	editionTTL  = 24 * time.Hour
)

// A finding is what the API said of its edition, and when.
type finding struct {
	edition schemas.Edition
	at      time.Time // our clock
}

// Waits while the edition cannot be found out.
const (
	firstEditionWait = time.Second
	maxEditionWait   = time.Minute
)

// edition is the edition of the API that the account answers with: the configured one, or else found out by asking,
// again and again while the API does not say. Its error is ctx's.
func (a *account) edition(ctx context.Context, client *cliniko.Client) (finding, error) {
	if a.cfg.API != config.APIAuto {
		return finding{edition: schemas.Edition(a.cfg.API)}, nil
	}
	if found, ok := a.noted(ctx); ok {
		return found, nil
	}
	class := ""
	for wait := firstEditionWait; ; wait = min(2*wait, maxEditionWait) {
		edition, err := FindEdition(ctx, client)
		if err == nil {
			a.say("")
			found := finding{edition, time.Now().UTC()}
			a.note(ctx, found)
			return found, nil
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
			return finding{}, ctx.Err()
		case <-timer.C:
		}
	}
}

// noted is what the store remembers of the edition.
func (a *account) noted(ctx context.Context) (finding, bool) {
	note, err := a.b.store.Note(ctx, a.cfg.Name, editionNote)
	if err != nil {
		return finding{}, false
	}
	name, when, _ := strings.Cut(string(note), " ")
	at, err := time.Parse(time.RFC3339, when)
	known := len(schemas.Catalogue(schemas.Edition(name))) > 0
	return finding{schemas.Edition(name), at}, known && err == nil
}

// note remembers what the API said.
func (a *account) note(ctx context.Context, found finding) {
	text := string(found.edition) + " " + schemas.FormatStamp(found.at)
	if err := a.b.store.PutNote(ctx, a.cfg.Name, editionNote, []byte(text), editionTTL); err != nil {
		a.b.log.Warn("the edition could not be noted; it is asked for again at the next start", zap.Error(err))
	}
}

// FindEdition asks the API which edition it is, with one request: individual appointments came with the later one. A user who
// may not see them is told so, and not that there are none.
func FindEdition(ctx context.Context, client *cliniko.Client) (schemas.Edition, error) {
	edition, _, err := askEdition(ctx, client)
	return edition, err
}

// askEdition is FindEdition; sure says that the list itself was given, and that it was no mistake of a server that refused it.
func askEdition(ctx context.Context, client *cliniko.Client) (edition schemas.Edition, sure bool, err error) {
	_, err = client.List(ctx, cliniko.Query{
		Path: "/individual_appointments", Key: "individual_appointments", PerPage: 1, Lane: cliniko.LaneLive,
	})
	e, ok := errors.AsType[*cliniko.Error](err)
	switch {
	case err == nil:
		return schemas.Edition2025, true, nil
	case ok && e.Kind == cliniko.Forbidden:
		return schemas.Edition2025, false, nil
	case ok && e.Kind == cliniko.NotFound:
		return schemas.Edition2017, false, nil
	default:
		return "", false, err
	}
}

func (a *account) say(trouble string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trouble = trouble
}
