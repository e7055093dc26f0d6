package diff

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
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
	missed   int
	setAside []aside
	// newcomers is how many of entries are of records that were unknown
	newcomers int
}

// eventRoom is more than an event takes beside its record, its changed fields and its print.
const eventRoom = 4096

const tooLarge = "larger than the stream takes"

// size is what an event takes of the stream, or a little more.
func size(e *schemas.Event) int {
	n := eventRoom + len(e.Record) + base64.StdEncoding.EncodedLen(len(e.Print))
	for _, field := range e.Changed {
		n += 6*len(field) + len(`"",`) // every letter of an odd name may be an escape
	}
	return n
}

// decide compares each record of the page with its entry. It changes nothing: the same page against the same snapshot
// gives the same plan, with the same event ids.
func (r *resource) decide(st *state, known *known, page *schemas.Page, records []schemas.Record) plan {
	p := plan{entries: make(map[schemas.ID][]byte), shapes: make(map[uint32]string)}
	mark := st.Marks[page.Feed]
	again := mark.Cursor.Add(-max(mark.Lookback, schemas.MinLookback)) // what is stamped from here on will be read again
	for i := range records {
		rec := &records[i]
		fresh, err := r.print(rec.ID, rec.Raw, rec.Window)
		if err != nil {
			p.put(page, rec.ID, known.entries[i], err.Error())
			continue
		}
		r.printer.survey(rec)
		if fresh.states.set == 0 {
			fresh.states.set = stateBit(page.Implies)
		}
		old := known.entries[i]
		v := r.judge(st, page, rec, old, known.shape(old), &fresh)
		if v.keep {
			continue
		}
		sequence := st.Floor
		if old != nil {
			sequence = old.sequence
		}
		events := r.events(st, page, rec, &fresh, sequence, &v)
		if slices.ContainsFunc(events, func(e schemas.Event) bool { return size(&e) > r.maxBytes }) {
			p.put(page, rec.ID, old, tooLarge)
			continue
		}
		if old == nil {
			p.newcomers++
		}
		moved := old == nil || rec.UpdatedAt.After(old.updated)
		switch {
		case len(v.verbs) == 0 || page.Baseline:
		case page.Swept:
			if moved && rec.Stamp.Before(again) {
				p.missed++
			}
		case moved || fresh.states.set != old.states && old.states&gone == 0:
			p.late = max(p.late, mark.Cursor.Sub(rec.Stamp))
		}
		p.events = append(p.events, events...)
		p.entries[rec.ID] = pack(sequence+uint64(len(events)), versionTime(rec, &fresh), &fresh)
		p.shapes[fresh.shape.number] = fresh.shape.text
	}
	for i, id := range page.Gone {
		r.lose(&p, st, page, id, known.entries[len(records)+i], known)
	}
	at := len(records) + len(page.Gone)
	for _, row := range page.Bad {
		var old *entry
		if row.ID != "" {
			old = known.entries[at]
			at++
		}
		p.setAside = append(p.setAside, badRow(page.Feed, row, old))
	}
	return p
}

// put sets a record of page aside. old is its entry, nil if it has none.
func (p *plan) put(page *schemas.Page, id schemas.ID, old *entry, reason string) {
	p.setAside = append(p.setAside, aside{SetAside{ID: id, List: page.Feed, Reason: reason}, old == nil})
}

// lose tells that a record is gone, if it is one that we know and have not told as deleted. Its entry stays, so that it is
// known again, and with its tags, should it come back.
func (r *resource) lose(p *plan, st *state, page *schemas.Page, id schemas.ID, old *entry, known *known) {
	if _, met := p.entries[id]; met || old == nil || old.states&deleted != 0 {
		return
	}
	last := *old
	last.sequence++
	last.states |= deleted | gone
	packed := last.bytes()
	s := known.shape(old)
	if s == nil {
		s = &shape{}
	}
	e := schemas.Event{
		ID:      eventID(r.account, r.name, id, last.sequence, last.whole),
		Account: r.account, Resource: r.name, RecordID: id, Verb: schemas.Deleted, Sequence: last.sequence,
		// Nobody says when it went: it is when it was found to be gone.
		Time: page.ReadAt.UTC().Truncate(time.Second), ObservedAt: page.ReadAt,
		Began: st.Began, Print: sealPrint(s, packed),
	}
	if size(&e) > r.maxBytes {
		p.put(page, id, old, tooLarge) // by the names of its fields alone
		return
	}
	p.events = append(p.events, e)
	p.entries[id] = packed
}

// versionTime is when a version of a record came to be: its updated_at, or when it was deleted, which need not move that.
func versionTime(rec *schemas.Record, f *fingerprint) time.Time {
	t := rec.UpdatedAt
	if f.states.set&deleted != 0 {
		for _, other := range []time.Time{rec.Stamp, f.states.since[stateCount-1]} {
			if other.After(t) {
				t = other
			}
		}
	}
	return t
}

// A verdict is what became of one record.
type verdict struct {
	keep    bool           // the entry holds already
	verbs   []schemas.Verb // what to tell, in order
	changed []string       // with the first verb; nil if not known
}

// changedBy is what changed between the event before the n-th of the verdict and the n-th. They tell of one version of the
// record, and so but the field of the state is new to the second.
func (v *verdict) changedBy(n int, p *printer) []string {
	if n == 0 {
		return v.changed
	}
	for _, f := range p.states {
		if stateVerbs[f.bit] == v.verbs[n] {
			return []string{f.name}
		}
	}
	return []string{}
}

// judge is the heart of the bridge: does this record, met now, mean an event?
func (r *resource) judge(st *state, page *schemas.Page, rec *schemas.Record, old *entry, oldShape *shape, fresh *fingerprint) verdict {
	if old == nil {
		return r.meet(st, page, rec, fresh)
	}
	if versionTime(rec, fresh).Before(old.updated) {
		return verdict{keep: true} // an older version than the one we told: a copy of the data that lags behind
	}
	d := r.compare(old, oldShape, fresh)
	if old.states&gone != 0 {
		if fresh.states.set&deleted != 0 {
			return verdict{keep: true}
		}
		return verdict{verbs: back(old, fresh), changed: d.known()} // it was hidden from us for a while
	}
	if old.states&deleted != 0 {
		// The same record was seen in the live list and among the deleted at once (cliniko-api issue 144): it is back
		// only if it was touched since.
		if fresh.states.set&deleted != 0 || !rec.UpdatedAt.After(old.updated) {
			return verdict{keep: true}
		}
		return verdict{verbs: back(old, fresh)}
	}
	entered, left := fresh.states.set&^old.states, old.states&^fresh.states.set
	switch {
	case entered&deleted != 0:
		return verdict{verbs: entered.verbs()}
	case entered != 0:
		return verdict{verbs: entered.verbs(), changed: d.known()}
	case left != 0:
		return verdict{verbs: []schemas.Verb{schemas.Restored}, changed: d.known()}
	case r.snapshotDue(st, oldShape, fresh) && (d.none || d.changed == nil && !rec.UpdatedAt.After(old.updated)):
		return verdict{verbs: []schemas.Verb{schemas.Snapshot}}
	case d.none:
		// A move of updated_at alone is no event, but the newer stamp is worth keeping: with it a lagging copy is known
		// for what it is.
		return verdict{keep: !d.renew && rec.UpdatedAt.Equal(old.updated)}
	case d.changed == nil && oldShape.scheme() != r.printer.scheme && !rec.UpdatedAt.After(old.updated):
		return verdict{} // hashed under another key, and not touched since: take it up again in silence
	default:
		return verdict{verbs: []schemas.Verb{schemas.Updated}, changed: d.changed}
	}
}

// back are the verbs of a record that is not deleted any more: what it went into meanwhile is told, too.
func back(old *entry, fresh *fingerprint) []schemas.Verb {
	return append([]schemas.Verb{schemas.Restored}, (fresh.states.set &^ old.states).verbs()...)
}

// snapshotDue tells whether a known record is met for the first time since the baseline was begun anew, and is to be told.
// Whoever comes to it first tells it, live polling too, and after the baseline's end: a record that is touched while the
// baseline runs moves out of its way.
func (r *resource) snapshotDue(st *state, old *shape, fresh *fingerprint) bool {
	return r.snapshot && old.generation() < st.Generation && fresh.states.set&deleted == 0
}

// known are the fields that changed: an empty list if nothing did, nil if that is not known.
func (d *difference) known() []string {
	if d.none {
		return []string{}
	}
	return d.changed
}

// meet judges a record that is met for the first time.
func (r *resource) meet(st *state, page *schemas.Page, rec *schemas.Record, fresh *fingerprint) verdict {
	existing := verdict{}
	if r.snapshot && fresh.states.set&deleted == 0 {
		existing.verbs = []schemas.Verb{schemas.Snapshot}
	}
	if page.Opening {
		return existing
	}
	if st.cameAfter(rec.CreatedAt) {
		return verdict{verbs: append([]schemas.Verb{schemas.Created}, fresh.states.set.verbs()...)}
	}
	horizon := st.Marks[page.Feed].Horizon
	if r.snapshot && st.Rebuilt != "" && horizon.Equal(st.Began) && rec.Stamp.Equal(horizon) {
		return existing // the store was lost, or we stopped, behind the first snapshots of the opening look
	}
	if page.First || (r.unstamped() || rec.Stamp.Before(horizon)) && !st.Marks[schemas.BaselineOf(page.Feed)].Done {
		return existing
	}
	if r.unstamped() && r.spec.Shape != schemas.Singleton {
		return verdict{verbs: []schemas.Verb{schemas.Created}} // it was not there when the baseline came by its place
	}
	// It is older than the bridge and was not listed until now, or it changed before the baseline came to it. What it
	// went into since then, it tells itself.
	var lately stateSet
	for i, since := range fresh.states.since {
		if bit := stateSet(1) << i; fresh.states.set&bit != 0 && !since.IsZero() && !since.Before(horizon) {
			lately |= bit
		}
	}
	switch {
	case lately != 0:
		return verdict{verbs: lately.verbs()}
	case fresh.states.set&deleted != 0:
		return verdict{} // gone for long
	default:
		return verdict{verbs: []schemas.Verb{schemas.Updated}}
	}
}

// events are those of a verdict, in their order. sequence is that of the record's last event before them.
func (r *resource) events(st *state, page *schemas.Page, rec *schemas.Record, fresh *fingerprint, sequence uint64, v *verdict) []schemas.Event {
	var list []schemas.Event
	for n, verb := range v.verbs {
		sequence++
		told := *fresh // but for the states that the next events tell: this one may be the last that is stored
		for _, later := range v.verbs[n+1:] {
			told.states.set &^= verbState(later)
		}
		list = append(list, r.event(st, page, rec, &told, sequence, verb, v.changedBy(n, r.printer)))
	}
	return list
}

func (r *resource) event(st *state, page *schemas.Page, rec *schemas.Record, fresh *fingerprint, sequence uint64,
	verb schemas.Verb, changed []string,
) schemas.Event {
	when := rec.UpdatedAt
	if r.unstamped() {
		when = page.ReadAt.UTC().Truncate(time.Second) // nobody says when it changed: it is when that was seen
	}
	e := schemas.Event{
		ID:       eventID(r.account, r.name, rec.ID, sequence, fresh.whole),
		Account:  r.account,
		Resource: r.name,
		RecordID: rec.ID,
		Verb:     verb,
		Time:     when, Sequence: sequence,
		Record: rec.Raw, Changed: changed, ObservedAt: page.ReadAt,
		Began: st.Began,
	}
	if verb == schemas.Deleted {
		e.Record, e.Changed, e.Time = nil, nil, versionTime(rec, fresh)
		if since := fresh.states.since[stateCount-1]; !since.IsZero() {
			e.Time = since
		}
	}
	if r.thin {
		e.Record = nil
	}
	if e.Record == nil {
		e.Print = sealPrint(fresh.shape, pack(sequence, versionTime(rec, fresh), fresh))
	}
	return e
}

// unstamped says that the resource's records have no updated_at: they are read whole, time and again.
func (r *resource) unstamped() bool { return len(r.spec.Feeds) > 0 && r.spec.Feeds[0].Stamp == "" }

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
