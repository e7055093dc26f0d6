package clinikotest

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A maker invents one record. It is used with Clinic.mu held.
type maker struct {
	c        *Clinic
	rng      *rand.Rand
	resource *resource
	given    Fields // what will replace some of what is invented
	row      *row
	at       time.Time // when the record comes into being
	now      time.Time // the clinic's time, later than at where a past is invented
}

// templates invent what of a record has to make sense together. Fields that the edition does not document are left
// out of it; those that no template gives are invented by their kind.
var templates = map[schemas.Resource]func(*maker) []field{
	"appointments":                   (*maker).appointment,
	"individual_appointments":        (*maker).appointment,
	"practitioner_reference_numbers": (*maker).referenceNumber,
	"referral_sources":               (*maker).referralSource,
	"settings":                       (*maker).settings,
	"attendees":                      (*maker).attendee,
	"group_appointments":             (*maker).groupAppointment,
	"unavailable_blocks":             (*maker).block,
	"availability_blocks":            (*maker).block,
	"treatment_notes":                (*maker).treatmentNote,
	"treatment_note_templates":       (*maker).template,
	"patient_form_templates":         (*maker).template,
	"patient_forms":                  (*maker).patientForm,
	"patient_cases":                  (*maker).patientCase,
	"patient_attachments":            (*maker).patientAttachment,
	"communications":                 (*maker).communication,
	"relationships":                  (*maker).relationship,
	"signatures":                     (*maker).signature,
	"product_suppliers":              (*maker).productSupplier,
	"unavailable_block_types":        (*maker).unavailableBlockType,
	"patients":                       (*maker).patient,
	"invoices":                       (*maker).invoice,
	"invoice_items":                  (*maker).invoiceItem,
	"medical_alerts":                 (*maker).medicalAlert,
	"contacts":                       (*maker).contact,
	"daily_availabilities":           (*maker).dailyAvailability,
	"products":                       (*maker).product,
	"stock_adjustments":              (*maker).stockAdjustment,
	"practitioners":                  (*maker).practitioner,
	"businesses":                     (*maker).business,
	"appointment_types":              (*maker).appointmentType,
	"billable_items":                 (*maker).billableItem,
	"concession_types":               (*maker).concessionType,
	"referral_source_types":          (*maker).referralSourceType,
	"taxes":                          (*maker).tax,
	"users":                          (*maker).user,
}

func (m *maker) appointment() []field {
	begin := m.at.Truncate(15 * time.Minute).Add(time.Duration(m.between(96, 1920)) * 15 * time.Minute)
	over := begin.Before(m.now)
	var invoiceStatus, noteStatus any // null until the appointment is over
	if over {
		invoiceStatus, noteStatus = 20, 90
	}
	var notes any
	if m.chance(4) {
		notes = pick(m.rng, remarks)
	}
	var address any
	if m.chance(2) {
		address = "203.0.113." + digits(m.rng, 1, 254)
	}
	rule, repeats := map[string]any{}, any(nil)
	if m.chance(6) {
		rule = map[string]any{"repeat_type": "Weekly", "number_of_repeats": m.between(2, 8), "repeating_interval": 1}
		repeats = Ref("/" + string(m.resource.name) + "?q=repeated_from_appointment_id:=" + string(m.row.id))
	}
	patient, who := m.other("patients")
	name := person{first: pick(m.rng, firstNames), last: pick(m.rng, lastNames)}
	if who != nil {
		name = person{first: who.text("first_name"), last: who.text("last_name")}
	}
	from, to := schemas.FormatStamp(begin), schemas.FormatStamp(begin.Add(time.Duration(m.between(2, 4))*15*time.Minute))
	return pairs(
		"appointment_start", from,
		"appointment_end", to,
		"starts_at", from, // as 2025 calls them
		"ends_at", to,
		"booking_ip_address", address,
		"cancellation_note", nil,
		"cancellation_reason", nil,
		"cancellation_time", nil,
		"deleted_at", nil,
		"did_not_arrive", false,
		"email_reminder_sent", over,
		"invoice_status", invoiceStatus,
		"notes", notes,
		"online_booking_policy_accepted", address != nil,
		"patient_arrived", over,
		"patient_name", name.name(),
		"repeat_rule", rule,
		"repeats", repeats,
		"sms_reminder_sent", over,
		"treatment_note_status", noteStatus,
		"appointment_type", m.ref("appointment_types"),
		"business", m.ref("businesses"),
		"conflicts", m.own("/conflicts"),
		"invoices", m.own("/invoices?page=1"),
		"patient", patient,
		"practitioner", m.ref("practitioners"),
	)
}

func (m *maker) patient() []field {
	p := invent(m.rng)
	var source any
	if m.chance(5) {
		source = "Saw the sign outside"
	}
	fields := pairs(
		"address_1", p.street,
		"address_2", "",
		"address_3", "",
		"archived_at", nil,
		"city", p.city,
		"country", "Australia",
		"date_of_birth", p.dateOfBirth,
		"deleted_at", nil,
		"email", p.email,
		"emergency_contact", "",
		"first_name", p.first,
		"gender", p.gender,
		"invoice_default_to", "",
		"invoice_email", nil,
		"invoice_extra_information", "",
		"label", p.name(),
		"last_name", p.last,
		"notes", "",
		"occupation", pick(m.rng, occupations),
		"old_reference_id", "",
		"patient_phone_numbers", phoneList(p.phone, "Mobile"),
		"post_code", p.postCode,
		"referral_source", source,
		"reminder_type", "SMS & Email",
		"state", p.state,
		"title", p.title,
		"appointments", m.own("/appointments?page=1"),
	)
	if m.chance(4) { // the API leaves this relation out of patients who have none
		fields = append(fields, newField("concession_type", m.ref("concession_types")))
	}
	return append(fields, pairs(
		"invoices", m.own("/invoices?page=1"),
		"medical_alerts", m.own("/medical_alerts?page=1"),
	)...)
}

func (m *maker) invoice() []field {
	appointment, about := m.other("appointments")
	patient, business, practitioner := Ref(""), Ref(""), Ref("")
	name := pick(m.rng, firstNames) + " " + pick(m.rng, lastNames)
	if about != nil {
		patient, business, practitioner = about.ref("patient"), about.ref("business"), about.ref("practitioner")
		name = about.text("patient_name")
	} else {
		patient, business, practitioner = m.ref("patients"), m.ref("businesses"), m.ref("practitioners")
	}
	amount := m.amount(40, 180)
	status, description, closed := 10, "Open", any(nil)
	if m.at.Before(m.now.Add(-24 * time.Hour)) {
		status, description, closed = 20, "Paid", schemas.FormatStamp(m.at)
	}
	return pairs(
		"closed_at", closed,
		"deleted_at", nil,
		"discounted_amount", "0.0",
		"invoice_to", name+"\r\n"+digits(m.rng, 1, 99)+" "+pick(m.rng, streets)+"\r\nAustralia",
		"issue_date", m.at.Format(time.DateOnly),
		"net_amount", amount,
		"notes", "",
		"number", 1000+m.row.seq,
		"patient_extra_information", "",
		"status", status,
		"status_description", description,
		"tax_amount", "0.0",
		"total_amount", amount,
		"appointment", appointment,
		"attendee", nil,
		"business", business,
		"practitioner", practitioner,
		"patient", patient,
	)
}

func (m *maker) invoiceItem() []field {
	invoice, bill := m.other("invoices")
	amount := m.amount(40, 180)
	if bill != nil {
		amount = bill.text("net_amount")
	}
	return pairs(
		"code", digits(m.rng, 500, 599),
		"concession_type_name", "",
		"deleted_at", nil,
		"discount_percentage", "0.0",
		"discounted_amount", "0.0",
		"is_monetary_discount", false,
		"name", pick(m.rng, services),
		"net_price", amount,
		"quantity", 1,
		"tax_amount", "0.0",
		"tax_name", "GST free",
		"total_including_tax", amount,
		"unit_price", amount,
		"billable_item", m.ref("billable_items"),
		"invoice", invoice,
	)
}

func (m *maker) medicalAlert() []field {
	return pairs(
		"deleted_at", nil,
		"name", pick(m.rng, alerts),
		"patient", m.ref("patients"),
	)
}

func (m *maker) contact() []field {
	p := invent(m.rng)
	kind, number, company := "Standard", "", pick(m.rng, companies)
	if m.chance(2) {
		kind, number, company = "Doctor", "000000"+digits(m.rng, 1, 9)+"X", ""
	}
	return pairs(
		"address_1", p.street,
		"address_2", "",
		"address_3", "",
		"city", p.city,
		"company_name", company,
		"deleted_at", nil,
		"email", p.email,
		"first_name", p.first,
		"last_name", p.last,
		"notes", "",
		"occupation", pick(m.rng, occupations),
		"phone_numbers", phoneList(p.phone, "Work"),
		"post_code", p.postCode,
		"preferred_name", "",
		"provider_number", number,
		"state", p.state,
		"title", p.title,
		"country", "Australia",
		"type", kind,
	)
}

// own is a relation to a list below the record itself.
func (m *maker) own(below string) Ref { return RefTo(m.resource.name, m.row.id) + Ref(below) }

// ref is a relation to some record of resource.
func (m *maker) ref(resource schemas.Resource) Ref {
	ref, _ := m.other(resource)
	return ref
}

// other is a relation to some record of resource, and that record. It prefers one that was there already when this
// one came into being. If the resource is empty, the relation dangles and the record is nil: the API's links do that
// too, when what they point to is gone.
func (m *maker) other(resource schemas.Resource) (Ref, *version) {
	rows := m.c.lists[resource].byStamp
	if len(rows) == 0 {
		return RefTo(resource, schemas.ID(digits(m.rng, 100, 999))), nil
	}
	r := pick(m.rng, rows)
	for range 8 {
		if r.created <= m.at.Unix() {
			break
		}
		r = pick(m.rng, rows)
	}
	return RefTo(resource, r.id), r.now()
}

func (m *maker) chance(oneIn int) bool       { return m.rng.IntN(oneIn) == 0 }
func (m *maker) between(low, high int) int   { return low + m.rng.IntN(high-low+1) }
func (m *maker) amount(low, high int) string { return decimal(m.rng, low, high) }

// decimal is an amount of money as the API writes one: "72.5".
func decimal(rng *rand.Rand, low, high int) string {
	return digits(rng, low, high) + pick(rng, []string{".0", ".5", ".25"})
}

func digits(rng *rand.Rand, low, high int) string { return strconv.Itoa(low + rng.IntN(high-low+1)) }

func pick[T any](rng *rand.Rand, list []T) T { return list[rng.IntN(len(list))] }
