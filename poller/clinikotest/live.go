package clinikotest

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Live makes a clinic's days pass: appointments are booked, moved and attended, patients register and change their
// phone numbers, bills are written and paid, stock is sold. Some of what it does is hard on whoever watches: stamps
// that move alone, two edits within a second, a value that changes and comes back later. It archives, cancels and
// removes nothing, so that every record stays in its list, unless it is told to; see WithStates.
//
// It is for one goroutine. The clinic should be populated first; what is missing is made as it is needed.
type Live struct {
	c    *Clinic
	rng  *rand.Rand
	undo []undo
	does []habit
}

// An undo is a value that an edit replaced, and that will come back.
type undo struct {
	resource schemas.Resource
	id       schemas.ID
	old      Fields
}

// NewLive is a source of changes for c. The same seed does the same to the same clinic.
func NewLive(c *Clinic, seed uint64) *Live {
	return &Live{c: c, rng: rand.New(rand.NewPCG(seed, 4)), does: habits}
}

// A habit is what happens in a clinic, with how often.
type habit struct {
	weight int
	do     func(*Live)
}

var habits = []habit{
	{14, (*Live).book},
	{30, (*Live).attend},
	{6, (*Live).register},
	{16, func(l *Live) { l.editOne("patients") }},
	{3, func(l *Live) { l.c.Create("medical_alerts") }},
	{8, (*Live).bill},
	{8, func(l *Live) { l.editOne("invoices") }},
	{6, (*Live).sell},
	{4, func(l *Live) { l.editOne("contacts") }},
	{2, func(l *Live) { l.editOne("daily_availabilities") }},
	{4, (*Live).office},
	{6, (*Live).touch},
	{4, (*Live).twice},
	{4, (*Live).thereAndBack},
}

// Step does n things of the day, at the time at which the clinic's clock stands. Some change more than one record.
func (l *Live) Step(n int) {
	total := 0
	for _, h := range l.does {
		total += h.weight
	}
	for range n {
		at := l.rng.IntN(total)
		for _, h := range l.does {
			if at -= h.weight; at < 0 {
				h.do(l)
				break
			}
		}
	}
}

// Run does about rate things a second of the machine's time, unevenly, until ctx ends. It returns nil then. rate must be
// above 0.
func (l *Live) Run(ctx context.Context, rate float64) error {
	for {
		pause := time.NewTimer(time.Duration(l.rng.ExpFloat64() / rate * float64(time.Second)))
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
			l.Step(1)
		}
	}
}

// some is a record of resource, made if there is none.
func (l *Live) some(resource schemas.Resource) schemas.ID {
	if id, ok := l.c.random(resource, l.rng); ok {
		return id
	}
	return l.c.Create(resource)
}

// random is any record that the list shows.
func (c *Clinic) random(resource schemas.Resource, rng *rand.Rand) (schemas.ID, bool) {
	l, _ := c.open(resource)
	defer c.mu.Unlock()
	shown := make([]*row, 0, len(l.byStamp))
	for _, r := range l.byStamp {
		if r.now().hidden == 0 {
			shown = append(shown, r)
		}
	}
	if len(shown) == 0 {
		return "", false
	}
	return pick(rng, shown).id, true
}

func (l *Live) editOne(resource schemas.Resource) { l.c.EditField(resource, l.some(resource)) }

func (l *Live) book() {
	l.some("patients") // somebody to book it for
	l.c.Create("appointments")
}

func (l *Live) register() {
	id := l.c.Create("patients")
	l.c.Create("appointments", Fields{"patient": RefTo("patients", id), "patient_name": l.name(id)})
}

// name is what an appointment calls a patient.
func (l *Live) name(patient schemas.ID) any {
	label, ok := l.c.Field("patients", patient, "label")
	if !ok {
		return nil
	}
	return label
}

// attend is what becomes of an appointment: it is moved, noted down, attended, settled.
func (l *Live) attend() { l.editOne("appointments") }

// bill writes an invoice for an appointment, and marks the appointment.
func (l *Live) bill() {
	l.some("appointments") // something to bill
	invoice := l.c.Create("invoices")
	amount, ok := l.c.Field("invoices", invoice, "net_amount")
	if !ok {
		return // somebody else took it away meanwhile
	}
	l.c.Create("invoice_items", Fields{
		"invoice": RefTo("invoices", invoice), "net_price": amount, "total_including_tax": amount, "unit_price": amount,
	})
	if appointment, ok := l.c.Related("invoices", invoice, "appointment"); ok {
		l.c.Edit("appointments", appointment, Fields{"invoice_status": 10})
	}
}

// sell takes one from the shelf, or fills the shelf if it is empty.
func (l *Live) sell() {
	product := l.some("products")
	level := 0
	if raw, ok := l.c.Field("products", product, "stock_level"); ok {
		_ = json.Unmarshal(raw, &level) // a test may have put anything there: then the shelf is empty
	}
	reason, quantity := "Item Sold", -1
	if level < 1 {
		reason, quantity = "Stock Purchase", 20
	}
	l.c.Create("stock_adjustments", Fields{
		"product": RefTo("products", product), "adjustment_type": reason, "quantity": quantity,
	})
	l.c.Edit("products", product, Fields{"stock_level": level + quantity})
}

// office is the rare change of what is set up once.
func (l *Live) office() {
	l.editOne(pick(l.rng, []schemas.Resource{
		"practitioners", "businesses", "appointment_types", "billable_items", "concession_types",
		"referral_source_types", "taxes", "users", "stock_adjustments", "invoice_items", "medical_alerts",
	}))
}

var busy = []schemas.Resource{"appointments", "patients", "invoices", "products", "contacts"}

func (l *Live) touch() {
	resource := pick(l.rng, busy)
	l.c.Touch(resource, l.some(resource))
}

// twice edits a record twice at once: the second edit nearly always falls into the same second.
func (l *Live) twice() {
	resource := pick(l.rng, busy)
	id := l.some(resource)
	l.c.EditField(resource, id)
	l.c.EditField(resource, id)
}

// thereAndBack edits a record, or gives one that it edited earlier its old values back: A, B, A.
func (l *Live) thereAndBack() {
	if n := len(l.undo); n > 0 && (n > 5 || l.rng.IntN(2) == 0) {
		u := l.undo[0]
		l.undo = l.undo[1:]
		l.c.Edit(u.resource, u.id, u.old)
		return
	}
	resource := pick(l.rng, busy)
	id := l.some(resource)
	raw, _ := l.c.Record(resource, id)
	var before map[string]json.RawMessage
	_ = json.Unmarshal(raw, &before) // if somebody took the record away, nothing will be edited
	old := Fields{}
	for _, name := range l.c.EditField(resource, id) {
		old[name] = before[name]
	}
	l.undo = append(l.undo, undo{resource, id, old})
}
