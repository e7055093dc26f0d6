package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas" //nolint:depguard // a tool beside the package, not a part of it
)

// A record is a resource with what both editions document of it.
type record struct {
	resource schemas.Resource
	name     string // of the Go type: "DailyAvailability"
	rows     bool   // a list gives many of them
	editions []schemas.Edition
	fields   []field
}

type field struct {
	name    string
	kind    schemas.FieldType
	edition schemas.Edition // the only one that has it, of a resource that is in both; else ""
}

func records() ([]record, error) {
	var list []record
	for _, resource := range schemas.Resources() {
		r := record{resource: resource}
		for _, edition := range []schemas.Edition{schemas.Edition2017, schemas.Edition2025} {
			spec, ok := schemas.Lookup(edition, resource)
			if !ok {
				continue
			}
			r.editions = append(r.editions, edition)
			r.rows = spec.Shape != schemas.Singleton && spec.Shape != schemas.Slots
			for _, f := range schemas.DocumentedFields(edition, resource) {
				if err := r.add(f, edition); err != nil {
					return nil, fmt.Errorf("%s: %s: %w", resource, f.Name, err)
				}
			}
		}
		if len(r.editions) == 1 {
			for i := range r.fields {
				r.fields[i].edition = ""
			}
		}
		slices.SortStableFunc(r.fields, func(a, b field) int {
			return cmp.Or(cmp.Compare(place(a.name), place(b.name)), strings.Compare(a.name, b.name))
		})
		r.name = goName(string(resource))
		if r.rows {
			r.name = singular(r.name)
		}
		list = append(list, r)
	}
	return list, nil
}

// place sorts the fields that nearly every record has to the ends.
func place(name string) int {
	switch name {
	case "id":
		return 0
	case "created_at":
		return 1
	case "updated_at":
		return 2
	case "links":
		return 4
	default:
		return 3
	}
}

// add merges in a field of one edition. Where the editions differ, the types take both: an amount can be a number or
// a string.
func (r *record) add(f schemas.Field, edition schemas.Edition) error {
	i := slices.IndexFunc(r.fields, func(known field) bool { return known.name == f.Name })
	if i < 0 {
		r.fields = append(r.fields, field{name: f.Name, kind: f.Type, edition: edition})
		return nil
	}
	known := &r.fields[i]
	known.edition = ""
	if known.kind != f.Type {
		amounts := []schemas.FieldType{schemas.TypeNumber, schemas.TypeDecimal}
		if !slices.Contains(amounts, known.kind) || !slices.Contains(amounts, f.Type) {
			return fmt.Errorf("%s and %s have no type in common", known.kind, f.Type)
		}
		known.kind = schemas.TypeDecimal
	}
	return nil
}

// what says what the record is.
func (r *record) what() string {
	where := "both editions of the API"
	if len(r.editions) == 1 {
		where = "the " + string(r.editions[0]) + " edition of the API"
	}
	if r.rows {
		return fmt.Sprintf("%s %s is a record of %q, in %s", article(r.name), r.name, r.resource, where)
	}
	return fmt.Sprintf("%s is the record of %q, in %s", r.name, r.resource, where)
}
