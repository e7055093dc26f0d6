package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// sweepNote names the note that the sweep leaves in the store, for `check`: a JSON object, by resource,
// {"patients":{"last":"2027-03-27T03:30:00Z","held":412}}.
const sweepNote = "sweep"

// A SweepNote is what the sweep remembers of one resource.
type SweepNote struct {
	// Last is when the resource was swept to its end: our clock, UTC, to the second.
	Last time.Time `json:"last"`
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
