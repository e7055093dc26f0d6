package schemas_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Each schema is a valid draft 2020-12 schema, and is what the dataschema of events names.
func TestEachSchemaIsWhatEventsName(t *testing.T) {
	names := []string{schemas.EventSchema}
	for _, resource := range schemas.Resources() {
		names = append(names, string(resource))
	}
	for _, name := range names {
		compile(t, name)
		text, _ := schemas.JSONSchema(name)
		var head struct {
			Schema string `json:"$schema"`
			ID     string `json:"$id"`
		}
		if err := json.Unmarshal(text, &head); err != nil {
			t.Fatal(err)
		}
		if head.Schema != "https://json-schema.org/draft/2020-12/schema" || head.ID != schemas.DataSchema(schemas.Resource(name)) {
			t.Errorf("%s: got %+v", name, head)
		}
	}
	for _, name := range []string{"", "patient", "../catalogue", "json/patients"} {
		if _, ok := schemas.JSONSchema(name); ok {
			t.Errorf("there is a schema of %q", name)
		}
	}
}

// New fields and nulls are valid, in either edition; another type of a documented field is not, nor is a record
// without its id.
func TestSchemasAreTolerantOfTheNewAlone(t *testing.T) {
	for _, spec := range rows() {
		t.Run(rowName(spec), func(t *testing.T) {
			schema := compile(t, string(spec.Resource))
			whole := members(t, example(t, spec.Edition, spec.Resource))
			valid := func(name, value string) bool {
				m := maps.Clone(whole)
				m[name] = json.RawMessage(value)
				text, err := json.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				return schema.Validate(parse(t, text)) == nil
			}
			if !valid("a_new_field", `{"of": ["any", 1, "form"]}`) {
				t.Error("a new field is not valid")
			}
			for _, name := range spec.Fields {
				if name == "id" {
					if valid(name, "null") || !valid(name, "9007199254740993") || !valid(name, `"9007199254740993"`) {
						t.Error("an id is a string or an integer")
					}
					continue
				}
				if !valid(name, "null") {
					t.Errorf("%s: null is not valid", name)
				}
				if valid(name, "[[true]]") {
					t.Errorf("%s: anything is valid", name)
				}
			}
			id := slices.Contains(spec.Fields, "id")
			inBoth := true
			for _, edition := range editions {
				other, ok := schemas.Lookup(edition, spec.Resource)
				inBoth = inBoth && (!ok || slices.Contains(other.Fields, "id"))
			}
			if got := schema.Validate(map[string]any{}) != nil; got != (id && inBoth) {
				t.Errorf("is an id required: got %v, want %v", got, id && inBoth)
			}
		})
	}
}

// The events that are published are valid, and so are those of verbs that are still to come.
func TestEventsAreValid(t *testing.T) {
	schema := compile(t, schemas.EventSchema)
	golden, err := filepath.Glob("../publisher/testdata/events/*.json")
	if err != nil || len(golden) < len(schemas.Verbs()) {
		t.Fatalf("got %d golden events, want one of each verb (%v)", len(golden), err)
	}
	for _, path := range golden {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(parse(t, text)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := schemas.Decode(text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, spec := range rows() {
		t.Run(rowName(spec), func(t *testing.T) {
			if err := schema.Validate(parse(t, eventOf(spec.Resource, example(t, spec.Edition, spec.Resource)))); err != nil {
				t.Error(err)
			}
		})
	}
	verb := schemas.Event{ID: "x", Account: "northside", Resource: "patients", RecordID: "17", Verb: "merged"}
	if err := schema.Validate(parse(t, verb.AppendJSON(nil))); err != nil {
		t.Error(err)
	}
	account := verb
	account.Account = ""
	if schema.Validate(parse(t, account.AppendJSON(nil))) == nil {
		t.Error("an event of no account is valid")
	}
}
