package mock

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// read reads the body of r, an object with no other keys than those of into. An empty body changes nothing of into.
func read(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return refuse(http.StatusBadRequest, "the body is not what is asked for here: %s", err)
	}
	return nil
}

// fieldsOf reads the fields of a record, none if the body is empty.
func fieldsOf(r *http.Request) (map[string]json.RawMessage, error) {
	var body map[string]json.RawMessage
	if err := read(r, &body); err != nil {
		return nil, err
	}
	return body, nil
}

func unsettable(resource schemas.Resource, names []string) error {
	return refuse(http.StatusUnprocessableEntity, "%s: nobody can set %s; see cliniko-bridge schema show %s, and the acts for states",
		resource, strings.Join(names, ", "), resource)
}
