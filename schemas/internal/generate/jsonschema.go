package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas" //nolint:depguard // a tool beside the package, not a part of it
)

type object = map[string]any

// A document is a JSON Schema. Nothing in it is closed: the API adds fields, and empties them, without notice.
type document struct {
	Schema      string   `json:"$schema"`
	ID          string   `json:"$id"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Type        string   `json:"type"`
	Required    []string `json:"required,omitempty"`
	Properties  object   `json:"properties"`
	Additional  bool     `json:"additionalProperties"`
	Defs        object   `json:"$defs,omitempty"`
}

func jsonSchema(r record) ([]byte, error) {
	d := document{
		Schema:      "https://json-schema.org/draft/2020-12/schema",
		ID:          schemas.DataSchema(r.resource),
		Title:       r.name,
		Description: r.what() + ".",
		Type:        "object",
		Properties:  object{},
		Additional:  true,
		Defs:        object{},
	}
	for _, f := range r.fields {
		property := d.property(f.kind)
		if f.name == "id" {
			property = object{"type": schemas.TypeID.JSONTypes()}
			if f.edition == "" {
				d.Required = []string{"id"}
			}
		}
		if f.edition != "" {
			property["$comment"] = "Edition " + string(f.edition) + " alone."
		}
		d.Properties[f.name] = property
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(d)
	return b.Bytes(), err
}

// property is the schema of a field's value. Formats are annotations in this draft: "" where a time is due is valid.
func (d *document) property(kind schemas.FieldType) object {
	p := nullable(kind.JSONTypes()...)
	switch kind {
	case schemas.TypeNumber, schemas.TypeDecimal: // an amount is the one in this edition and the other in that
		return nullable(append(schemas.TypeDecimal.JSONTypes(), schemas.TypeNumber.JSONTypes()...)...)
	case schemas.TypeTime:
		p["format"] = "date-time"
	case schemas.TypeDate:
		p["format"] = "date"
	case schemas.TypeURL:
		p["format"] = "uri"
	case schemas.TypeIDs:
		p["items"] = object{"type": schemas.TypeID.JSONTypes()}
	case schemas.TypeStrings:
		p["items"] = nullable("string")
	case schemas.TypeLinks, schemas.TypePhones, schemas.TypeHours, schemas.TypeServices, schemas.TypeSlots:
		p["items"] = d.ref(strings.TrimSuffix(string(kind), "s")) // lists of what is so named
	case schemas.TypeLink, schemas.TypeSelf, schemas.TypeRepeat:
		return d.ref(string(kind))
	default:
	}
	return p
}

// ref refers to a definition, and has the document hold it.
func (d *document) ref(name string) object {
	if _, ok := d.Defs[name]; !ok {
		d.Defs[name] = nil // no endless descent, should a definition ever hold itself
		d.Defs[name] = object{"type": []string{"object", "null"}, "properties": d.members(name)}
	}
	return object{"$ref": "#/$defs/" + name}
}

func (d *document) members(name string) object {
	switch name {
	case "self":
		return object{"self": formatted("uri-reference")}
	case "link":
		return object{"links": d.ref("self")}
	case "phone":
		return object{"number": nullable("string"), "phone_type": nullable("string")}
	case "hour":
		return object{"starts_at": nullable("string"), "ends_at": nullable("string")}
	case "repeat":
		return object{
			"repeat_type": nullable("string"), "number_of_repeats": nullable("integer"),
			"repeating_interval": nullable("integer"),
		}
	case "service":
		return object{
			"appointment_type": d.ref("link"), "business": d.ref("link"), "practitioners": array(d.ref("link")),
		}
	default: // slot
		return object{"appointment_start": formatted("date-time")}
	}
}

func nullable(types ...string) object { return object{"type": append(types, "null")} }

func formatted(format string) object {
	return object{"type": []string{"string", "null"}, "format": format}
}

func array(items object) object {
	return object{"type": []string{"array", "null"}, "items": items}
}
