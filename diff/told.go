package diff

import (
	"slices"
	"strings"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Told is what those who only look on are told of an event: names, ids, counts and times. There is no room in it for a
// value of a record.
type Told struct {
	Account  string
	Resource schemas.Resource
	ID       schemas.ID
	Verb     schemas.Verb
	Sequence uint64
	Changed  []string  // names of fields; nil if not known
	Time     time.Time // the record's own: the API's clock
	At       time.Time // when its page was committed: our clock, UTC
}

// tell hands what was told to Config.Told. Its texts are copies: a piece of an answer of the API would keep all of it in
// memory for as long as somebody remembers the id.
func (d *Differ) tell(events []schemas.Event) {
	if d.Told == nil || len(events) == 0 {
		return
	}
	now := time.Now().UTC()
	list := make([]Told, len(events))
	for i := range events {
		e := &events[i]
		changed := slices.Clone(e.Changed)
		for j := range changed {
			changed[j] = strings.Clone(changed[j])
		}
		list[i] = Told{
			Account: e.Account, Resource: e.Resource, ID: schemas.ID(strings.Clone(string(e.RecordID))), Verb: e.Verb,
			Sequence: e.Sequence, Changed: changed, Time: e.Time, At: now,
		}
	}
	d.Told(list)
}
