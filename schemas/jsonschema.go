package schemas

import "embed"

// Each file but event.json is made by `go generate`.
//
//go:embed json/*.json
var jsonSchemas embed.FS

// EventSchema names the schema of the events themselves, beside those of the resources' records.
const EventSchema = "event"

// JSONSchema is the JSON Schema, draft 2020-12, of resource's records, in whichever edition they come; that of
// EventSchema is the schema of an event. ok is false if there is none. Records may have fields that the schema does not
// name, and any field may be null: the API adds and empties fields without notice. The slice is the caller's.
func JSONSchema(name string) (text []byte, ok bool) {
	text, err := jsonSchemas.ReadFile("json/" + name + ".json")
	return text, err == nil
}

//go:generate go run ./internal/generate .
