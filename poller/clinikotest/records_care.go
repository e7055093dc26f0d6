package clinikotest

import (
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What a clinic writes about its patients, and how it fills its calendar beside single appointments.

var (
	conditions = []string{"Knee, after the operation", "Lower back", "Shoulder, left", "Running plan", "Tennis elbow"}
	forms      = []string{"Intake", "Consent", "Standard visit", "Progress", "Discharge"}
	breaks     = []string{"Lunch", "Staff meeting", "Paperwork", "Cleaning", "Away"}
	subjects   = []string{"Search engine", "Map listing", "Forum", "Newsletter"}
	images     = []string{"data:image/svg+xml;base64,PHN2Zy8+", "data:image/svg+xml;base64,PHN2ZyB4PSIxIi8+"}
)

// relations of a family (the vendor's description of August 2025).
var kin = []struct {
	code int
	name string
}{{10, "Parent"}, {20, "Child"}, {30, "Sibling"}, {40, "Spouse"}, {50, "Partner"}, {60, "Relative"}, {70, "Other"}}

// attendee is somebody's place in a booking: the patient's of a single appointment, any patient's in a group.
func (m *maker) attendee() []field {
	kind := schemas.Resource("individual_appointments")
	if m.chance(2) && len(m.c.lists["group_appointments"].byStamp) > 0 {
		kind = "group_appointments"
	}
	booking, about := m.other(kind)
	patient := Ref("")
	if about != nil {
		patient = about.ref("patient")
	}
	if patient == "" {
		patient = m.ref("patients")
	}
	return pairs(
		"booking", RefTo("bookings", booking.id()),
		"patient", patient,
		"cancellation_reason", nil,
		"cancellation_reason_description", "",
		"invoice_status", nil,
		"treatment_note_status", nil,
	)
}

func (m *maker) groupAppointment() []field {
	patients := []string{}
	for range m.between(0, 5) {
		patients = append(patients, string(m.ref("patients").id()))
	}
	return append(m.block(), pairs("max_attendees", m.between(6, 12), "patient_ids", patients)...)
}

// block is any stretch of time in the calendar.
func (m *maker) block() []field {
	begin := m.workday(m.at)
	return pairs(
		"starts_at", schemas.FormatStamp(begin),
		"ends_at", schemas.FormatStamp(begin.Add(time.Duration(m.between(2, 6))*15*time.Minute)),
		"conflicts", m.own("/conflicts"),
	)
}

// visit is what was written on an occasion: who attended what.
func (m *maker) visit() []field {
	attendee, about := m.other("attendees")
	if about == nil {
		return pairs("attendee", attendee)
	}
	return pairs("attendee", attendee, "booking", about.ref("booking"), "patient", about.ref("patient"))
}

func (m *maker) treatmentNote() []field {
	return append(m.visit(), pairs(
		"author_name", pick(m.rng, firstNames)+" "+pick(m.rng, lastNames),
		"content", m.answers(),
		"draft", m.chance(4),
		"title", pick(m.rng, forms),
	)...)
}

// answers are a page of questions, with what was written below them.
func (m *maker) answers() map[string]any {
	return map[string]any{"sections": []any{map[string]any{
		"name":      "Assessment",
		"questions": []any{map[string]any{"name": "Findings", "type": "paragraph", "answer": pick(m.rng, remarks)}},
	}}}
}

func (m *maker) template() []field {
	return pairs("name", pick(m.rng, forms), "content", map[string]any{"sections": []any{map[string]any{
		"name": "Assessment", "questions": []any{map[string]any{"name": "Findings", "type": "paragraph"}},
	}}})
}

func (m *maker) patientForm() []field {
	return append(m.visit(), pairs("name", pick(m.rng, forms), "content", m.answers(), "signatures", nil,
		"url", "https://clinic.example/f/"+digits(m.rng, 100_000, 999_999))...)
}

func (m *maker) patientCase() []field {
	return pairs("name", pick(m.rng, conditions), "closed", false, "issue_date", m.at.Format(time.DateOnly))
}

func (m *maker) patientAttachment() []field {
	return pairs("content_type", "application/pdf", "filename", "letter-"+digits(m.rng, 1, 999)+".pdf",
		"size", m.between(1_000, 900_000), "content", m.own("/content"), "processing_completed", true)
}

func (m *maker) communication() []field {
	return append(m.visit(), pairs("category", "Appointment Reminder", "category_code", 1, "content", pick(m.rng, remarks),
		"content_subject", "Your visit", "direction_code", 1, "direction_description", "Sent",
		"to", "somebody"+digits(m.rng, 1, 999)+"@example.com", "type", "Email", "type_code", 2)...)
}

func (m *maker) relationship() []field {
	k := pick(m.rng, kin)
	return pairs("relation", k.code, "relation_description", k.name)
}

func (m *maker) signature() []field { return pairs("image", pick(m.rng, images), "user", nil) }

func (m *maker) referenceNumber() []field {
	return pairs("name", "Provider #", "reference_number", "000000"+digits(m.rng, 10, 99)+"A",
		"business", m.ref("businesses"), "practitioner", m.ref("practitioners"))
}

func (m *maker) referralSource() []field {
	var notes any
	if m.chance(3) {
		notes = "Letter on file"
	}
	return pairs("referrer", nil, "referrer_type", nil, "subcategory", pick(m.rng, subjects), "notes", notes,
		"patient", m.patientOf(), "referral_source_type", m.ref("referral_source_types"))
}

// patientOf is the patient whom the record was placed under.
func (m *maker) patientOf() Ref {
	ref, _ := m.given["patient"].(Ref)
	return ref
}

func (m *maker) productSupplier() []field { return pairs("name", pick(m.rng, suppliers)) }

func (m *maker) unavailableBlockType() []field {
	return pairs("name", pick(m.rng, breaks), "color", pick(m.rng, colors), "system_controlled", false)
}

// What people change about these.

func referenceNumber(m *maker, _ *version) Fields {
	return Fields{"reference_number": "000000" + digits(m.rng, 10, 99) + "A"}
}

func complete(m *maker, _ *version) Fields {
	return Fields{"completed_at": schemas.FormatStamp(m.now), "content": m.answers()}
}

func rewrite(m *maker, _ *version) Fields { return Fields{"content": m.answers()} }

func sign(m *maker, _ *version) Fields { return Fields{"image": pick(m.rng, images)} }

func relate(m *maker, _ *version) Fields {
	k := pick(m.rng, kin)
	return Fields{"relation": k.code, "relation_description": k.name}
}
