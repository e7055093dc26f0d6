package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// sweepNote names the note that the sweep leaves in the store, for `check`: a JSON object, by resource,
// {"patients":{"last":"2027-03-27T03:30:00Z","up_to":"2027-03-27T03:29:57Z","held":412}}.
const sweepNote = "sweep"

// A SweepNote is what the sweep remembers of one resource.
type SweepNote struct {
	// Last is when the resource was swept to its end: our clock, UTC, to the second.
	Last time.Time `json:"last"`
	// UpTo is the API's clock up to which a sweep has read what changed: the next one goes on from there.
	UpTo time.Time `json:"up_to,omitzero"`
	// Held is how many records were found to be gone and are not told, because they are too many at once. 0 is usual.
	Held int `json:"held"`
}

// PutSweepNote replaces what the store remembers of an account's sweep. It is kept for ever. held is the caller's.
func PutSweepNote(ctx context.Context, store diff.Store, account string, held map[schemas.Resource]SweepNote) error {
	exact := make(map[schemas.Resource]SweepNote, len(held))
	for resource, note := range held {
		note.Last = note.Last.UTC().Truncate(time.Second)
		exact[resource] = note
	}
	text, err := json.Marshal(exact)
	if err != nil {
		return fmt.Errorf("note of the sweep: %w", err)
	}
	if err := store.PutNote(ctx, account, sweepNote, text, 0); err != nil {
		return fmt.Errorf("note of the sweep: %w", err)
	}
	return nil
}

// SweepNotes is what PutSweepNote has left, empty if nothing. An error may be the store's, or that the note is damaged: then a
// new one makes it good.
func SweepNotes(ctx context.Context, store diff.Store, account string) (map[schemas.Resource]SweepNote, error) {
	text, err := store.Note(ctx, account, sweepNote)
	if err != nil {
		return nil, fmt.Errorf("note of the sweep: %w", err)
	}
	notes := make(map[schemas.Resource]SweepNote)
	if text == nil {
		return notes, nil
	}
	if json.Unmarshal(text, &notes) != nil || notes == nil {
		return nil, errors.New("note of the sweep: it is damaged")
	}
	return notes, nil
}

// A sweepKeeper keeps how the sweeps of an account ended.
type sweepKeeper struct {
	a *account

	mu    sync.Mutex // guards notes, and is held while they are written
	notes map[schemas.Resource]SweepNote
}

// keepSweeps reads what earlier processes have left.
func (a *account) keepSweeps(ctx context.Context) *sweepKeeper {
	notes, err := SweepNotes(ctx, a.b.store, a.cfg.Name)
	if err != nil {
		a.b.log.Warn("what is known of earlier sweeps cannot be read; the next sweep makes it good", zap.String("account", a.cfg.Name), zap.Error(err))
		notes = make(map[schemas.Resource]SweepNote)
	}
	return &sweepKeeper{a: a, notes: notes}
}

// earlier is what is known from before.
func (k *sweepKeeper) earlier() map[schemas.Resource]poller.SweepStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make(map[schemas.Resource]poller.SweepStatus, len(k.notes))
	for name, n := range k.notes {
		all[name] = poller.SweepStatus{Last: n.Last, UpTo: n.UpTo, Held: n.Held}
	}
	return all
}

// note is poller.Config.Swept.
func (k *sweepKeeper) note(name schemas.Resource, s poller.SweepStatus) {
	if s.Trouble != "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.notes[name] = SweepNote{Last: s.Last, UpTo: s.UpTo, Held: s.Held}
	ctx, cancel := context.WithTimeout(context.Background(), noteTime)
	defer cancel()
	if err := PutSweepNote(ctx, k.a.b.store, k.a.cfg.Name, k.notes); err != nil {
		k.a.b.log.Warn("how a sweep ended could not be noted", zap.String("account", k.a.cfg.Name), zap.Error(err))
	}
}

// noteTime is how long the store may take for a note.
const noteTime = 5 * time.Second
