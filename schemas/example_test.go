package schemas_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Whoever does not need the record's fields by name reads the event alone.
func ExampleParseEvent() {
	body := []byte(`{"specversion":"1.0","id":"northside/patients/1412680900000000123/4/9f86d081884c7d65",
		"source":"cliniko/northside","type":"cliniko.patients.updated","subject":"patients/1412680900000000123",
		"time":"2027-03-27T10:03:57Z","sequence":"4","data":{"id":"1412680900000000123",
		"record":{"id":"1412680900000000123","first_name":"Kira","email":"kira@example.com"},
		"changed":["email"],"observed_at":"2027-03-27T10:04:02.114Z"}}`)

	event, err := schemas.ParseEvent(body)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(event.Verb, event.Resource, event.RecordID, event.Changed)
	fmt.Println("sequence", event.Sequence, "of account", event.Account)
	// Output:
	// updated patients 1412680900000000123 [email]
	// sequence 4 of account northside
}

// A record from the API itself, or one that was kept, has the same type.
func ExamplePatient() {
	record, _ := schemas.Example(schemas.Edition2017, "patients")
	var patient schemas.Patient
	if err := json.Unmarshal(record, &patient); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(patient.ID, patient.Links.Self)
	// Output: 51002 https://api.cliniko.com/v1/patients/51002
}

// The catalogue says how a resource is read.
func ExampleLookup() {
	spec, ok := schemas.Lookup(schemas.Edition2017, "patients")
	fmt.Println(ok, spec.Schedule)
	for _, feed := range spec.Feeds {
		fmt.Println(feed.Name, feed.Path, "by", feed.Stamp)
	}
	// Output:
	// true @every 10s
	// live /patients by updated_at
	// archived /patients/archived by updated_at
	// deleted /patients/deleted by deleted_at
}

// What is followed unless the configuration says otherwise.
func ExampleCatalogue() {
	for _, spec := range schemas.Catalogue(schemas.Edition2025)[:4] {
		if !spec.Off {
			fmt.Println(spec.Resource, spec.Schedule)
		}
	}
	// Output:
	// individual_appointments @every 5s
	// attendees @every 10s
	// patients @every 10s
}

// A subscriber's own test makes the message that the bridge would publish.
func ExampleEvent_AppendJSON() {
	record, _ := schemas.Example(schemas.Edition2025, "taxes")
	sent := schemas.Event{
		ID: "northside/taxes/81/1/1b6453892473a467", Account: "northside", Resource: "taxes", RecordID: "81",
		Verb: schemas.Created, Sequence: 1, Record: record,
		Time:       time.Date(2027, 3, 27, 10, 3, 57, 0, time.UTC),
		ObservedAt: time.Date(2027, 3, 27, 10, 4, 2, 0, time.UTC),
	}
	received, err := schemas.Decode(sent.AppendJSON(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %T\n", received.Verb, received.Data)
	// Output: created *schemas.Tax
}
