package schemas

import (
	"bytes"
	"embed"
)

//go:embed examples/*/*.json
var examples embed.FS

// Example is a record of resource as edition gives it, with every field that the edition documents, about an invented
// person. ok is false if the edition has no such resource. The slice is the caller's.
func Example(edition Edition, resource Resource) (record []byte, ok bool) {
	text, err := examples.ReadFile("examples/" + string(edition) + "/" + string(resource) + ".json")
	return bytes.TrimSpace(text), err == nil
}
