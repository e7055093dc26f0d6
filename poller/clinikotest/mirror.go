package clinikotest

import (
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A mirror is a list that shows the rows of another resource under its own name: bookings shows the individual and the
// group appointments and the unavailable blocks, with the ids that they have there. Whoever polls both sees each
// change twice, and is meant to. The mirror has rows and versions like any list; they follow those of their source.
type mirror struct {
	from, to *collection
}

// attach makes to a mirror of from.
func attach(from, to *collection) {
	from.mirrors = append(from.mirrors, &mirror{from, to})
	to.sources = append(to.sources, from)
}

// follow gives the mirror the version v of r.
func (m *mirror) follow(r *row, v *version, now int64, keep int) {
	twin := m.to.rows[m.to.idOf(r.id)]
	if twin == nil {
		twin = &row{id: m.to.idOf(r.id), num: r.num, seq: m.to.nextSeq, created: r.created, shown: -1}
		m.to.nextSeq++
		m.to.enlist(twin)
	}
	copied := *v
	copied.raw, copied.fields = nil, m.to.res.reflect(m.from.res, v.fields)
	m.to.add(twin, &copied, now, keep)
}

// reflect is what r shows of another resource's fields: those that it has too, and those that are new to both.
func (r *resource) reflect(source *resource, fields []field) []field {
	var out []field
	for _, f := range fields {
		switch {
		case f.name == "links":
			f.ref = r.self(f.ref)
		case f.name == "account" && r.name == "public_settings":
			f = newField("account", publicAccount(f.value))
		}
		if r.has(f.name) || !source.has(f.name) {
			out = append(out, f)
		}
	}
	return out
}

// self is the address of a record in r, from its address in the source: the id is the same.
func (r *resource) self(source Ref) Ref {
	if r.shape == "single" {
		return singlePaths[r.name]
	}
	id := source[strings.LastIndexByte(string(source), '/')+1:]
	return RefTo(r.name, schemas.ID(id))
}

// behind is the list that a record of l belongs to: l itself, or, in a mirror, its source. c.mu is held.
func (l *collection) behind(id schemas.ID) *collection {
	for _, source := range l.sources {
		if source.rows[source.idOf(id)] != nil {
			return source
		}
	}
	return l
}

// idOf is the id under which l has a record of a source or a mirror: the same, but an object without an id goes by the
// resource's name.
func (l *collection) idOf(id schemas.ID) schemas.ID {
	if l.res.shape == "single" {
		return schemas.ID(l.res.name)
	}
	return id
}

// makes is the list in which a new record of l is made.
func (l *collection) makes() *collection {
	if len(l.sources) > 0 {
		return l.sources[0]
	}
	return l
}
