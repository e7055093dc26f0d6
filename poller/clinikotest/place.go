package clinikotest

import (
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// place makes the row of a new record and gives it its id: a fresh number, but for a resource without ids. There a
// single object is known by the resource's name, and the referral source of a patient by the patient's id. c.mu is
// held.
func (c *Clinic) place(l *collection, created int64, given Fields) *row {
	switch {
	case l.res.shape == "single":
		return l.rowAs(schemas.ID(l.res.name), created)
	case l.res.name == "signatures":
		if _, ok := given["patient_form"].(Ref); !ok {
			given["patient_form"] = c.anyOf("patient_forms", created)
		}
	case l.res.item == "patient":
		patient, ok := given["patient"].(Ref)
		if !ok {
			patient = c.unreferred(l, created)
		}
		given["patient"] = patient
		if !l.res.stamped() {
			return l.rowAs(patient.id(), created)
		}
	}
	return l.newRow(created, c.opts.BigIDs, c.rng)
}

// rowAs is a row with an id that is given.
func (l *collection) rowAs(id schemas.ID, created int64) *row {
	r := &row{id: id, seq: l.nextSeq, created: created, shown: -1}
	r.num, _ = plainNumber(string(id)) // a name counts as 0
	l.nextSeq++
	l.enlist(r)
	return r
}

// unreferred is a patient without a referral source, made if there is none.
func (c *Clinic) unreferred(l *collection, created int64) Ref {
	taken := map[Ref]bool{}
	for _, r := range l.order {
		taken[Ref(strings.TrimSuffix(string(r.latest().ref("links")), "/referral_source"))] = true
	}
	for _, r := range c.lists["patients"].order {
		if ref := RefTo("patients", r.id); r.shown >= 0 && !taken[ref] {
			return ref
		}
	}
	return RefTo("patients", c.create(c.lists["patients"], created, created, created, nil).id)
}

// anyOf is some record of a resource, made if there is none.
func (c *Clinic) anyOf(resource schemas.Resource, created int64) Ref {
	l := c.lists[resource]
	if len(l.order) == 0 {
		c.create(l, created, created, created, nil)
	}
	return RefTo(resource, pick(c.rng, l.order).id)
}

// id is the last segment of the path of a relation.
func (ref Ref) id() schemas.ID { return schemas.ID(ref[strings.LastIndexByte(string(ref), '/')+1:]) }
