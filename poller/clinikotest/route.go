package clinikotest

import (
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A route is what an address asks for.
type route struct {
	resource schemas.Resource // whose rules, roles and faults apply
	kind     routeKind
	id       schemas.ID       // of one record
	feed     stateSet         // of a side list: the state that it shows
	active   bool             // /patient_cases/active
	parent   schemas.Resource // of a list below a record
	parentID schemas.ID
	diary    diary // of available_times
}

type routeKind int

const (
	listOf     routeKind = iota + 1
	itemOf               // one record
	theUser              // /user
	servicesOf           // of the clinic, or of the business parentID
	timesOf              // available_times
	nextTimeOf           // next_available_time
)

// route reads a path below the base URL: "/v1/patients/343589". ok is false if nothing is served there.
func (c *Clinic) route(path string) (rt route, ok bool) {
	rest, ok := strings.CutPrefix(path, prefix+"/")
	if !ok {
		return route{}, false
	}
	at := strings.Split(rest, "/")
	if slices.Contains(at, "") {
		return route{}, false
	}
	if rt, ok := c.odd(at); ok {
		return rt, true
	}
	if strings.HasPrefix(rest, "invoice/") && strings.HasSuffix(rest, "/invoice_items/deleted") {
		at[0] = "invoices" // the readme of 2017 spells this one list so
	}
	name := schemas.Resource(at[0])
	l := c.lists[name]
	switch {
	case l == nil || l.res.shape == "single" && len(at) > 1:
		return route{}, false
	case l.res.shape == "single":
		return route{resource: name, kind: itemOf, id: schemas.ID(name)}, name == "settings"
	case len(at) == 1:
		return route{resource: name, kind: listOf}, l.res.list == "plain"
	case len(at) == 2:
		if rt, ok := c.feed(route{resource: name, kind: listOf}, at[1]); ok {
			return rt, true
		}
		plain := l.res.item == "plain" && (l.res.list != "none")
		return route{resource: name, kind: itemOf, id: schemas.ID(at[1])}, plain
	}
	return c.below(name, at)
}

// odd are the addresses that follow no rule.
func (c *Clinic) odd(at []string) (route, bool) {
	switch {
	case len(at) == 1 && at[0] == "user":
		return route{resource: "users", kind: theUser}, true
	case len(at) == 2 && at[0] == "settings" && at[1] == "public":
		return route{resource: "public_settings", kind: itemOf, id: "public_settings"}, true
	case len(at) == 1 && at[0] == "services":
		return route{resource: "services", kind: servicesOf}, true
	case len(at) == 3 && at[0] == "businesses" && at[2] == "services":
		return route{resource: "services", kind: servicesOf, parentID: schemas.ID(at[1])}, true
	case len(at) == 3 && at[0] == "patients" && at[2] == "referral_source":
		return route{resource: "referral_sources", kind: itemOf, parent: "patients", parentID: schemas.ID(at[1])}, true
	case len(at) == 4 && at[0] == "patient_forms" && at[2] == "signatures" && c.lists["signatures"] != nil:
		return route{
			resource: "signatures", kind: itemOf, id: schemas.ID(at[3]), parent: "patient_forms", parentID: schemas.ID(at[1]),
		}, true
	case len(at) == 7 && at[0] == "businesses" && at[2] == "practitioners" && at[4] == "appointment_types":
		rt := route{resource: "available_times", diary: diary{schemas.ID(at[1]), schemas.ID(at[3]), schemas.ID(at[5])}}
		switch at[6] {
		case "available_times":
			rt.kind = timesOf
		case "next_available_time":
			rt.kind = nextTimeOf
		}
		return rt, rt.kind != 0
	}
	return route{}, false
}

// feed is the side list of rt that a word names.
func (c *Clinic) feed(rt route, word string) (route, bool) {
	res := c.lists[rt.resource].res
	if word == "active" && rt.resource == "patient_cases" && rt.parent == "" {
		rt.active = true
		return rt, true
	}
	rt.feed = stateNames[word]
	served := c.opts.Edition == Edition2017 || c.opts.OldPaths || rt.feed == inactive
	// Without a column, nothing could be shown of the state; the inactive are the exception.
	known := rt.feed == inactive || res.column(rt.feed) != ""
	// A contact has a deleted_at, but no list of the deleted was ever documented.
	return rt, rt.feed != 0 && res.hides&rt.feed != 0 && served && known && rt.resource != "contacts"
}

// below is a list under a record: /patients/343589/invoices, and its side lists.
func (c *Clinic) below(parent schemas.Resource, at []string) (route, bool) {
	child := c.lists[schemas.Resource(at[2])]
	if child == nil || len(at) > 4 || child.res.list == "none" {
		return route{}, false
	}
	rt := route{resource: child.res.name, kind: listOf, parent: parent, parentID: schemas.ID(at[1])}
	known := slices.Contains(child.res.under, parent)
	if !known || len(at) == 3 {
		return rt, known
	}
	return c.feed(rt, at[3])
}

// under is the condition that rt's parent sets on the rows of a list. ok is false if there is no such parent: an
// archived one is there, and so are its children. c.mu is held.
func (c *Clinic) under(rt route, role *Role) (holds func(*row) bool, ok bool) {
	if rt.parent == "" {
		return nil, true
	}
	above := c.lists[rt.parent]
	above.settle(c.Now().Unix())
	parent := above.live(rt.parentID)
	if parent == nil || parent.shown < 0 || parent.now().hidden&erased != 0 || !role.sees(above, parent) {
		return nil, false
	}
	res := c.lists[rt.resource].res
	for _, relation := range []string{singular(rt.parent), "booking"} {
		if res.has(relation) && (relation != "booking" || strings.HasSuffix(string(rt.parent), "_appointments")) {
			return func(r *row) bool { return r.now().ref(relation).id() == rt.parentID }, true
		}
	}
	switch {
	case rt.resource == "practitioners":
		return func(r *row) bool { return c.does(r.id, rt.parent, rt.parentID) }, true
	case rt.parent == "practitioners":
		return func(r *row) bool { return c.does(rt.parentID, rt.resource, r.id) }, true
	default: // a case holds what its patient has
		patient := parent.now().ref("patient")
		return func(r *row) bool { return patient != "" && r.now().ref("patient") == patient }, true
	}
}

// singular is the name that a relation to a record of resource has.
func singular(resource schemas.Resource) string {
	if resource == "businesses" {
		return "business"
	}
	return strings.TrimSuffix(string(resource), "s")
}
