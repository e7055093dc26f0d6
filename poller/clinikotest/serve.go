package clinikotest

import (
	"net/url"
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// isList says whether rt is answered with a page.
func (rt route) isList() bool {
	return rt.kind == listOf || rt.kind == servicesOf || rt.kind == timesOf
}

// parse reads what a request for a list asks.
func (c *Clinic) parse(rt route, asked url.Values) (query, error) {
	res := resourcesOf[c.opts.Edition]()[rt.resource]
	if rt.feed == deleted && !c.opts.DocumentedFeeds {
		practice := *res
		practice.only = map[string]kind{"id": numberColumn, "deleted_at": datetimeColumn}
		res = &practice
	}
	q, err := parseQuery(res, asked)
	q.feed = rt.feed
	q.lift |= lifted(res, q.filters)
	return q, err
}

// lifted are the states that filters bring back into a list: any filter on a state's column does, the ranges too.
func lifted(res *resource, filters []filter) stateSet {
	var lift stateSet
	for _, f := range filters {
		lift |= stateOf(f.column) & res.hides
	}
	if lift&deleted != 0 {
		lift |= erased
	}
	return lift
}

// answerTo is the page that q asks for. There is none, with an error of 404, if a parent in the address is not there.
func (c *Clinic) answerTo(rt route, q query) (page, error) {
	switch rt.kind {
	case servicesOf:
		if rt.parentID != "" && c.State("businesses", rt.parentID) != StateLive {
			return page{}, errNotFound
		}
		return computed(q, "services", c.services(rt.parentID)), nil
	case timesOf:
		from, to, err := c.window(q.asked)
		if err != nil {
			return page{}, err
		}
		starts, ok := c.available(rt.diary, from, to)
		if !ok {
			return page{}, errNotFound
		}
		var rows [][]byte
		for _, at := range starts {
			rows = append(rows, slot(at))
		}
		return computed(q, "available_times", rows), nil
	default:
		return c.recorded(rt, q)
	}
}

// recorded is a page of records.
func (c *Clinic) recorded(rt route, q query) (page, error) {
	c.mu.Lock()
	under, ok := c.under(rt, q.role)
	c.mu.Unlock()
	if !ok {
		return page{}, errNotFound
	}
	q.under = under
	if rt.active {
		q.under = func(r *row) bool { f := r.now().field("closed"); return f == nil || string(f.value) != "true" }
	}
	return c.list(q), nil
}

// item is the one record that rt names. One that its list hides answers 404, as archived ones have been seen to,
// unless a filter in the address lifts that, which is a thing of 2025.
func (c *Clinic) item(rt route, asked url.Values, role *Role) ([]byte, error) {
	l, _ := c.open(rt.resource)
	defer c.mu.Unlock()
	var filters []filter
	if c.opts.Edition == Edition2025 {
		for _, text := range slices.Concat(asked["q[]"], asked["q"]) {
			f, err := parseFilter(l.res, text)
			if err == nil && stateOf(f.column)&l.res.hides == 0 {
				err = notFilterable(l.res, f.column)
			}
			if err != nil {
				return nil, err
			}
			filters = append(filters, f)
		}
	}
	r := c.named(l, rt)
	if r == nil || r.shown < 0 || r.now().hidden&^lifted(l.res, filters) != 0 ||
		(rt.kind != theUser && !role.sees(l, r)) ||
		slices.ContainsFunc(filters, func(f filter) bool { return !f.holds(r) }) {
		return nil, errNotFound
	}
	return c.shown(l, r, role), nil
}

// named is the row that the address of a record names, nil if there is none. c.mu is held.
func (c *Clinic) named(l *collection, rt route) *row {
	self := Ref("")
	switch {
	case rt.kind == theUser: // the first is the one who owns the key
		if len(l.order) == 0 {
			return nil
		}
		return l.order[0]
	case rt.resource == "referral_sources":
		self = RefTo("patients", rt.parentID) + "/referral_source"
	case rt.resource == "signatures":
		self = RefTo("patient_forms", rt.parentID) + "/signatures/" + Ref(rt.id)
	default:
		return l.live(rt.id)
	}
	i := slices.IndexFunc(l.order, func(r *row) bool { return r.latest().ref("links") == self })
	if i < 0 {
		return nil
	}
	return l.order[i]
}

// Stubs are what is shown of a record that is deleted.
type Stubs int

// The forms of a deleted record.
const (
	FullRows  Stubs = iota // all of it
	IDStubs                // its id and deleted_at
	LinkStubs              // its deleted_at and its own link
)

// stub is what is shown of r instead of its whole, nil if it is shown as it is. c.mu is held.
func (c *Clinic) stub(r *row) []byte {
	v := r.now()
	if v.hidden&erased == 0 && (v.hidden&deleted == 0 || c.opts.Stubs == FullRows) {
		return nil
	}
	names := []string{"id", "deleted_at"}
	if c.opts.Stubs == LinkStubs {
		names = []string{"deleted_at", "links"}
	}
	var fields []field
	for _, name := range names {
		if f := v.field(name); f != nil {
			fields = append(fields, *f)
		}
	}
	return encode(fields, c.root())
}

// patient is the id of the patient whom a record is about, "" if it is about none.
func (v *version) patient() schemas.ID {
	if ref := v.ref("patient"); ref != "" {
		return ref.id()
	}
	rest, ok := strings.CutPrefix(string(v.ref("links")), "/patients/")
	id, below, _ := strings.Cut(rest, "/")
	if !ok || below == "" {
		return ""
	}
	return schemas.ID(id)
}
