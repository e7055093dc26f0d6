package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Verb says what happened to a record.
type Verb string

// The verbs. README.md says when each is used.
const (
	Created   Verb = "created"
	Updated   Verb = "updated"
	Cancelled Verb = "cancelled"
	Archived  Verb = "archived"
	Restored  Verb = "restored"
	Deleted   Verb = "deleted"
	Snapshot  Verb = "snapshot"
)

// Verbs are all verbs, in the order of a record's life.
func Verbs() []Verb {
	return []Verb{Created, Updated, Cancelled, Archived, Restored, Deleted, Snapshot}
}

// An Event says that one record changed.
type Event struct {
	ID       string // unique in the stream, for ever; the same change gives the same ID again
	Account  string // the account's name in the configuration
	Resource Resource
	RecordID ID
	Verb     Verb
	// Time is the record's own updated_at: the API's clock, UTC, to the second.
	Time time.Time
	// Sequence counts the events of this record: it rises by at least one with each.
	Sequence uint64
	// Record is the record as the API gave it, byte for byte; nil in a deletion and in a thin event.
	Record json.RawMessage
	// Changed are the top-level fields that changed, sorted, without updated_at; nil if that is not known.
	Changed []string
	// ObservedAt is when the bridge read the change: the bridge's clock, UTC, written to the millisecond.
	ObservedAt time.Time

	// The rest travels in the message's headers and not in the body. It is for the bridge alone: what a lost store
	// cannot learn from the events themselves.

	// Began is Standing.Began of the resource when the event was published.
	Began time.Time
	// After is set on the first event of a page, which is published on the condition that nothing came in between: one more
	// than the number that told how far the resource had got before it. 0: not known.
	After uint64
	// Print is the fingerprint of the record in the store's own form; set on thin events alone, which have no
	// record to take it from again.
	Print []byte
}

// DataSchema is the dataschema of resource's events: it names the JSON Schema of the record in its first version.
func DataSchema(resource Resource) string {
	return "https://github.com/cliniko-bridge/cliniko-bridge/schemas/" + string(resource) + "/1"
}

const stampLayout = "2006-01-02T15:04:05Z"

// FormatStamp writes t as the API does: UTC, whole seconds, a final Z.
func FormatStamp(t time.Time) string { return t.UTC().Format(stampLayout) }

// AppendJSON appends the event as a CloudEvents 1.0 event in structured JSON. The record's bytes are copied as they
// are: no encoder re-spells them.
func (e *Event) AppendJSON(b []byte) []byte {
	resource := string(e.Resource)
	b = append(b, `{"specversion":"1.0","id":`...)
	b = appendString(b, e.ID)
	b = append(b, `,"source":`...)
	b = appendString(b, "cliniko/"+e.Account)
	b = append(b, `,"type":`...)
	b = appendString(b, "cliniko."+resource+"."+string(e.Verb))
	b = append(b, `,"subject":`...)
	b = appendString(b, resource+"/"+string(e.RecordID))
	b = append(b, `,"time":"`...)
	b = e.Time.UTC().AppendFormat(b, stampLayout)
	b = append(b, `","datacontenttype":"application/json","dataschema":`...)
	b = appendString(b, DataSchema(e.Resource))
	b = append(b, `,"sequence":"`...)
	b = strconv.AppendUint(b, e.Sequence, 10)
	b = append(b, `","data":{"id":`...)
	b = appendString(b, string(e.RecordID))
	b = append(b, `,"record":`...)
	if e.Record == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, e.Record...)
	}
	b = append(b, `,"changed":`...)
	b = appendStrings(b, e.Changed)
	b = append(b, `,"observed_at":"`...)
	b = e.ObservedAt.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	return append(b, `"}}`...)
}

func appendStrings(b []byte, list []string) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

// appendString appends s as a JSON string. Nearly every string here is plain, and then it is a copy.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always encodes
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// ParseEvent reads the body of a message that AppendJSON wrote. Record aliases nothing in body. Began and Print stay
// zero: they are in the headers.
func ParseEvent(body []byte) (Event, error) {
	var w struct {
		SpecVersion string    `json:"specversion"`
		ID          string    `json:"id"`
		Source      string    `json:"source"`
		Type        string    `json:"type"`
		Subject     string    `json:"subject"`
		Time        time.Time `json:"time"`
		Sequence    string    `json:"sequence"`
		Data        struct {
			ID         ID              `json:"id"`
			Record     json.RawMessage `json:"record"`
			Changed    []string        `json:"changed"`
			ObservedAt time.Time       `json:"observed_at"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return Event{}, fmt.Errorf("event: %w", plainJSONError(err))
	}
	account, ok := strings.CutPrefix(w.Source, "cliniko/")
	if !ok || w.SpecVersion != "1.0" || w.ID == "" || account == "" {
		return Event{}, errors.New("event: not a CloudEvents 1.0 event of a Cliniko account")
	}
	kind, ok := strings.CutPrefix(w.Type, "cliniko.")
	resource, verb, ok2 := strings.Cut(kind, ".")
	if !ok || !ok2 || resource == "" || verb == "" || strings.Contains(verb, ".") {
		return Event{}, errors.New("event: type is not cliniko.<resource>.<verb>")
	}
	if w.Data.ID == "" || w.Subject != resource+"/"+string(w.Data.ID) {
		return Event{}, errors.New("event: subject is not <resource>/<data.id>")
	}
	sequence, err := strconv.ParseUint(w.Sequence, 10, 64)
	if err != nil {
		return Event{}, errors.New("event: sequence is not a whole number")
	}
	e := Event{
		ID: w.ID, Account: account, Resource: Resource(resource), RecordID: w.Data.ID, Verb: Verb(verb),
		Time: w.Time.UTC(), Sequence: sequence, Record: w.Data.Record, Changed: w.Data.Changed,
		ObservedAt: w.Data.ObservedAt.UTC(),
	}
	if bytes.Equal(e.Record, []byte("null")) {
		e.Record = nil
	}
	return e, nil
}

// plainJSONError keeps the kind and place of a JSON error and drops the value: some texts of encoding/json hold a
// piece of the input.
func plainJSONError(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("not JSON at byte %d", syntax.Offset)
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("a JSON %s where %s is due, at byte %d", strings.Fields(kind.Value)[0], kind.Field, kind.Offset)
	}
	return errors.New("a value of the wrong form")
}

// ErrStreamAhead is answered by a conditional publish when the stream does not stand where the store thinks: somebody
// published what the store has not, or the stream lost its end. Nothing was stored. Read back, commit, decide again.
var ErrStreamAhead = errors.New("the stream does not end where the store thinks")

// An Extent is what a stream holds of one resource of one account.
type Extent struct {
	Last    uint64 // stream sequence of the resource's last event; 0 if there is none
	Dropped bool   // the stream once held messages that are gone (age, limits, a purge): it may not hold all events
	First   uint64 // stream sequence from which on the stream holds what it was given, whatever its subject
	Newest  uint64 // stream sequence of the stream's last message, whatever its subject
}
