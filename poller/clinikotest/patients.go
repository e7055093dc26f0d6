package clinikotest

import (
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Merge makes one patient of two, as people do with a duplicate: patient is archived, with merged_at and
// merged_with_patient where the edition has them, and what hangs on it moves to into, but for its referral source. The
// survivor does not change, and nothing undoes it. It says whether it did: both must be there and not be archived.
func (c *Clinic) Merge(patient, into schemas.ID) bool {
	l, r, now := c.openRow("patients", patient)
	defer c.mu.Unlock()
	survivor := l.visible(into)
	if r == nil || survivor == nil || r == survivor || r.latest().hidden != 0 {
		return false
	}
	from, to := RefTo("patients", patient), RefTo("patients", into)
	c.turn(l, r, r.latest().marks, l.res.stateFields(archived, stamp(now), Fields{
		"merged_at": stamp(now), "merged_with_patient": to,
	}), now)
	c.eachRow(func(child *collection, r *row) {
		if child.res.item == "patient" {
			return
		}
		fields := Fields{}
		for _, relation := range []string{"patient", "related_patient"} {
			if r.latest().ref(relation) == from {
				fields[relation] = to
			}
		}
		if len(fields) > 0 {
			c.turn(child, r, r.latest().marks, fields, now)
		}
	})
	return true
}

// Erase takes a patient away for good, with everything that hangs on it: appointments, invoices and their lines, notes,
// files. What may be left is Options.ErasedStubs. It says whether there was such a patient.
func (c *Clinic) Erase(patient schemas.ID) bool {
	l, r, now := c.openRow("patients", patient)
	defer c.mu.Unlock()
	if r == nil || r.latest().hidden&erased != 0 {
		return false
	}
	self := RefTo("patients", patient)
	gone := map[Ref]bool{self: true}
	c.eachRow(func(child *collection, r *row) {
		if v := r.latest(); v.patient() == patient || v.ref("related_patient") == self {
			gone[RefTo(child.res.name, r.id)] = true
			c.erase(child, r, now)
		}
	})
	c.eachRow(func(child *collection, r *row) { // what hangs on what hung on the patient
		if v := r.latest(); gone[v.ref("invoice")] || gone[v.ref("attendee")] || gone[v.form()] {
			c.erase(child, r, now)
		}
	})
	c.erase(l, r, now)
	return true
}

// form is the patient form that a signature lies under, "" for anything else.
func (v *version) form() Ref {
	form, _, ok := strings.Cut(string(v.ref("links")), "/signatures/")
	if !ok {
		return ""
	}
	return Ref(form)
}

// erase removes a row, or leaves a stub of it.
func (c *Clinic) erase(l *collection, r *row, now int64) {
	stubs := l.res.name == "patients" || l.res.name == "medical_alerts"
	if !c.opts.ErasedStubs || !stubs || r.shown < 0 {
		l.remove(r)
		return
	}
	var left []field
	for _, f := range r.latest().fields {
		switch f.name {
		case "deleted_at":
			left = append(left, newField(f.name, stamp(now)))
		case "id", "created_at", "updated_at", "links":
			left = append(left, f)
		}
	}
	updated := now
	if c.opts.QuietStates {
		updated = r.latest().updated
	}
	c.finish(l, r, &version{fields: left, marks: erased, updated: updated, shownAt: now}, now)
}

// eachRow calls do with every row of every resource but the patients. Mirrors follow by themselves. c.mu is held.
func (c *Clinic) eachRow(do func(*collection, *row)) {
	now := c.Now().Unix()
	for _, name := range c.Resources() {
		l := c.lists[name]
		if len(l.sources) > 0 || name == "patients" {
			continue
		}
		l.settle(now)
		for _, r := range slices.Clone(l.order) {
			do(l, r)
		}
	}
}
