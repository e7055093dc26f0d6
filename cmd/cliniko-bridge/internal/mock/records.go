package mock

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// An act is something that is done to one record. It says whether it did: not if the record is in that state already, or gone.
type act struct {
	state clinikotest.State // that the resource must know; StateNone: any may do
	do    func(*clinikotest.Clinic, schemas.Resource, schemas.ID) bool
}

var acts = map[string]act{
	"archive":   {clinikotest.StateArchived, (*clinikotest.Clinic).Archive},
	"unarchive": {clinikotest.StateArchived, (*clinikotest.Clinic).Unarchive},
	"cancel":    {clinikotest.StateCancelled, (*clinikotest.Clinic).Cancel},
	"uncancel":  {clinikotest.StateCancelled, (*clinikotest.Clinic).Uncancel},
	"delete":    {clinikotest.StateDeleted, (*clinikotest.Clinic).SoftDelete},
	"undelete":  {clinikotest.StateDeleted, (*clinikotest.Clinic).Undelete},
	"deactivate": {clinikotest.StateInactive, func(c *clinikotest.Clinic, _ schemas.Resource, id schemas.ID) bool {
		return c.Deactivate(id)
	}},
	"activate": {clinikotest.StateInactive, func(c *clinikotest.Clinic, _ schemas.Resource, id schemas.ID) bool {
		return c.Activate(id)
	}},
	"touch": {clinikotest.StateNone, (*clinikotest.Clinic).Touch},
}

// A refusal is an answer that says why something was not done.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// act does what name says to a record.
func (m *Mock) act(name string, resource schemas.Resource, id schemas.ID) error {
	a, ok := acts[name]
	states := m.clinic.States(resource)
	switch {
	case !ok:
		return refuse(http.StatusNotFound, "there is no %s; it is one of %s", name, strings.Join(slices.Sorted(maps.Keys(acts)), ", "))
	case a.state != clinikotest.StateNone && !slices.Contains(states, a.state):
		return refuse(http.StatusUnprocessableEntity, "no record of %s is ever %s", resource, a.state)
	case !a.do(m.clinic, resource, id):
		return refuse(http.StatusUnprocessableEntity, "%s/%s is %s, and %s changes nothing", resource, id, m.clinic.State(resource, id), name)
	}
	return nil
}

// dispose does what the API's DELETE does: the record is hidden as its resource can be, or gone.
func (m *Mock) dispose(resource schemas.Resource, id schemas.ID) error {
	states := m.clinic.States(resource)
	switch {
	case slices.Contains(states, clinikotest.StateArchived): // what the API calls deleting since 2018
		return m.act("archive", resource, id)
	case slices.Contains(states, clinikotest.StateDeleted):
		return m.act("delete", resource, id)
	}
	m.clinic.Remove(resource, id)
	return nil
}

// known says whether there is such a record, whatever its state.
func (m *Mock) known(resource schemas.Resource, id schemas.ID) error {
	if !m.clinic.Has(resource) {
		return refuse(http.StatusNotFound, "there is no resource %s in the edition of %s", resource, m.clinic.Edition())
	}
	if id == "" {
		return nil
	}
	if _, ok := m.clinic.AnyRecord(resource, id); !ok {
		return refuse(http.StatusNotFound, "there is no record %s/%s", resource, id)
	}
	return nil
}

// makes says whether records of resource can be made: settings are there once, and for ever.
func (m *Mock) makes(resource schemas.Resource) error {
	if spec, ok := m.spec(resource); !ok || spec.Shape == schemas.Singleton {
		return refuse(http.StatusUnprocessableEntity, "%s is one object, and no other can be made", resource)
	}
	return nil
}

func (m *Mock) spec(resource schemas.Resource) (schemas.Spec, bool) {
	return schemas.Lookup(schemas.Edition(m.clinic.Edition()), resource)
}

// own are fields that nobody sets: they are the API's, or tell of a state.
var own = []string{
	"id", "created_at", "updated_at", "links", "archived_at", "deleted_at", "cancelled_at", "cancellation_time", "active",
}

// fields turns a body into fields of a record: "patient_id" is the relation "patient". unknown are the names in it that the
// resource does not have, or that nobody sets.
func (m *Mock) fields(resource schemas.Resource, body map[string]json.RawMessage) (fields clinikotest.Fields, unknown []string) {
	spec, _ := m.spec(resource)
	fields = make(clinikotest.Fields, len(body))
	for name, value := range body {
		if ref, relation, ok := m.relation(name, value); ok && slices.Contains(spec.Fields, relation) {
			fields[relation] = ref
			continue
		}
		if slices.Contains(own, name) || !slices.Contains(spec.Fields, name) {
			unknown = append(unknown, name)
			continue
		}
		fields[name] = value
	}
	slices.Sort(unknown)
	return fields, unknown
}

// relation reads "patient_id": "51001", or the number 51001.
func (m *Mock) relation(name string, value json.RawMessage) (ref clinikotest.Ref, relation string, ok bool) {
	relation, ok = strings.CutSuffix(name, "_id")
	resource := schemas.Resource(relation + "s")
	if relation == "business" {
		resource = "businesses"
	}
	id := strings.Trim(string(value), `"`)
	if !ok || !m.clinic.Has(resource) || id == "" || strings.ContainsFunc(id, notDigit) {
		return "", "", false
	}
	return clinikotest.RefTo(resource, schemas.ID(id)), relation, true
}

func notDigit(r rune) bool { return r < '0' || r > '9' }
