package clinikotest

import (
	"slices"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// An edit is something that people of a clinic change about a record: the fields, and what they become. It may come
// up with the values that are there already.
type edit func(m *maker, v *version) Fields

// edits are what may change about each resource. None of them archives, cancels or deletes.
var edits = map[schemas.Resource][]edit{
	"appointments":          {moveAppointment, arrive, stayAway, choose("notes", remarks), settleAppointment},
	"patients":              {phone("patient_phone_numbers", "Mobile"), moveHouse, mail, choose("occupation", occupations), choose("notes", remarks), rename},
	"invoices":              {pay, choose("notes", remarks)},
	"invoice_items":         {choose("name", services), amount("discounted_amount", 1, 9)},
	"medical_alerts":        {choose("name", alerts)},
	"contacts":              {phone("phone_numbers", "Work"), moveHouse, mail, choose("occupation", occupations)},
	"daily_availabilities":  {openingHours},
	"products":              {stock, amount("price_ex_tax", 31, 90), choose("product_supplier_name", suppliers)},
	"stock_adjustments":     {choose("comment", remarks), choose("adjustment_type", reasons)},
	"practitioners":         {choose("designation", callings), choose("description", remarks), toggle("show_in_online_bookings")},
	"businesses":            {moveHouse, toggle("show_in_online_bookings")},
	"appointment_types":     {choose("color", colors), choose("name", services), toggle("show_in_online_bookings")},
	"billable_items":        {amount("price", 40, 180), choose("name", services)},
	"concession_types":      {choose("name", concessions)},
	"referral_source_types": {choose("name", sources), subcategories},
	"taxes":                 {amount("amount", 1, 20)},
	"users":                 {mail, choose("role", roles), toggle("user_active")},

	"individual_appointments":         {moveAppointment, arrive, stayAway, choose("notes", remarks), settleAppointment},
	"group_appointments":              {moveAppointment, choose("notes", remarks)},
	"attendees":                       {toggle("arrived"), choose("notes", remarks), settleAppointment},
	"unavailable_blocks":              {moveAppointment, choose("notes", remarks)},
	"availability_blocks":             {moveAppointment},
	"practitioner_reference_numbers":  {referenceNumber},
	"referral_sources":                {choose("notes", remarks), choose("subcategory", subjects)},
	"settings":                        {calendar},
	"communications":                  {choose("content", remarks)},
	"patient_attachments":             {choose("description", remarks)},
	"patient_cases":                   {choose("name", conditions), choose("notes", remarks), toggle("closed")},
	"patient_form_templates":          {choose("name", forms)},
	"patient_forms":                   {choose("name", forms), complete},
	"treatment_note_templates":        {choose("name", forms)},
	"treatment_notes":                 {toggle("draft"), choose("title", forms), rewrite},
	"concession_prices":               {amount("price", 10, 90)},
	"product_suppliers":               {choose("name", suppliers)},
	"signatures":                      {sign},
	"appointment_type_billable_items": {amount("discount_percentage", 1, 50)},
	"appointment_type_products":       {amount("discount_percentage", 1, 50)},
	"relationships":                   {relate},
	"unavailable_block_types":         {choose("color", colors), choose("name", breaks)},
}

// plausible are changes of r after which at least one field has another value, none if r has nothing left that anybody
// would change: it was erased, or the API has dropped the fields. c.mu is held.
func (c *Clinic) plausible(l *collection, r *row, now int64) Fields {
	at := time.Unix(now, 0).UTC()
	m := &maker{c: c, rng: c.rng, resource: l.res, row: r, at: at, now: at}
	may := edits[l.res.name]
	if may == nil {
		may = l.res.mayChange()
	}
	if len(may) == 0 {
		return nil
	}
	for range 1000 {
		fields := pick(c.rng, may)(m, r.latest())
		// Only what the record has is changed: a business, for one, has no third line of address.
		for name := range fields {
			if r.latest().field(name) == nil {
				delete(fields, name)
			}
		}
		if _, names := changed(r.latest().fields, l.res.fit(fields)); len(names) > 0 {
			return fields
		}
	}
	return nil
}

func choose(name string, list []string) edit {
	return func(m *maker, _ *version) Fields { return Fields{name: pick(m.rng, list)} }
}

func amount(name string, low, high int) edit {
	return func(m *maker, _ *version) Fields { return Fields{name: m.amount(low, high)} }
}

func toggle(name string) edit {
	return func(_ *maker, v *version) Fields {
		f := v.field(name)
		return Fields{name: f == nil || string(f.value) != "true"}
	}
}

func phone(name, kind string) edit {
	return func(m *maker, _ *version) Fields { return Fields{name: phoneList(pick(m.rng, phones), kind)} }
}

func moveHouse(m *maker, _ *version) Fields {
	p := invent(m.rng)
	return Fields{"address_1": p.street, "city": p.city, "post_code": p.postCode, "state": p.state}
}

func mail(m *maker, v *version) Fields {
	return Fields{"email": mailbox(m.rng, v.text("first_name"), v.text("last_name"))}
}

func rename(m *maker, v *version) Fields {
	last := pick(m.rng, lastNames)
	return Fields{"last_name": last, "label": v.text("first_name") + " " + last}
}

func moveAppointment(m *maker, _ *version) Fields {
	begin := m.workday(m.now)
	end := begin.Add(time.Duration(m.between(2, 4)) * 15 * time.Minute)
	return Fields{
		"appointment_start": schemas.FormatStamp(begin), "appointment_end": schemas.FormatStamp(end),
		"starts_at": schemas.FormatStamp(begin), "ends_at": schemas.FormatStamp(end), // as 2025 calls them
	}
}

func arrive(_ *maker, _ *version) Fields {
	return Fields{"patient_arrived": true, "did_not_arrive": false}
}

// stayAway sets the flag that in the API has three states.
func stayAway(m *maker, _ *version) Fields {
	return Fields{"patient_arrived": false, "did_not_arrive": pick(m.rng, []any{true, false, nil})}
}

func settleAppointment(m *maker, _ *version) Fields {
	return Fields{
		"invoice_status":        pick(m.rng, []any{nil, 10, 20}),
		"treatment_note_status": pick(m.rng, []any{nil, 10, 90}),
	}
}

func pay(m *maker, v *version) Fields {
	if v.text("status_description") == "Paid" {
		return Fields{"status": 10, "status_description": "Open", "closed_at": nil} // the payment was refused
	}
	return Fields{"status": 20, "status_description": "Paid", "closed_at": schemas.FormatStamp(m.now)}
}

func stock(m *maker, _ *version) Fields { return Fields{"stock_level": m.between(0, 60)} }

func openingHours(m *maker, _ *version) Fields { return Fields{"availabilities": m.hours()} }

func subcategories(m *maker, _ *version) Fields {
	return Fields{"subcategories": slices.Clone(subjects[:m.between(1, len(subjects))])}
}
