package mock

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// serveAPI answers as the API does.
func (m *Mock) serveAPI(w http.ResponseWriter, r *http.Request) {
	if m.down.Load() {
		panic(http.ErrAbortHandler) // what net/http wants for breaking off
	}
	to := parseTarget(r.URL.Path)
	if r.Method == http.MethodGet || m.known(to.resource, "") != nil {
		m.api.ServeHTTP(w, r) // it knows how to refuse
		return
	}
	// Who may read a record, or the list that it is to be in, may write it: key, User-Agent, budget and faults are those of
	// a read of that address.
	admitted := httptest.NewRecorder()
	m.api.ServeHTTP(admitted, to.probe(r))
	if admitted.Code != http.StatusOK {
		relay(w, admitted)
		return
	}
	status := http.StatusOK
	switch {
	case r.Method == http.MethodPost && to.id == "":
		status = http.StatusCreated
	case r.Method == http.MethodDelete:
		status = http.StatusNoContent
	}
	answer(w, r, status, func(r *http.Request) (any, error) { return m.write(r, to) })
}

// A target is what a write is for: "/v1/patients", "/v1/patients/51001" or "/v1/patients/51001/archive".
type target struct {
	resource schemas.Resource
	id       schemas.ID
	act      string
	rest     bool // there is more, which no write has
}

func parseTarget(path string) target {
	parts := append(strings.Split(strings.TrimPrefix(path, "/v1/"), "/"), "", "")
	return target{schemas.Resource(parts[0]), schemas.ID(parts[1]), parts[2], len(parts) > 5}
}

// probe is the read that stands for a write. What hides a record hides it from its own address, too: to bring it back, its list is
// asked for.
func (t target) probe(r *http.Request) *http.Request {
	asked := r.Clone(r.Context())
	asked.Method, asked.Body, asked.URL.RawQuery = http.MethodGet, http.NoBody, ""
	asked.URL.Path = "/v1/" + string(t.resource)
	if t.id != "" && !strings.HasPrefix(t.act, "un") {
		asked.URL.Path += "/" + string(t.id)
	}
	return asked
}

// relay answers with what was answered to the read.
func relay(w http.ResponseWriter, read *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), read.Header())
	w.WriteHeader(read.Code)
	_, _ = w.Write(read.Body.Bytes()) // whoever went away does not listen
}

// write does what a request asks that is let in, and returns the record.
func (m *Mock) write(r *http.Request, to target) (any, error) {
	if err := m.known(to.resource, to.id); err != nil {
		return nil, err
	}
	switch on := r.Method; {
	case on == http.MethodPost && to.id == "":
		if err := m.makes(to.resource); err != nil {
			return nil, err
		}
		body, err := fieldsOf(r)
		if err != nil {
			return nil, err
		}
		fields, _ := m.fields(to.resource, body) // the API ignores what it does not know
		return m.raw(to.resource, m.clinic.Create(to.resource, fields)), nil
	case (on == http.MethodPatch || on == http.MethodPut) && to.id != "" && to.act == "":
		body, err := fieldsOf(r)
		if err != nil {
			return nil, err
		}
		fields, _ := m.fields(to.resource, body)
		m.clinic.Edit(to.resource, to.id, fields)
		return m.raw(to.resource, to.id), nil
	case on == http.MethodDelete && to.id != "" && to.act == "":
		return nil, m.dispose(to.resource, to.id)
	case (on == http.MethodPost || on == http.MethodPatch) && publicActs[to.act] && !to.rest:
		if err := m.act(to.act, to.resource, to.id); err != nil {
			return nil, err
		}
		return m.raw(to.resource, to.id), nil
	}
	return nil, refuse(http.StatusMethodNotAllowed, "%s is not served at this address", r.Method)
}

// publicActs are those that the API itself has an address for.
var publicActs = map[string]bool{"archive": true, "unarchive": true, "cancel": true, "uncancel": true}

func (m *Mock) raw(resource schemas.Resource, id schemas.ID) json.RawMessage {
	raw, _ := m.clinic.AnyRecord(resource, id)
	return raw
}
