package clinikotest

import (
	"embed"
	"slices"
	"strings"
	"sync"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// An Edition is one of the two living forms of the API.
type Edition string

// The editions.
const (
	// Edition2017 is the API as its readme of April 2017 describes it: integer ids, and side lists that show what the
	// plain list hides (/patients/archived).
	Edition2017 Edition = "2017"
	// Edition2025 is the API as its description of August 2025 has it: string ids, short and long ones mixed, and
	// filters that lift what a list hides (archived_at:*).
	Edition2025 Edition = "2025"
)

// A resource is what this package knows of one resource of an edition. It is a package's own knowledge, kept apart
// from the bridge's catalogue on purpose: one judges the other.
type resource struct {
	edition Edition
	name    schemas.Resource
	shape   string // "collection", "single" (one object without an id) or "derived" (computed from other records)
	list    string // "plain", "nested" (under its parents alone) or "none"
	item    string // "plain", or "patient" if a record's address is /patients/<id>/referral_source
	of      []schemas.Resource
	under   []schemas.Resource // the parents that have a list of it
	hides   stateSet           // what the plain list leaves out
	filters map[string]kind    // beside id, created_at and updated_at
	only    map[string]kind    // if it is set, all the filters that there are
	fields  []string           // in their order
	kinds   map[string]string  // of the fields that have one: "link", "decimal"
	example []field            // what its records say, if no file of editions knows it; see byExample
}

// A file of editions is a list of resources. A name stands at the beginning of a line; what is known of it follows
// by key, two spaces in: shape, list, item, of (it shows rows of these), under, hides, filters, fields. What goes on
// is four spaces in, a # begins a comment, and what the zero values say is left out. created_at, updated_at and id are
// filters of every list.
//
//go:embed editions/*.txt
var editionFiles embed.FS

// resourcesOf are the resources of an edition by name, parsed once.
var resourcesOf = map[Edition]func() map[schemas.Resource]*resource{
	Edition2017: sync.OnceValue(func() map[schemas.Resource]*resource { return readEdition("2017") }),
	Edition2025: sync.OnceValue(func() map[schemas.Resource]*resource { return readEdition("2025") }),
}

func readEdition(name string) map[schemas.Resource]*resource {
	text, err := editionFiles.ReadFile("editions/" + name + ".txt")
	if err != nil {
		panic("clinikotest: " + err.Error())
	}
	all := map[schemas.Resource]*resource{}
	var at *resource
	var key string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0][0] == '#':
			continue
		case line[0] != ' ':
			at = &resource{
				edition: Edition(name), name: schemas.Resource(words[0]), shape: "collection", list: "plain", item: "plain",
				filters: map[string]kind{}, kinds: map[string]string{},
			}
			all[at.name] = at
			continue
		case !strings.HasPrefix(line, "    "):
			key, words = words[0], words[1:]
		}
		for _, word := range words {
			at.set(key, word)
		}
	}
	for _, r := range all {
		if len(r.of) > 0 && len(r.fields) == 0 { // another name for the same rows
			source := all[r.of[0]]
			r.hides, r.filters, r.fields, r.kinds = source.hides, source.filters, source.fields, source.kinds
		}
	}
	fillIn(all, Edition(name))
	return all
}

func (r *resource) set(key, word string) {
	name, kind, _ := strings.Cut(word, ":")
	switch key {
	case "shape":
		r.shape = word
	case "list":
		r.list = word
	case "item":
		r.item = word
	case "of":
		r.of = append(r.of, schemas.Resource(word))
	case "under":
		r.under = append(r.under, schemas.Resource(word))
	case "hides":
		r.hides |= stateNames[word]
	case "filters":
		r.filters[name] = kindNames[kind]
	case "fields":
		r.fields = append(r.fields, name)
		if kind != "" {
			r.kinds[name] = kind
		}
	default:
		panic("clinikotest: editions: " + key)
	}
}

// has says whether the records of r have a field.
func (r *resource) has(field string) bool { return slices.Contains(r.fields, field) }

// stamped says whether the records of r have an id and the two stamps.
func (r *resource) stamped() bool { return r.has("updated_at") }

// filterKind is the kind of a column that a list can be filtered by, 0 of any other.
func (r *resource) filterKind(column string) kind {
	if r.only != nil {
		return r.only[column]
	}
	if k := everywhere[column]; k != 0 && r.stamped() {
		return k
	}
	return r.filters[column]
}

// sortable says whether a list can be sorted by a column. The API names no list of them ("almost all resources");
// here it is every documented plain field and every filter.
func (r *resource) sortable(column string) bool {
	switch {
	case r.shape == "derived":
		return false
	case r.filterKind(column) != 0:
		return true
	case r.only != nil:
		return column == "created_at"
	}
	switch r.kinds[column] {
	case "link", "links", "ids", "texts", "object", "objects":
		return false
	}
	return r.has(column) && column != "links"
}
