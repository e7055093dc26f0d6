package diff

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/dchest/siphash"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Free slots come and go with the clock alone: those that begin too soon to be booked drop out, and each day a new one
// comes in at the far end. So their record is compared slot by slot, by when each begins. Its entry holds, instead of the tags
// of its fields:
//
//	4     the end of its window, Unix seconds, little endian
//	4     for each slot, by rising start: the low bits of a hash of the start, under the record's own key
//
// When a slot that is missing would have begun is found by hashing every minute of the window.

// slotsField is the one field of a record of free slots.
const slotsField = "available_times"

// unknownLead is within which time a slot may have become too late to book, where the lead time is not known.
const unknownLead = 24 * time.Hour

// mostSearched is how long a stretch is searched for a slot that is missing. A window has 7 days, and a zone's hours.
const mostSearched = 31 * 24 * time.Hour

var errSlots = errors.New("no free slots, each with its start")

type slots struct {
	schemas.Window
	starts []time.Time // rising
}

// print takes the fingerprint of a record. window is that of free slots; nil if it is not known.
func (r *resource) print(id schemas.ID, raw []byte, window *schemas.Window) (fingerprint, error) {
	f, err := r.printer.print(id, raw)
	if err == nil && r.spec.Shape == schemas.Slots {
		f.slots, err = readSlots(raw, window)
	}
	return f, err
}

func readSlots(raw []byte, window *schemas.Window) (*slots, error) {
	var record struct {
		Rows *[]struct {
			Start time.Time `json:"appointment_start"`
		} `json:"available_times"`
	}
	if json.Unmarshal(raw, &record) != nil || record.Rows == nil {
		return nil, errSlots
	}
	s := &slots{}
	for _, row := range *record.Rows {
		if row.Start.IsZero() {
			return nil, errSlots
		}
		s.starts = append(s.starts, row.Start.UTC())
	}
	slices.SortFunc(s.starts, time.Time.Compare)
	switch {
	case window != nil:
		s.Window = *window
	case len(s.starts) > 0: // it was read back from an event: what was seen of the window is up to its last slot
		s.Until = s.starts[len(s.starts)-1].Add(time.Second)
	}
	return s, nil
}

func (f *fingerprint) slotTag(start time.Time) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(start.Unix())) //nolint:gosec // hashed alone
	return uint32(siphash.Hash(f.k0, f.k1, b[:]))             //nolint:gosec // its low bits
}

func (s *slots) tags(f *fingerprint) []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+4*len(s.starts)), packTime(s.Until))
	for _, start := range s.starts {
		b = binary.LittleEndian.AppendUint32(b, f.slotTag(start))
	}
	return b
}

// passes says whether a slot that begins at start and is not there any more only became too late to book. Where the lead
// time is not known, that is one that begins soon, and before every slot that is left.
func (s *slots) passes(start time.Time) bool {
	if s.Lead >= 0 {
		return !start.After(s.From.Add(s.Lead))
	}
	earliest := len(s.starts) == 0 || start.Before(s.starts[0])
	return earliest && start.Before(s.From.Add(unknownLead))
}

// compare tells what changed from e to f.
func (r *resource) compare(e *entry, old *shape, f *fingerprint) difference {
	if f.slots == nil {
		return r.printer.compare(e, old, f)
	}
	if old.scheme() != r.printer.scheme || len(e.tags) < 4 || len(e.tags)%4 != 0 {
		return difference{}
	}
	if f.slots.changed(e.tags, f) {
		return difference{changed: []string{slotsField}}
	}
	return difference{none: true, renew: !slices.Equal(e.tags, f.tags()) || old.number != f.shape.number}
}

// changed tells whether slots were booked or freed since the tags were made.
func (s *slots) changed(tags []byte, f *fingerprint) bool {
	until := time.Unix(int64(binary.LittleEndian.Uint32(tags)), 0)
	missing := make(map[uint32]bool)
	for at := 4; at < len(tags); at += 4 {
		missing[binary.LittleEndian.Uint32(tags[at:])] = true
	}
	for _, start := range s.starts {
		tag := f.slotTag(start)
		if !missing[tag] && start.Before(until) {
			return true // it was freed; behind the old window's end, it would only have come into sight
		}
		delete(missing, tag)
	}
	if len(missing) == 0 {
		return false
	}
	from := s.From
	if far := until.Add(-mostSearched); from.Before(far) {
		from = far // a clock or a store that is years off would cost an hour of hashing
	}
	for start := from.Truncate(time.Minute); start.Before(until); start = start.Add(time.Minute) {
		if missing[f.slotTag(start)] && !s.passes(start) {
			return true
		}
	}
	return false
}
