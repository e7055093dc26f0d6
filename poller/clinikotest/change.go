package clinikotest

import (
	"maps"
	"strconv"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Create makes a record with every documented field, about invented people, and related to records that exist where
// there are some. Its stamps are now. fields replace what would be invented.
func (c *Clinic) Create(resource schemas.Resource, fields ...Fields) schemas.ID {
	return c.CreateLate(resource, 0, fields...)
}

// CreateLate is Create, but lists show the record only once the clinic's clock has moved on by after: its
// transaction took that long. Its stamps are still those of now.
func (c *Clinic) CreateLate(resource schemas.Resource, after time.Duration, fields ...Fields) schemas.ID {
	l, now := c.open(resource)
	defer c.mu.Unlock()
	return c.create(l.makes(), now, now, later(now, after), fields).id
}

// Import makes n records that all have the same stamps, as a bulk import does.
func (c *Clinic) Import(resource schemas.Resource, n int) []schemas.ID {
	l, now := c.open(resource)
	defer c.mu.Unlock()
	ids := make([]schemas.ID, n)
	for i := range ids {
		ids[i] = c.create(l.makes(), now, now, now, nil).id
	}
	return ids
}

// Edit sets fields of a record and moves its updated_at to now. It returns the sorted names of those whose value is
// another than before, updated_at left out; nil if there is no such record.
func (c *Clinic) Edit(resource schemas.Resource, id schemas.ID, fields Fields) []string {
	return c.EditLate(resource, id, 0, fields)
}

// EditLate is Edit, but lists show it only once the clinic's clock has moved on by after, with the stamp of now.
// A later edit of the same record brings it out too.
func (c *Clinic) EditLate(resource schemas.Resource, id schemas.ID, after time.Duration, fields Fields) []string {
	l, r, now := c.openRow(resource, id)
	defer c.mu.Unlock()
	if r == nil {
		return nil
	}
	return c.revise(l, r, fields, now, now, later(now, after))
}

// EditField changes something that people of a clinic would change, chosen at random, and moves updated_at to now.
// It returns the names of the fields that changed, as Edit does. There is always at least one.
func (c *Clinic) EditField(resource schemas.Resource, id schemas.ID) []string {
	l, r, now := c.openRow(resource, id)
	defer c.mu.Unlock()
	if r == nil {
		return nil
	}
	return c.revise(l, r, c.plausible(l, r, now), now, now, now)
}

// ChangeSilently changes values of a record while its updated_at stands still, as computed values do. Without fields
// it chooses as EditField does.
func (c *Clinic) ChangeSilently(resource schemas.Resource, id schemas.ID, fields ...Fields) []string {
	l, r, now := c.openRow(resource, id)
	defer c.mu.Unlock()
	if r == nil {
		return nil
	}
	if len(fields) == 0 {
		fields = []Fields{c.plausible(l, r, now)}
	}
	return c.revise(l, r, merged(fields), r.latest().updated, now, now)
}

// Touch moves the updated_at of a record to now and changes nothing else. It says whether there is such a record.
func (c *Clinic) Touch(resource schemas.Resource, id schemas.ID) bool {
	l, r, now := c.openRow(resource, id)
	defer c.mu.Unlock()
	if r == nil {
		return false
	}
	c.revise(l, r, nil, now, now, now)
	return true
}

// Remove takes a record away for good: no list shows it, and its own address answers 404. It says whether there was
// one.
func (c *Clinic) Remove(resource schemas.Resource, id schemas.ID) bool {
	l, r, _ := c.openRow(resource, id)
	defer c.mu.Unlock()
	if r == nil {
		return false
	}
	l.remove(r)
	return true
}

// AddField puts a field on every record of a resource, those that are made later included, and moves no stamp: the
// API got a new field.
func (c *Clinic) AddField(resource schemas.Resource, name string, value any) {
	c.reshape(resource, func(l *collection) { l.extra[name] = value }, func(fields []field) []field {
		fields, _ = changed(fields, Fields{name: value})
		return fields
	})
}

// DropField takes a field from every record of a resource, those that are made later included, and moves no stamp:
// the API has lost a field.
func (c *Clinic) DropField(resource schemas.Resource, name string) {
	c.reshape(resource, func(l *collection) { l.dropped[name] = true }, func(fields []field) []field {
		return without(fields, name)
	})
}

// reshape gives every record of a resource other fields, and those to come by what it notes on their list.
func (c *Clinic) reshape(resource schemas.Resource, note func(*collection), how func([]field) []field) {
	l, now := c.open(resource)
	defer c.mu.Unlock()
	sources := l.sources
	if len(sources) == 0 {
		sources = []*collection{l}
	}
	for _, l := range sources {
		l.settle(now)
		note(l)
		for _, r := range l.order {
			v := *r.latest()
			v.fields, v.raw, v.shownAt = how(v.fields), nil, now
			c.finish(l, r, &v, now)
		}
	}
}

// create makes a row. c.mu is held.
func (c *Clinic) create(l *collection, created, updated, shownAt int64, fields []Fields) *row {
	given := merged(fields)
	r := c.place(l, created, given)
	m := &maker{c: c, rng: c.rng, resource: l.res, row: r, at: time.Unix(created, 0).UTC(), now: c.Now(), given: given}
	all := m.record()
	for name := range l.dropped {
		all = without(all, name)
	}
	if !l.res.has("patient") && l.res.item == "patient" {
		delete(given, "patient") // it was said by the record's place
	}
	if form, ok := given["patient_form"].(Ref); ok && l.res.name == "signatures" {
		c.signed(form, m.address(), updated)
		delete(given, "patient_form") // as above
	}
	all, _ = changed(all, l.res.fit(merged([]Fields{l.extra, given})))
	c.finish(l, r, &version{fields: all, updated: updated, shownAt: shownAt}, c.Now().Unix())
	return r
}

// signed puts the link of a signature on its form, which is the only way to find it.
func (c *Clinic) signed(form, signature Ref, at int64) {
	l, now := c.lists["patient_forms"], c.Now().Unix()
	if r := l.live(form.id()); r != nil {
		c.revise(l, r, Fields{"signatures": signature}, max(at, r.latest().updated), now, now)
	}
}

// revise gives r a version with changes made and updated as its stamp. c.mu is held.
func (c *Clinic) revise(l *collection, r *row, changes Fields, updated, now, shownAt int64) []string {
	fields, names := changed(r.latest().fields, l.res.fit(changes))
	c.finish(l, r, &version{fields: fields, marks: r.latest().marks, updated: updated, shownAt: shownAt}, now)
	return names
}

// finish stamps v, which no one else has seen yet, and adds it to r.
func (c *Clinic) finish(l *collection, r *row, v *version, now int64) {
	if l.res.stamped() {
		v.fields[2] = newField("updated_at", stamp(v.updated)) // third in every record, as in the docs
	}
	v.hidden = l.res.hiding(v)
	l.add(r, v, now, c.opts.KeepVersions)
	for _, m := range l.mirrors {
		m.follow(r, v, now, c.opts.KeepVersions)
	}
}

// openRow is open for a change of one record: the list is the one that the record belongs to, and r is nil if there is
// no such record. The caller unlocks.
func (c *Clinic) openRow(resource schemas.Resource, id schemas.ID) (*collection, *row, int64) {
	l, now := c.open(resource)
	l = l.behind(id)
	l.settle(now)
	return l, l.live(l.idOf(id)), now
}

func (c *Clinic) idField(r *row) field {
	if c.opts.StringIDs {
		return newField("id", strconv.FormatInt(r.num, 10))
	}
	return newField("id", r.num)
}

// later is the first whole second that is no earlier than d after now.
func later(now int64, d time.Duration) int64 {
	return now + int64((d+time.Second-1)/time.Second)
}

func stamp(unix int64) string { return schemas.FormatStamp(time.Unix(unix, 0)) }

func merged(list []Fields) Fields {
	all := Fields{}
	for _, fields := range list {
		maps.Copy(all, fields)
	}
	return all
}
