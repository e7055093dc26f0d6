package diff

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A plan is what a page comes to, given what the store holds.
type plan struct {
	events   []schemas.Event
	entries  map[schemas.ID][]byte
	shapes   map[uint32]string
	late     time.Duration
	setAside []aside
	// newcomers is how many of entries are of records that were unknown
	newcomers int
}

// aside is a record that cannot be handled.
type aside struct {
	id     schemas.ID
	reason string
}

// decide compares each record of the page with its entry. It changes nothing: the same page against the same snapshot
// gives the same plan, with the same event ids.
func (r *resource) decide(st *state, known *known, page *schemas.Page, records []schemas.Record) plan {
	p := plan{entries: make(map[schemas.ID][]byte), shapes: make(map[uint32]string)}
	cursor := st.Marks[schemas.Live].Cursor
	for i := range records {
		rec := &records[i]
		fresh, err := r.printer.print(rec.ID, rec.Raw)
		if err != nil {
			p.setAside = append(p.setAside, aside{rec.ID, err.Error()})
			continue
		}
		old := known.entries[i]
		if old != nil && rec.UpdatedAt.Before(old.updated) {
			continue // an older version than the one we told: a copy of the data that lags behind
		}
		v := r.judge(st, page, rec, old, known.shape(old), &fresh)
		if v.keep {
			continue
		}
		sequence := st.Floor
		if old != nil {
			sequence = old.sequence
		}
		if v.verb != "" {
			sequence++
			event := r.event(st, page, rec, &fresh, sequence, v)
			if size := len(event.Record) + eventRoom; size > r.maxBytes {
				p.setAside = append(p.setAside, aside{rec.ID, "larger than the stream takes"})
				continue
			}
			if moved := old == nil || rec.UpdatedAt.After(old.updated); moved && page.Feed == schemas.Live {
				p.late = max(p.late, cursor.Sub(rec.UpdatedAt))
			}
			p.events = append(p.events, event)
		}
		if old == nil {
			p.newcomers++
		}
		p.entries[rec.ID] = pack(sequence, rec.UpdatedAt, &fresh)
		p.shapes[fresh.shape.number] = fresh.shape.text
	}
	return p
}

// eventRoom is more than an event takes beside its record.
const eventRoom = 4096

// A verdict is what became of one record.
type verdict struct {
	keep    bool         // the entry holds already
	verb    schemas.Verb // "" if there is nothing to tell
	changed []string
}

// judge is the heart of the bridge: does this record, met now, mean an event?
func (r *resource) judge(st *state, page *schemas.Page, rec *schemas.Record, old *entry, oldShape *shape, fresh *fingerprint) verdict {
	if old != nil {
		d := r.printer.compare(old, oldShape, fresh)
		switch {
		case d.none:
			// A move of updated_at alone is no event, but the newer stamp is worth keeping: with it a lagging copy
			// is known for what it is.
			return verdict{keep: !d.renew && rec.UpdatedAt.Equal(old.updated)}
		case d.changed == nil && oldShape.scheme() != r.printer.scheme && !rec.UpdatedAt.After(old.updated):
			return verdict{} // hashed under another key, and not touched since: take it up again in silence
		default:
			return verdict{verb: schemas.Updated, changed: d.changed}
		}
	}
	existing := verdict{}
	if r.snapshot {
		existing.verb = schemas.Snapshot
	}
	switch {
	case page.Opening:
		return existing
	case st.cameAfter(rec.CreatedAt):
		return verdict{verb: schemas.Created}
	case !rec.UpdatedAt.Before(st.Horizon), st.Marks[schemas.Baseline].Done:
		// It is older than the bridge and was not listed until now, or it changed before the baseline came to it.
		return verdict{verb: schemas.Updated}
	default:
		return existing
	}
}

func (r *resource) event(st *state, page *schemas.Page, rec *schemas.Record, fresh *fingerprint, sequence uint64, v verdict) schemas.Event {
	e := schemas.Event{
		ID:       eventID(r.account, r.name, rec.ID, sequence, fresh.whole),
		Account:  r.account,
		Resource: r.name,
		RecordID: rec.ID,
		Verb:     v.verb,
		Time:     rec.UpdatedAt, Sequence: sequence,
		Record: rec.Raw, Changed: v.changed, ObservedAt: page.ReadAt,
		Began: st.Began,
	}
	if r.thin {
		e.Record = nil
		e.Print = sealPrint(fresh.shape, pack(sequence, rec.UpdatedAt, fresh))
	}
	return e
}

// eventID names one change of one record for ever: the same change gives the same id, A to B to A gives three.
func eventID(account string, name schemas.Resource, id schemas.ID, sequence, whole uint64) string {
	b := make([]byte, 0, 64)
	b = append(append(b, account...), '/')
	b = append(append(b, name...), '/')
	b = append(append(b, id...), '/')
	b = append(strconv.AppendUint(b, sequence, 10), '/')
	var sum [8]byte
	for i := range sum {
		sum[i] = byte(whole >> (56 - 8*i))
	}
	return string(hex.AppendEncode(b, sum[:]))
}
