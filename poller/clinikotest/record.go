package clinikotest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Fields are values of top-level fields, by name. A value is anything that encoding/json takes, or a Ref.
type Fields map[string]any

// A Ref is a relation: a path relative to the base URL ("/patients/51001"), which is written as the API writes its
// relations, {"links":{"self":"https://…/v1/patients/51001"}}.
type Ref string

// RefTo is the relation to one record.
func RefTo(resource schemas.Resource, id schemas.ID) Ref {
	return Ref("/" + string(resource) + "/" + string(id))
}

// A field is one member of a record: a relation if ref is set, otherwise its JSON.
type field struct {
	name  string
	value json.RawMessage
	ref   Ref
}

func newField(name string, value any) field {
	if ref, ok := value.(Ref); ok {
		return field{name: name, ref: ref}
	}
	raw, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("clinikotest: field %s: %v", name, err))
	}
	return field{name: name, value: raw}
}

// pairs is a list of fields from names and values by turns.
func pairs(list ...any) []field {
	fields := make([]field, 0, len(list)/2+4) // room for the id, the two stamps and the links
	for i := 0; i < len(list); i += 2 {
		fields = append(fields, newField(list[i].(string), list[i+1]))
	}
	return fields
}

func (f *field) equal(g *field) bool { return f.ref == g.ref && bytes.Equal(f.value, g.value) }

// null says whether the field is null or not there.
func (f *field) null() bool { return f == nil || (f.ref == "" && string(f.value) == "null") }

func (f *field) appendValue(b []byte, base string) []byte {
	if f.ref == "" {
		return append(b, f.value...)
	}
	b = append(b, `{"links":`...)
	b = appendLink(b, base, f.ref)
	return append(b, '}')
}

func appendLink(b []byte, base string, ref Ref) []byte {
	b = append(b, `{"self":"`...)
	b = append(b, base...)
	b = append(b, ref...)
	return append(b, `"}`...)
}

// encode writes fields as an object, in their order. The record's own links are a relation without the outer object.
func encode(fields []field, base string) []byte {
	b := make([]byte, 0, 1024)
	for i := range fields {
		f := &fields[i]
		b = append(b, ',', '"')
		b = append(b, f.name...)
		b = append(b, '"', ':')
		if f.name == "links" {
			b = appendLink(b, base, f.ref)
		} else {
			b = f.appendValue(b, base)
		}
	}
	b[0] = '{'
	return slices.Clip(append(b, '}'))
}

// field finds a field by its name, nil if v has none.
func (v *version) field(name string) *field {
	for i := range v.fields {
		if v.fields[i].name == name {
			return &v.fields[i]
		}
	}
	return nil
}

// text is the value of a string field, "" if it is anything else.
func (v *version) text(name string) string {
	var s string
	if f := v.field(name); f != nil && f.ref == "" {
		_ = json.Unmarshal(f.value, &s) // not a string: s stays empty
	}
	return s
}

// ref is the value of a relation, "" if there is none.
func (v *version) ref(name string) Ref {
	if f := v.field(name); f != nil {
		return f.ref
	}
	return ""
}

// relative is the number at the end of the path of a relation: the id of the record it points to.
func (f *field) relative() string {
	if f == nil {
		return ""
	}
	return string(f.ref[strings.LastIndexByte(string(f.ref), '/')+1:])
}

// without is a copy of fields without one of them.
func without(fields []field, name string) []field {
	return slices.DeleteFunc(slices.Clone(fields), func(f field) bool { return f.name == name })
}

// changed is a copy of fields with changes made, and the sorted names of those that really have another value now.
// New ones go before the links, which stay last.
func changed(fields []field, changes Fields) ([]field, []string) {
	out := slices.Clone(fields)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		switch name {
		case "id", "created_at", "updated_at", "links":
			panic(fmt.Sprintf("clinikotest: field %s is the clinic's own", name))
		}
		f := newField(name, changes[name])
		i := slices.IndexFunc(out, func(o field) bool { return o.name == name })
		switch {
		case i < 0:
			out = slices.Insert(out, len(out)-1, f)
			names = append(names, name)
		case !out[i].equal(&f):
			out[i] = f
			names = append(names, name)
		}
	}
	return out, names
}
