package clinikotest

import (
	"net/http"
	"slices"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Role is what the user who owns the key may do. A test may make one of its own; it is not changed once it is in use.
type Role struct {
	// Name is for people.
	Name string
	// Forbidden are resources that answer 403, with an empty body.
	Forbidden []schemas.Resource
	// Sees says whether the role sees a record; nil means all of them. What it does not see is in no list and answers
	// 404. It must not call the clinic.
	Sees func(schemas.Resource, schemas.ID) bool
	// SeesPatients says the same of patients, and then of every record that is about one of them. Nil means all.
	SeesPatients func(schemas.ID) bool
	// Without are fields that the records of a resource lack.
	Without map[schemas.Resource][]string
}

// Administrator may do everything.
func Administrator() *Role { return &Role{Name: "administrator"} }

// Receptionist may not read the users, the settings and the notes of treatments.
func Receptionist() *Role {
	return &Role{Name: "receptionist", Forbidden: []schemas.Resource{"users", "settings", "treatment_notes"}}
}

// Practitioner may not read the users and the settings, sees some of the patients alone (those whose id has an even
// last digit), and no text of a communication.
func Practitioner() *Role {
	return &Role{
		Name:         "practitioner",
		Forbidden:    []schemas.Resource{"users", "settings"},
		SeesPatients: func(id schemas.ID) bool { return (id[len(id)-1]-'0')%2 == 0 },
		Without:      map[schemas.Resource][]string{"communications": {"content", "content_subject"}},
	}
}

// SetRole gives the key another role, from the next request on. Nil means an administrator's.
func (h *Handler) SetRole(role *Role) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.role = role
}

// asks is the role of a request, never nil.
func (h *Handler) asks() *Role {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.role == nil {
		return &Role{}
	}
	return h.role
}

func (o *Role) forbids(rt route) bool {
	return rt.kind != theUser && slices.Contains(o.Forbidden, rt.resource)
}

// sees says whether a row is there for the role.
func (o *Role) sees(l *collection, r *row) bool {
	if o.Sees != nil && !o.Sees(l.res.name, r.id) {
		return false
	}
	if o.SeesPatients == nil {
		return true
	}
	patient := r.id
	if l.res.name != "patients" {
		patient = r.now().patient()
	}
	return patient == "" || o.SeesPatients(patient)
}

// shows is what the role gets to see of a record: the same bytes, unless fields are withheld.
func (o *Role) shows(resource schemas.Resource, raw []byte) []byte {
	for _, name := range o.Without[resource] {
		raw = setMember(raw, name, "")
	}
	return raw
}

func forbidden() *answer { return newAnswer(http.StatusForbidden, "text/html", nil) }
