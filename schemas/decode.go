package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// A Decoded is an event, and its record in the Go type of its resource.
type Decoded struct {
	Event
	// Rest is that of Data.
	Rest
	// Data is a pointer to the record's type: *Patient for an event of "patients", and *Other for one of a resource
	// that this package does not know. nil if the event has no record: a deletion, or a thin event.
	Data any
}

// Decode reads the body of a message. It is made to outlive the API that it was written for: resources, verbs and
// fields that it does not know, and fields that have changed their type, are no errors. An error means that the body is
// no event of the bridge.
func Decode(body []byte) (Decoded, error) {
	e, err := ParseEvent(body)
	if err != nil || e.Record == nil {
		return Decoded{Event: e}, err
	}
	data := newRecord(e.Resource)
	if data == nil {
		data = new(Other)
	}
	rest, err := readRecord(e.Record, data)
	if err != nil {
		return Decoded{}, fmt.Errorf("event: record: %w", err)
	}
	return Decoded{Event: e, Rest: *rest, Data: data}, nil
}

// A Rest is what a record has beside the documented fields. Each record's type embeds one. The types are made for
// reading, and null is the zero value of each field: to pass a record on, pass on Event.Record, which has every byte.
type Rest struct {
	// Extra holds the fields that the type does not have, and those of Mismatched. nil if there are none.
	Extra map[string]json.RawMessage `json:"-"`
	// Mismatched are the fields whose values are of another type than documented, sorted. nil if there are none.
	Mismatched []string `json:"-"`
}

func (r *Rest) rest() *Rest { return r }

// Other is a record of a resource that this package does not know: all its fields are in Extra.
type Other struct{ Rest }

// UnmarshalJSON reads a record. Only what is not a JSON object is an error.
func (r *Other) UnmarshalJSON(b []byte) error {
	_, err := readRecord(b, r)
	return err
}

// readRecord reads the object b into the struct that record points to, which embeds a Rest: each value on its own, so
// that one of an unforeseen type costs itself alone. What was in the struct is lost.
func readRecord(b []byte, record any) (*Rest, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, plainJSONError(err)
	}
	if members == nil {
		return nil, errors.New("null where an object is due")
	}
	v := reflect.ValueOf(record).Elem()
	v.SetZero()
	rest := record.(interface{ rest() *Rest }).rest()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("json")
		value, ok := members[name]
		if !ok || f.Anonymous { // the Rest
			continue
		}
		field := v.Field(i)
		if err := readValue(value, field); err != nil {
			field.SetZero()
			rest.Mismatched = append(rest.Mismatched, name)
			continue
		}
		delete(members, name)
	}
	slices.Sort(rest.Mismatched)
	if len(members) > 0 {
		rest.Extra = members
	}
	return rest, nil
}

// readValue reads one value. Null leaves the zero value; so does "" for a time, which the API has been seen to write
// where it means null.
func readValue(value json.RawMessage, field reflect.Value) error {
	if bytes.Equal(value, []byte("null")) {
		return nil
	}
	if _, isTime := reflect.TypeAssert[*time.Time](field); isTime && bytes.Equal(value, []byte(`""`)) {
		return nil
	}
	return json.Unmarshal(value, field.Addr().Interface())
}
