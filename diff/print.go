package diff

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dchest/siphash"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// canonicalForm is the version of the canonical form and of how it is hashed. A change of either is a new version:
// then no entry compares with one from before.
const canonicalForm = "2"

// Left out of every fingerprint.
const (
	stampField = "updated_at" // it moves without any change, and a move of it alone is no event
	idField    = "id"         // it is what the record is known by; that numbers became texts one day is no change
)

// A Key keys the fingerprints, so that they reveal nothing without it.
type Key [16]byte

// NewKey derives the key from the operator's secret, which must have 32 characters or more.
func NewKey(secret string) (Key, error) {
	if len(secret) < 32 {
		return Key{}, errors.New("the fingerprint key must have 32 characters or more")
	}
	derived, err := hkdf.Key(sha256.New, []byte(secret), nil, "cliniko-bridge fingerprints", len(Key{}))
	if err != nil {
		return Key{}, fmt.Errorf("derive the fingerprint key: %w", err)
	}
	return Key(derived), nil
}

// A fingerprint is what is left of one version of one record.
type fingerprint struct {
	shape  *shape
	fields []uint64 // a keyed hash of each field of the shape, in its order
	whole  uint64   // a keyed hash of all of them
	k0, k1 uint64   // the record's own key
	slots  *slots   // of free slots; nil for every other record
	states states
}

// A printer makes the fingerprints of one resource of one account. It is for one goroutine at a time.
//
// Each record is hashed under a key of its own, made from the printer's and the record's id: equal values in two
// records have unequal tags, so that who reads the store cannot even count how many share a birthday.
type printer struct {
	k0, k1     uint64
	scheme     string
	resource   schemas.Resource
	documented map[string]typeSet // types that are no news of each documented field
	states     []stateField
	links      map[string]bool // documented fields that link to other records
	single     bool            // no collection: its records are objects of their own kind each
	extras     []string        // undocumented fields seen so far, sorted
	generation int             // of the shapes that it makes
	onDrift    func(field string, change fieldChange)

	walk    walker
	names   []fieldName // of the record at hand, in the order they stand
	seen    int         // how many of names are the record's; the rest are the one's before
	retyped []int       // those whose value is of another type
	hashes  []uint64    // of its fields, in the same order
	layout  *layout     // of the record before, nil once a name differs
	layouts map[string]*layout
	scrap   []byte
}

// A layout is an order in which the fields of records stand. A resource has a handful.
type layout struct {
	order []int // names sorted: order[i] is the place of the i-th
	shape *shape
	// appeared and vanished are fields that are not as documented; nil once they were told.
	appeared, vanished []string
}

// maxLayouts bounds what a list with ever new fields can make us remember.
const maxLayouts = 256

func newPrinter(key Key, account string, spec *schemas.Spec, onDrift func(string, fieldChange)) *printer {
	k0, k1 := binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:])
	k0, k1 = siphash.Hash128(k0, k1, []byte(account+"/"+string(spec.Resource)))
	p := &printer{
		k0: k0, k1: k1, resource: spec.Resource, onDrift: onDrift,
		documented: documentedTypes(spec), states: stateFields(spec.States),
		links: linksOf(spec.Resource), single: spec.Shape == schemas.Singleton,
	}
	p.scheme = fmt.Sprintf("%s-%s-%016x", canonicalForm, spec.Edition, p.hash([]byte("scheme")))
	return p
}

// counts tells whether it is a change of a record that it has a field of this name, or has it no more. A record has all its
// documented fields, null where there is nothing; that one shows or not is the doing of the API, or of the role of
// the key's user, and befalls all records at once. Links are left out where there is nothing to link to (API docs: a relation
// is null, or absent), and an object that is read whole has no others like it.
func (p *printer) counts(name string) bool {
	_, documented := p.documented[name]
	return !documented || p.single || p.links[name]
}

func linksOf(resource schemas.Resource) map[string]bool {
	links := make(map[string]bool)
	for _, edition := range []schemas.Edition{schemas.Edition2017, schemas.Edition2025} {
		for _, f := range schemas.DocumentedFields(edition, resource) {
			if f.Type == schemas.TypeLink || f.Type == schemas.TypeLinks {
				links[f.Name] = true
			}
		}
	}
	return links
}

func (p *printer) hash(b []byte) uint64 { return siphash.Hash(p.k0, p.k1, b) }

// maxExtras is more than the API has in fields that nobody documented.
const maxExtras = 250

// adopt makes field one that the API is known to have.
//
// It goes with every shape, and so with every thin event. One record full of odd names must not burden all others, so that
// such names are left out: their values are compared as any, but that one comes to a record is no change of it.
func (p *printer) adopt(field string) {
	if len(field) > maxName || len(p.extras) >= maxExtras {
		return
	}
	if i, found := slices.BinarySearch(p.extras, field); !found {
		p.extras = slices.Insert(slices.Clone(p.extras), i, field) // the old slice belongs to shapes
		p.layout, p.layouts = nil, nil
	}
}

// renew sets the generation of what is printed from now on.
func (p *printer) renew(generation int) {
	if p.generation != generation {
		p.generation = generation
		p.layout, p.layouts = nil, nil
	}
}

// print takes the fingerprint of a record. Its errors hold no value of the record.
func (p *printer) print(id schemas.ID, raw []byte) (fingerprint, error) {
	var out fingerprint
	p.scrap = append(p.scrap[:0], id...)
	out.k0, out.k1 = siphash.Hash128(p.k0, p.k1, p.scrap)
	p.seen, p.hashes, p.retyped = 0, p.hashes[:0], p.retyped[:0]
	err := p.walk.object(raw, func(name, canonical []byte) {
		if string(name) == stampField || string(name) == idField {
			return
		}
		if p.field(name)&canonicalTypes[canonical[0]] == 0 {
			p.doubt(canonical)
		}
		for _, f := range p.states {
			if string(name) == f.name {
				out.states.note(f, canonical)
			}
		}
		p.scrap = append(append(append(p.scrap[:0], name...), 0), canonical...)
		p.hashes = append(p.hashes, siphash.Hash(out.k0, out.k1, p.scrap))
	})
	if err != nil {
		return fingerprint{}, err
	}
	if p.layout == nil || p.seen != len(p.names) {
		p.names = p.names[:p.seen]
		if err := p.lay(); err != nil {
			return fingerprint{}, err
		}
	}
	out.shape = p.layout.shape
	out.fields = make([]uint64, len(p.hashes))
	for i, at := range p.layout.order {
		out.fields[i] = p.hashes[at]
	}
	out.whole = out.wholeOf(nil)
	return out, nil
}

// doubt notes that the value of the field at hand is of another type, unless it is the whole number that is due.
func (p *printer) doubt(canonical []byte) {
	if at := p.seen - 1; p.names[at].types&integerType == 0 || canonical[0] != 'n' || fraction(canonical) {
		p.retyped = append(p.retyped, at)
	}
}

// A fieldName is the name of a field, and the types of its value that are no news.
type fieldName struct {
	text  string
	types typeSet
}

// field notes the next field's name, and returns the types of its value that are no news. As long as it is the name that
// the record before had at this place, there is nothing to do: rows of one list nearly always have the same fields in the
// same order.
func (p *printer) field(name []byte) typeSet {
	if p.seen < len(p.names) {
		if have := &p.names[p.seen]; have.text == string(name) {
			p.seen++
			return have.types
		}
	}
	p.layout = nil
	types, documented := p.documented[string(name)]
	if !documented {
		types = anyType
	}
	p.names = append(p.names[:p.seen], fieldName{string(name), types})
	p.seen++
	return types
}

// lay finds or makes the layout of the names at hand.
func (p *printer) lay() error {
	p.scrap = p.scrap[:0]
	for _, name := range p.names {
		p.scrap = append(binary.AppendUvarint(p.scrap, uint64(len(name.text))), name.text...) // a name may hold any byte
	}
	key := string(p.scrap)
	if p.layout = p.layouts[key]; p.layout != nil {
		return nil
	}
	order := make([]int, len(p.names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(p.names[a].text, p.names[b].text) })
	sorted := make([]string, len(order))
	for i, at := range order {
		sorted[i] = p.names[at].text
		if i > 0 && sorted[i] == sorted[i-1] {
			return errDuplicate
		}
	}
	l := &layout{order: order}
	for _, f := range sorted {
		if _, documented := p.documented[f]; !documented {
			p.adopt(f)
			l.appeared = append(l.appeared, f)
		}
	}
	for f := range p.documented {
		// A link that is absent links to nothing, see counts. It is no news of the API.
		if _, found := slices.BinarySearch(sorted, f); !found && f != stampField && f != idField && !p.links[f] {
			l.vanished = append(l.vanished, f)
		}
	}
	slices.Sort(l.vanished)
	l.shape = p.newShape(sorted, p.extras)
	if p.layouts == nil || len(p.layouts) == maxLayouts {
		p.layouts = make(map[string]*layout)
	}
	p.layout, p.layouts[key] = l, l
	return nil
}

// survey tells what is not as documented in the record that was printed last. It costs next to nothing where all is: a
// field that comes or goes is found once for each layout, and a type that was told is no news any more.
//
// Not every record has all fields: of what is deleted there may be no more than an id, or a link, and a time. A record
// counts as whole, so that a field that it lacks has vanished, if it has an updated_at, or if its resource has none. A
// row of another list that lacks its updated_at is no record to begin with.
func (p *printer) survey(rec *schemas.Record) {
	l := p.layout
	for _, f := range l.appeared {
		p.onDrift(f, appeared)
	}
	l.appeared = nil
	if _, stamped := p.documented[stampField]; l.vanished != nil && (!stamped || !rec.UpdatedAt.IsZero()) {
		for _, f := range l.vanished {
			p.onDrift(f, vanished)
		}
		l.vanished = nil
	}
	for _, at := range p.retyped {
		name := &p.names[at]
		p.onDrift(name.text, retyped)
		name.types, p.documented[name.text] = anyType, anyType
	}
}

// wholeOf hashes those fields together whose index in take is true, all of them if take is nil.
func (f *fingerprint) wholeOf(take []bool) uint64 {
	var room [512]byte
	b := room[:0]
	for i, h := range f.fields {
		if take == nil || take[i] {
			b = binary.LittleEndian.AppendUint64(b, h)
		}
	}
	return siphash.Hash(f.k0, f.k1, b)
}
