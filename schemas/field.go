package schemas

import "slices"

// A FieldType is the JSON type of a field, as catalogue.txt spells it; its head says what each is. Any value may be
// null.
type FieldType string

// The types.
const (
	TypeID       FieldType = "id"       // a string, or an integer in 2017
	TypeIDs      FieldType = "ids"      // an array of them
	TypeTime     FieldType = "time"     // UTC, to the second; also "" where null is meant
	TypeDate     FieldType = "date"     // "2017-04-04"
	TypeString   FieldType = "string"   //
	TypeStrings  FieldType = "strings"  // an array of strings
	TypeURL      FieldType = "url"      // a string
	TypeBoolean  FieldType = "boolean"  //
	TypeInteger  FieldType = "integer"  //
	TypeNumber   FieldType = "number"   //
	TypeDecimal  FieldType = "decimal"  // a number in a string: "95.0"
	TypeLink     FieldType = "link"     // {"links": {"self": URL}}
	TypeLinks    FieldType = "links"    // an array of them
	TypeSelf     FieldType = "self"     // {"self": URL}: the record's own
	TypePhones   FieldType = "phones"   // an array of {"number", "phone_type"}
	TypeHours    FieldType = "hours"    // an array of {"starts_at", "ends_at"}, on the wall clock: "09:00"
	TypeRepeat   FieldType = "repeat"   // {"repeat_type", "number_of_repeats", "repeating_interval"}, or {}
	TypeObject   FieldType = "object"   // an object of no fixed form
	TypeServices FieldType = "services" // an array of {"appointment_type", "business", "practitioners"}: links
	TypeSlots    FieldType = "slots"    // an array of {"appointment_start"}
)

// fieldTypes are all types, each with the JSON types of its values.
var fieldTypes = []struct {
	kind FieldType
	json []string
}{
	{TypeID, []string{"string", "integer"}},
	{TypeIDs, []string{"array"}},
	{TypeTime, []string{"string"}},
	{TypeDate, []string{"string"}},
	{TypeString, []string{"string"}},
	{TypeStrings, []string{"array"}},
	{TypeURL, []string{"string"}},
	{TypeBoolean, []string{"boolean"}},
	{TypeInteger, []string{"integer"}},
	{TypeNumber, []string{"number"}},
	{TypeDecimal, []string{"string"}},
	{TypeLink, []string{"object"}},
	{TypeLinks, []string{"array"}},
	{TypeSelf, []string{"object"}},
	{TypePhones, []string{"array"}},
	{TypeHours, []string{"array"}},
	{TypeRepeat, []string{"object"}},
	{TypeObject, []string{"object"}},
	{TypeServices, []string{"array"}},
	{TypeSlots, []string{"array"}},
}

// FieldTypes are all types.
func FieldTypes() []FieldType {
	all := make([]FieldType, len(fieldTypes))
	for i := range fieldTypes {
		all[i] = fieldTypes[i].kind
	}
	return all
}

// JSONTypes are the JSON types that the documented values of a field of type t are of, as JSON Schema names them: a whole
// number is an "integer" and a "number". "null" is one more for every field, and not among them. nil if there is no
// such type. The slice is the caller's.
func (t FieldType) JSONTypes() []string {
	for i := range fieldTypes {
		if fieldTypes[i].kind == t {
			return slices.Clone(fieldTypes[i].json)
		}
	}
	return nil
}

// A Field is one documented top-level field of a resource.
type Field struct {
	Name string
	Type FieldType
}

// DocumentedFields are the documented fields of resource in edition, the id first; nil if there is no such resource.
// The slice is the caller's.
func DocumentedFields(edition Edition, resource Resource) []Field {
	return slices.Clone(tables()[edition].fields[resource])
}

// Resources names every resource that any edition has, those that matter soonest first.
func Resources() []Resource {
	var names []Resource
	for _, p := range paragraphs() {
		names = append(names, p.resource)
	}
	return names
}
