package diff

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// An entry is what the store holds of one record. Packed, with 30 fields, it is 84 bytes:
//
//	1      version of the packing, and the record's state
//	1..10  sequence of the record's last event, a varint; 0 if there was none
//	4      updated_at of the version that was hashed, Unix seconds, little endian
//	4      number of the shape
//	5      the low bytes of the hash of the whole
//	rest   a tag for each field of the shape: the low bits of its hash, packed; of free slots, see slots.go
//
// A record is unchanged if the whole and every tag agree: for one field that is 58 bits or more. Which fields changed
// is known by the tags alone: a changed field is missing from `changed` about once in 260,000 times (18 bits) where a
// record has 30 fields or more, and less often where it has fewer.
type entry struct {
	sequence uint64
	updated  time.Time // UTC, to the second; zero if not known. Of a deleted record: when it was deleted, if that is later
	states   stateSet
	shape    uint32
	whole    uint64 // wholeBits of it
	tags     []byte
}

const (
	packing   = 1
	wholeBits = 40
	// tagRoom is how many bits the tags of one record take together, unless that would leave a tag fewer than
	// minTagBits. With it, a record of 30 fields packs into 84 bytes, which Redis holds in under 110.
	tagRoom    = 68 * 8
	minTagBits = 18
	maxTagBits = 32
)

var errEntry = errors.New("an entry of the store is damaged")

// tagBits is how many bits the tag of each of n fields has.
func tagBits(n int) int {
	if n == 0 {
		return maxTagBits
	}
	return min(max(tagRoom/n, minTagBits), maxTagBits)
}

// pack makes the bytes of an entry.
func pack(sequence uint64, updated time.Time, f *fingerprint) []byte {
	e := entry{sequence: sequence, updated: updated, states: f.states.set, shape: f.shape.number, whole: f.whole, tags: f.tags()}
	return e.bytes()
}

// tags are the tags of the fields, packed.
func (f *fingerprint) tags() []byte {
	if f.slots != nil {
		return f.slots.tags(f)
	}
	bits := tagBits(len(f.fields))
	b := make([]byte, 0, (bits*len(f.fields)+7)/8)
	var acc uint64
	var held int
	for _, h := range f.fields {
		acc |= (h & (1<<bits - 1)) << held
		for held += bits; held >= 8; held -= 8 {
			b = append(b, byte(acc))
			acc >>= 8
		}
	}
	if held > 0 {
		b = append(b, byte(acc))
	}
	return b
}

func (e *entry) bytes() []byte {
	b := make([]byte, 0, 24+len(e.tags))
	b = append(b, packing<<4|byte(e.states))
	b = binary.AppendUvarint(b, e.sequence)
	b = binary.LittleEndian.AppendUint32(b, packTime(e.updated))
	b = binary.LittleEndian.AppendUint32(b, e.shape)
	for i := range wholeBits / 8 {
		b = append(b, byte(e.whole>>(8*i)))
	}
	return append(b, e.tags...)
}

// unpack reads what pack wrote. tags aliases b.
func unpack(b []byte) (entry, error) {
	if len(b) < 2 || b[0]>>4 != packing {
		return entry{}, errEntry
	}
	var e entry
	sequence, n := binary.Uvarint(b[1:])
	rest := b[1+max(n, 0):]
	if n <= 0 || len(rest) < 8+wholeBits/8 {
		return entry{}, errEntry
	}
	e.sequence, e.states = sequence, stateSet(b[0]&0x0f)
	if s := binary.LittleEndian.Uint32(rest); s != 0 {
		e.updated = time.Unix(int64(s), 0).UTC()
	}
	e.shape = binary.LittleEndian.Uint32(rest[4:])
	for i := range wholeBits / 8 {
		e.whole |= uint64(rest[8+i]) << (8 * i)
	}
	e.tags = rest[8+wholeBits/8:]
	return e, nil
}

// packTime fits every time of the API: 1970 to 2106.
func packTime(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), math.MaxUint32))
}

// tag is the tag of the i-th of n fields.
func (e *entry) tag(i, n int) uint64 {
	bits := tagBits(n)
	var v uint64
	for have, at := 0, i*bits; have < bits; {
		take := min(8-at%8, bits-have)
		v |= uint64(e.tags[at/8]>>(at%8)) & (1<<take - 1) << have
		have, at = have+take, at+take
	}
	return v
}

// A difference is what an entry and a newer print of the same record have unequal.
type difference struct {
	none    bool     // the record is the same
	changed []string // fields that came, went or changed, sorted; nil if they are not known
	renew   bool     // the entry should be written again although the record is the same
}

// compare tells what changed from e, whose shape is old (nil if the store has lost it), to f. A field that the API
// itself gained since e was made does not count, nor does one that it shows no more, see counts.
func (p *printer) compare(e *entry, old *shape, f *fingerprint) difference {
	if old == nil || old.Scheme != p.scheme || len(e.tags) != (tagBits(len(old.Fields))*len(old.Fields)+7)/8 {
		return difference{}
	}
	var changed []string
	n := len(old.Fields)
	mask := uint64(1)<<tagBits(n) - 1
	counts := make([]bool, len(f.fields))
	hidden := false // a field does not show any more
	i, j := 0, 0
	for i < n || j < len(f.fields) {
		switch {
		case j == len(f.fields) || i < n && old.Fields[i] < f.shape.Fields[j]:
			if p.counts(old.Fields[i]) {
				changed = append(changed, old.Fields[i]) // it went
			} else {
				hidden = true
			}
			i++
		case i == n || f.shape.Fields[j] < old.Fields[i]:
			name := f.shape.Fields[j]
			if _, documented := p.documented[name]; (documented || old.knows(name)) && p.counts(name) {
				changed = append(changed, name) // it came
			}
			j++
		default:
			counts[j] = true
			if e.tag(i, n) != f.fields[j]&mask {
				changed = append(changed, old.Fields[i])
			}
			i, j = i+1, j+1
		}
	}
	if changed != nil {
		return difference{changed: changed}
	}
	if hidden {
		// The entry keeps the tags of what does not show now, for when it does again. Without them there is no whole to compare:
		// a change in what both have is missed once in 260,000 times.
		return difference{none: true}
	}
	if f.wholeOf(counts)&(1<<wholeBits-1) != e.whole {
		return difference{} // something changed, and its tag happens to be the same
	}
	return difference{none: true, renew: old.number != f.shape.number}
}
