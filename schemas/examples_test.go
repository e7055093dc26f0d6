package schemas_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// example is the example of resource, which each row of the catalogue has.
func example(tb testing.TB, edition schemas.Edition, resource schemas.Resource) []byte {
	tb.Helper()
	record, ok := schemas.Example(edition, resource)
	if !ok {
		tb.Fatalf("there is no examples/%s/%s.json", edition, resource)
	}
	return record
}

// eventOf is the body of an event of the record.
func eventOf(resource schemas.Resource, record []byte) []byte {
	e := schemas.Event{
		ID: "x", Account: "northside", Resource: resource, RecordID: "17", Verb: schemas.Updated, Sequence: 3,
		Time: time.Date(2027, 3, 27, 10, 3, 57, 0, time.UTC), Record: record,
		ObservedAt: time.Date(2027, 3, 27, 10, 4, 2, 114e6, time.UTC),
	}
	return e.AppendJSON(nil)
}

func members(tb testing.TB, object []byte) map[string]json.RawMessage {
	tb.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(object, &all); err != nil {
		tb.Fatal(err)
	}
	return all
}

// Each example has all fields that its edition documents and no others, so that the following tests cover each field.
func TestExamplesAreWhole(t *testing.T) {
	for _, spec := range rows() {
		t.Run(rowName(spec), func(t *testing.T) {
			got := slices.Sorted(maps.Keys(members(t, example(t, spec.Edition, spec.Resource))))
			if !slices.Equal(got, spec.Fields) {
				t.Errorf("got fields\n%q, want\n%q", got, spec.Fields)
			}
		})
	}
}

// Each example is valid, and decodes into its Go type with nothing left over.
func TestExamplesAreValidAndDecode(t *testing.T) {
	for _, spec := range rows() {
		t.Run(rowName(spec), func(t *testing.T) {
			record := example(t, spec.Edition, spec.Resource)
			if err := compile(t, string(spec.Resource)).Validate(parse(t, record)); err != nil {
				t.Error(err)
			}
			d, err := schemas.Decode(eventOf(spec.Resource, record))
			if err != nil {
				t.Fatal(err)
			}
			if d.Mismatched != nil || d.Extra != nil {
				t.Errorf("left over: %q, of them of another type: %q", slices.Sorted(maps.Keys(d.Extra)), d.Mismatched)
			}
			if _, ok := d.Data.(*schemas.Other); ok {
				t.Error("has no Go type")
			}
			if !bytes.Equal(d.Record, record) {
				t.Error("the record's bytes changed")
			}
		})
	}
}

// Each value of the examples arrives: read again from what the Go type encodes, none is empty that was not.
func TestExamplesKeepTheirValues(t *testing.T) {
	for _, spec := range rows() {
		t.Run(rowName(spec), func(t *testing.T) {
			record := example(t, spec.Edition, spec.Resource)
			d, err := schemas.Decode(eventOf(spec.Resource, record))
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(d.Data)
			if err != nil {
				t.Fatal(err)
			}
			encoded := members(t, text)
			for name, want := range members(t, record) {
				if isEmpty(want) {
					continue
				}
				if got := encoded[name]; plain(t, got) != plain(t, want) {
					t.Errorf("%s: got %s, want %s", name, got, want)
				}
			}
		})
	}
}

func isEmpty(value json.RawMessage) bool {
	return slices.Contains([]string{"null", `""`, "[]", "{}"}, string(value))
}

// plain is value without white space, and without the quotes that a Decimal and an ID write where 2017 had a number.
func plain(t *testing.T, value json.RawMessage) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	var parsed any
	if err := dec.Decode(&parsed); err != nil {
		t.Fatal(err)
	}
	sorted, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ReplaceAll(sorted, []byte(`"`), nil))
}

func compile(tb testing.TB, name string) *jsonschema.Schema {
	tb.Helper()
	text, ok := schemas.JSONSchema(name)
	if !ok {
		tb.Fatalf("there is no schema of %s", name)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	url := schemas.DataSchema(schemas.Resource(name))
	if err := c.AddResource(url, parse(tb, text)); err != nil {
		tb.Fatal(err)
	}
	s, err := c.Compile(url)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func parse(tb testing.TB, text []byte) any {
	tb.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		tb.Fatal(err)
	}
	return value
}

// Each value of the examples is of a JSON type that its edition documents, or null.
func TestExamplesHaveTheDocumentedJSONTypes(t *testing.T) {
	for _, spec := range rows() {
		t.Run(rowName(spec), func(t *testing.T) {
			values := members(t, example(t, spec.Edition, spec.Resource))
			for _, f := range schemas.DocumentedFields(spec.Edition, spec.Resource) {
				got := jsonType(t, values[f.Name])
				want := append(f.Type.JSONTypes(), "null")
				if got == "integer" && slices.Contains(want, "number") {
					continue // a whole number is both
				}
				if !slices.Contains(want, got) {
					t.Errorf("%s: got %s, want one of %q", f.Name, got, want)
				}
			}
		})
	}
	if got := schemas.FieldType("hat").JSONTypes(); got != nil {
		t.Errorf("an unknown type: got %q", got)
	}
	for _, kind := range schemas.FieldTypes() {
		if len(kind.JSONTypes()) == 0 {
			t.Errorf("%s has no JSON type", kind)
		}
	}
}

func jsonType(t *testing.T, value json.RawMessage) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	var parsed any
	if err := dec.Decode(&parsed); err != nil {
		t.Fatal(err)
	}
	switch v := parsed.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	default:
		return "null"
	}
}
