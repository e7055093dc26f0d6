package clinikotest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A list that the bridge's catalogue has and the file of the edition has not is served after its example
// ([schemas.Example]): the fields in the example's order, its values in every record, the states and the filters that
// the catalogue names. That is enough to begin with. What is written in editions knows more - which filters a list
// takes, where else it shows - and does not believe the catalogue, so that each judges the other.
func byExample(spec schemas.Spec, example []byte) *resource {
	r := &resource{
		edition: Edition(spec.Edition), name: spec.Resource, shape: "collection", list: "plain", item: "plain",
		filters: map[string]kind{}, kinds: map[string]string{},
	}
	for _, f := range schemas.DocumentedFields(spec.Edition, spec.Resource) {
		r.kinds[f.Name] = kindOf[f.Type]
	}
	dec := json.NewDecoder(bytes.NewReader(example))
	_, err := dec.Token() // the brace
	for err == nil && dec.More() {
		var name json.Token
		var value json.RawMessage
		if name, err = dec.Token(); err == nil {
			err = dec.Decode(&value)
		}
		if text, ok := name.(string); ok {
			r.fields = append(r.fields, text)
			if r.shows(text) {
				r.example = append(r.example, newField(text, value))
			}
		}
	}
	if err != nil {
		panic(fmt.Sprintf("clinikotest: the example of %s: %v", spec.Resource, err))
	}
	for _, feed := range spec.Feeds[1:] {
		state := stateNames[feed.Name]
		r.hides |= state
		if r.edition == Edition2025 && state != inactive {
			r.filters[r.column(state)] = datetimeColumn
		}
	}
	return r
}

// kindOf are the kinds of the edition files that the types of the catalogue go by.
var kindOf = map[schemas.FieldType]string{
	schemas.TypeTime: "time", schemas.TypeDate: "date", schemas.TypeString: "text", schemas.TypeURL: "url",
	schemas.TypeBoolean: "bool", schemas.TypeInteger: "int", schemas.TypeDecimal: "decimal", schemas.TypeIDs: "ids",
	schemas.TypeStrings: "texts", schemas.TypeLink: "link", schemas.TypeLinks: "links", schemas.TypePhones: "objects",
	schemas.TypeHours: "objects", schemas.TypeRepeat: "object", schemas.TypeObject: "object",
}

// shows says that a new record has the example's value of a field, and none of its own.
func (r *resource) shows(field string) bool {
	switch r.kinds[field] {
	case "link", "links":
		return false // to a record of this clinic
	default:
		return stateOf(field) == 0
	}
}

// mayChange are edits of the fields whose values can be anything of their kind.
func (r *resource) mayChange() []edit {
	var list []edit
	for _, f := range r.example {
		switch r.kinds[f.name] {
		case "text":
			list = append(list, choose(f.name, remarks))
		case "bool":
			list = append(list, toggle(f.name))
		case "decimal":
			list = append(list, amount(f.name, 1, 90))
		}
	}
	return list
}

// fillIn adds the lists of the catalogue that the edition's file has not.
func fillIn(all map[schemas.Resource]*resource, edition Edition) {
	for _, spec := range schemas.Catalogue(schemas.Edition(edition)) {
		example, ok := schemas.Example(spec.Edition, spec.Resource)
		if all[spec.Resource] == nil && spec.Shape == schemas.Collection && ok {
			all[spec.Resource] = byExample(spec, example)
		}
	}
}

// exampled are the resources of both editions that are served after their example, sorted.
func exampled() []schemas.Resource {
	found := map[schemas.Resource]bool{}
	for _, read := range resourcesOf {
		for name, r := range read() {
			if r.example != nil {
				found[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}
