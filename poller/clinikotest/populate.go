package clinikotest

import (
	"math"
	"slices"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Sizes say how many records of each resource to make.
type Sizes map[schemas.Resource]int

// SmallClinic are the sizes of a practice with 200 patients, for both editions: what an edition does not have is not
// made. The map is the caller's.
func SmallClinic() Sizes {
	sizes := Sizes{
		"taxes": 3, "concession_types": 4, "referral_source_types": 6, "users": 8, "businesses": 2, "contacts": 20,
		"products": 30, "billable_items": 12, "appointment_types": 9, "practitioners": 5, "daily_availabilities": 35,
		"patients": 200, "medical_alerts": 40, "appointments": 400, "invoices": 250, "invoice_items": 300,
		"stock_adjustments": 60, "practitioner_reference_numbers": 8, "referral_sources": 40,
		// of 2025
		"product_suppliers": 3, "treatment_note_templates": 4, "patient_form_templates": 3, "unavailable_block_types": 4,
		"concession_prices": 12, "appointment_type_billable_items": 9, "appointment_type_products": 5,
		"group_appointments": 20, "unavailable_blocks": 30, "availability_blocks": 10, "patient_cases": 30,
		"attendees": 120, "treatment_notes": 150, "patient_forms": 60, "signatures": 20, "patient_attachments": 40,
		"communications": 100, "relationships": 15,
	}
	for _, r := range exampled() {
		sizes[r] = 10
	}
	return sizes
}

// dependents is the order in which resources are made, so that each relates to those before it. The settings are
// there already, and appointments are, in 2025, the individual ones.
var dependents = []schemas.Resource{
	"taxes", "concession_types", "referral_source_types", "users", "businesses", "contacts", "product_suppliers",
	"products", "billable_items", "treatment_note_templates", "patient_form_templates", "appointment_types",
	"unavailable_block_types", "concession_prices", "appointment_type_billable_items", "appointment_type_products",
	"practitioners", "practitioner_reference_numbers", "daily_availabilities", "patients", "relationships",
	"referral_sources", "medical_alerts", "patient_cases", "appointments", "individual_appointments",
	"group_appointments", "unavailable_blocks", "availability_blocks", "attendees", "treatment_notes", "patient_forms",
	"signatures", "patient_attachments", "invoices", "invoice_items", "communications", "stock_adjustments",
}

// Populate fills the clinic with records of the past two years, related to one another. Half of them were edited
// since; the newest stamp lies an hour before now. What is there already stays.
func (c *Clinic) Populate(sizes Sizes) {
	made := slices.DeleteFunc(slices.Concat(dependents, exampled()), func(r schemas.Resource) bool { return !c.Has(r) || sizes[r] == 0 })
	for i, resource := range made {
		// What others relate to comes into being earlier: the first resources when the clinic opened.
		open := 2 * 365 * 24 * time.Hour
		c.history(resource, sizes[resource], open-open*time.Duration(i)/time.Duration(2*len(made)))
	}
}

// history makes n records of resource, the first of them about age ago, the last an hour ago.
func (c *Clinic) history(resource schemas.Resource, n int, age time.Duration) {
	l, now := c.open(resource)
	defer c.mu.Unlock()
	l = l.makes()
	last, first := now-3600, now-int64(age/time.Second)
	births := make([]int64, n)
	for i := range births {
		births[i] = first + c.rng.Int64N(last-first+1)
	}
	slices.Sort(births)
	for _, born := range births {
		updated := born
		if c.rng.IntN(2) == 0 { // soon rather than late: most edits follow within days
			updated += int64(float64(last-born) * math.Pow(c.rng.Float64(), 6))
		}
		c.create(l, born, updated, updated, nil)
	}
}
