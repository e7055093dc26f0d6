package clinikotest

import (
	"math"
	"slices"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Sizes say how many records of each resource to make.
type Sizes map[schemas.Resource]int

// SmallClinic are the sizes of a practice with 200 patients.
func SmallClinic() Sizes {
	return Sizes{
		"taxes": 3, "concession_types": 4, "referral_source_types": 6, "users": 8, "businesses": 2, "contacts": 20,
		"products": 30, "billable_items": 12, "appointment_types": 9, "practitioners": 5, "daily_availabilities": 35,
		"patients": 200, "medical_alerts": 40, "appointments": 400, "invoices": 250, "invoice_items": 300,
		"stock_adjustments": 60,
	}
}

// dependents is the order in which resources are made, so that each relates to those before it.
var dependents = []schemas.Resource{
	"taxes", "concession_types", "referral_source_types", "users", "businesses", "contacts", "products",
	"billable_items", "appointment_types", "practitioners", "daily_availabilities", "patients", "medical_alerts",
	"appointments", "invoices", "invoice_items", "stock_adjustments",
}

// Populate fills the clinic with records of the past two years, related to one another. Half of them were edited
// since; the newest stamp lies an hour before now. What is there already stays.
func (c *Clinic) Populate(sizes Sizes) {
	for i, resource := range dependents {
		// What others relate to comes into being earlier: the first resources when the clinic opened.
		open := 2 * 365 * 24 * time.Hour
		c.history(resource, sizes[resource], open-open*time.Duration(i)/time.Duration(2*len(dependents)))
	}
}

// history makes n records of resource, the first of them about age ago, the last an hour ago.
func (c *Clinic) history(resource schemas.Resource, n int, age time.Duration) {
	l, now := c.open(resource)
	defer c.mu.Unlock()
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
