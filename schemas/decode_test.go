package schemas_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func decode(t *testing.T, resource schemas.Resource, record string) schemas.Decoded {
	t.Helper()
	d, err := schemas.Decode(eventOf(resource, []byte(record)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A field of another type than documented costs itself alone: it is reported, kept as it came, and zero in the struct.
func TestAFieldOfAnotherTypeIsReportedAndKept(t *testing.T) {
	d := decode(t, "patients", `{"id": 51001, "first_name": "Nell", "last_name": ["Ashby"], "archived_at": 1490000000,
		"appointments": "https://example.com", "state": {"name": "Victoria"}, "email": "n@example.com"}`)
	p := d.Data.(*schemas.Patient)
	if want := []string{"appointments", "archived_at", "last_name", "state"}; !slices.Equal(d.Mismatched, want) {
		t.Errorf("got %q, want %q", d.Mismatched, want)
	}
	if !slices.Equal(p.Mismatched, d.Mismatched) || string(p.Extra["last_name"]) != `["Ashby"]` || len(p.Extra) != 4 {
		t.Errorf("got extra %s", p.Extra)
	}
	if p.LastName != "" || p.ArchivedAt != nil || p.State != "" || p.ID != "51001" || p.FirstName != "Nell" || p.Email == "" {
		t.Errorf("got %+v", p)
	}
}

// Half a value is no value: what was read of a list before its fault does not stay.
func TestAMismatchLeavesNothingBehind(t *testing.T) {
	d := decode(t, "patients", `{"patient_phone_numbers": [{"number": "0491570156"}, {"number": 7}]}`)
	if p := d.Data.(*schemas.Patient); p.PatientPhoneNumbers != nil || !slices.Equal(p.Mismatched, []string{"patient_phone_numbers"}) {
		t.Errorf("got %+v, mismatched %q", p.PatientPhoneNumbers, p.Mismatched)
	}
}

// Fields, resources and verbs that came after this code are kept.
func TestTheNewIsKept(t *testing.T) {
	d := decode(t, "patients", `{"id": "1", "favourite_chair": {"colour": "blue"}, "-": {"x": 1}, "First_Name": "Nell"}`)
	p := d.Data.(*schemas.Patient)
	if string(p.Extra["favourite_chair"]) != `{"colour": "blue"}` || len(p.Extra) != 3 || p.FirstName != "" || d.Mismatched != nil {
		t.Errorf("got extra %s, mismatched %q", p.Extra, d.Mismatched)
	}

	d = decode(t, "chairs", `{"id": "1", "colour": "blue"}`)
	if o, ok := d.Data.(*schemas.Other); !ok || string(o.Extra["colour"]) != `"blue"` || len(o.Extra) != 2 {
		t.Errorf("got %T %+v", d.Data, d.Data)
	}

	merged := schemas.Event{ID: "x", Account: "northside", Resource: "patients", RecordID: "17", Verb: "merged", Record: []byte(`{}`)}
	d, err := schemas.Decode(merged.AppendJSON(nil))
	if err != nil || d.Verb != "merged" {
		t.Errorf("got verb %s, %v", d.Verb, err)
	}
	if _, ok := d.Data.(*schemas.Patient); !ok {
		t.Errorf("got %T", d.Data)
	}
}

// A deletion and a thin event have no record.
func TestNoRecordIsNoData(t *testing.T) {
	d, err := schemas.Decode(eventOf("patients", nil))
	if err != nil || d.Data != nil || d.Record != nil || d.RecordID != "17" {
		t.Errorf("got %+v, %v", d, err)
	}
}

// What is no event of the bridge is an error, which does not say what was in it.
func TestWhatIsNoEventIsAnError(t *testing.T) {
	for _, body := range []string{
		``, `{}`, `[]`, `null`, `"secret"`, `{"specversion": "1.0"}`,
		string(eventOf("patients", []byte(`["secret"]`))), string(eventOf("patients", []byte(`"secret"`))),
		string(eventOf("chairs", []byte(`17`))),
	} {
		if d, err := schemas.Decode([]byte(body)); err == nil || strings.Contains(err.Error(), "secret") || d.Data != nil {
			t.Errorf("%s: got %+v, %v", body, d, err)
		}
	}
}

// Null is the zero value of every field, and so is an empty text where a time is due.
func TestNullIsZero(t *testing.T) {
	d := decode(t, "appointments", `{"id": null, "archived_at": "", "created_at": null, "patient": null, "patient_arrived": null,
		"repeat_rule": null, "notes": null, "links": null, "invoice_status": null}`)
	a := d.Data.(*schemas.Appointment)
	if d.Mismatched != nil || a.Extra != nil || a.ID != "" || a.ArchivedAt != nil || a.CreatedAt != nil || a.Patient.ID() != "" ||
		a.PatientArrived != nil || a.InvoiceStatus != nil {
		t.Errorf("got %+v", a)
	}
}

// A struct that is used again keeps nothing of the record before.
func TestAStructCanBeUsedAgain(t *testing.T) {
	var p schemas.Patient
	for _, text := range []string{`{"first_name": "Nell", "state": 7, "new": 1}`, `{"last_name": "Ashby"}`} {
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
	}
	if p.FirstName != "" || p.LastName != "Ashby" || p.Extra != nil || p.Mismatched != nil {
		t.Errorf("got %+v", p)
	}
}

// Whatever a message holds: no panic; and what decodes has every field of its record, in the struct or in Extra.
func FuzzDecode(f *testing.F) {
	for _, edition := range editions {
		for _, spec := range schemas.Catalogue(edition) {
			f.Add(eventOf(spec.Resource, example(f, edition, spec.Resource)))
		}
	}
	f.Add(eventOf("patients", nil))
	f.Add(eventOf("chairs", []byte(`{"id": 9007199254740993}`)))
	f.Add(eventOf("patients", []byte(`{"id": 1e3, "state": [], "x": {}, "": null}`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := schemas.Decode(body)
		if err != nil || d.Data == nil {
			return
		}
		left := d.Extra
		for _, name := range d.Mismatched {
			if _, ok := left[name]; !ok {
				t.Errorf("%q is mismatched and lost", name)
			}
		}
		text, err := json.Marshal(d.Data)
		if err != nil {
			t.Fatal(err)
		}
		known := members(t, text)
		for name := range members(t, d.Record) {
			_, isKnown := known[name]
			if _, isLeft := left[name]; !isKnown && !isLeft {
				t.Errorf("%q is lost", name)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	body := eventOf("patients", example(b, schemas.Edition2025, "patients"))
	for b.Loop() {
		if _, err := schemas.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleDecode() {
	body := []byte(`{"specversion":"1.0","id":"7f3a","source":"cliniko/northside","type":"cliniko.appointments.updated",
		"subject":"appointments/343589","time":"2027-03-27T10:03:57Z","sequence":"4","data":{"id":"343589",
		"record":{"id":343589,"patient_name":"Nell Ashby","patient_arrived":true,
			"patient":{"links":{"self":"https://api.au1.cliniko.com/v1/patients/51001"}}},
		"changed":["patient_arrived"],"observed_at":"2027-03-27T10:04:02.114Z"}}`)

	event, err := schemas.Decode(body)
	if err != nil {
		fmt.Println(err)
		return
	}
	switch record := event.Data.(type) {
	case *schemas.Appointment:
		fmt.Println(event.Verb, record.ID, "of patient", record.Patient.ID(), event.Changed)
	case nil:
		fmt.Println(event.Verb, event.Resource, event.RecordID)
	}
	// Output: updated 343589 of patient 51001 [patient_arrived]
}

// What the API changed since this code was written is in Extra, byte for byte.
func ExampleDecode_unforeseen() {
	body := []byte(`{"specversion":"1.0","id":"7f3b","source":"cliniko/northside","type":"cliniko.taxes.created",
		"subject":"taxes/81","time":"2027-03-27T10:03:57Z","sequence":"1","data":{"id":"81",
		"record":{"id":"81","name":["GST","Goods and services tax"],"rate":"10.0","zone":"AU"},
		"changed":null,"observed_at":"2027-03-27T10:04:02.114Z"}}`)

	event, err := schemas.Decode(body)
	if err != nil {
		fmt.Println(err)
		return
	}
	tax := event.Data.(*schemas.Tax)
	fmt.Println(tax.Rate, event.Mismatched)
	fmt.Printf("%s %s\n", tax.Extra["name"], tax.Extra["zone"])
	// Output:
	// 10.0 [name]
	// ["GST","Goods and services tax"] "AU"
}
