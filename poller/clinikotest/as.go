package clinikotest

import (
	"time"
)

// As is the clinic that opts make, with the records that c has: their ids, stamps, states and values, as far as the
// edition of opts knows them. What it alone knows of a record is invented. It is how an account goes over to another edition
// of the API, and to another base URL. Not taken over are removed records, what the others were earlier, and what has no id
// of its own in one edition: referral sources and signatures. c stays as it is.
func (c *Clinic) As(opts Options) *Clinic {
	other := New(opts)
	c.mu.Lock()
	defer c.mu.Unlock()
	other.mu.Lock()
	defer other.mu.Unlock()
	for _, resource := range dependents {
		from, to := c.lists[resource], other.lists[resource]
		switch {
		case to != nil && len(to.sources) > 0: // a mirror: its source's turn comes
		case resource == "referral_sources" || resource == "signatures":
		case to != nil && from != nil:
			other.takeOver(from, to)
		case to != nil && resource == "individual_appointments":
			other.takeOver(c.lists["appointments"], to)
		}
	}
	return other
}

// takeOver makes in to the records of from, which is another clinic's. Both clinics are locked.
func (c *Clinic) takeOver(from, to *collection) {
	for _, r := range from.order {
		twin, v := to.rowAs(r.id, r.created), r.latest()
		m := &maker{c: c, rng: c.rng, resource: to.res, row: twin, at: time.Unix(r.created, 0).UTC(), now: c.Now()}
		all, _ := changed(m.record(), to.res.fit(to.res.translated(from.res, v)))
		marks := v.marks & to.res.hides
		for _, column := range columns {
			if to.res.column(column.state) != "" {
				marks &^= column.state // the column tells
			}
		}
		c.finish(to, twin, &version{fields: all, marks: marks, updated: v.updated, shownAt: v.shownAt}, c.Now().Unix())
	}
}

// translated are the fields of a record of from that r knows too, and the states it is in under the names that r has for
// them.
func (r *resource) translated(from *resource, v *version) Fields {
	fields := Fields{}
	for _, f := range v.fields {
		switch f.name {
		case "id", "created_at", "updated_at", "links":
			continue
		}
		if kind := from.kinds[f.name]; r.has(f.name) && (kind == "" || kind == r.kinds[f.name]) {
			fields[f.name] = f.any()
		}
	}
	for _, c := range columns {
		if was, is := v.field(from.column(c.state)), r.column(c.state); was != nil && is != "" {
			fields[is] = was.any()
		}
	}
	if is := r.column(inactive); is != "" && v.marks&inactive != 0 {
		fields[is] = false
	}
	return fields
}

// any is the field's value as Fields have it.
func (f *field) any() any {
	if f.ref != "" {
		return f.ref
	}
	return f.value
}
