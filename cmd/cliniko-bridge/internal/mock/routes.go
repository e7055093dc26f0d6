package mock

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// maxBody is the size of the largest body of a request, in bytes.
const maxBody = 1 << 20

// maxChanges is how many things may be made to happen with one request.
const maxChanges = 10_000

func (m *Mock) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/", m.serveAPI)
	on := func(pattern string, do func(*http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { answer(w, r, http.StatusOK, do) })
	}
	on("GET /_mock/records/{resource}", m.listIDs)
	on("POST /_mock/records/{resource}", m.createRecord)
	on("GET /_mock/records/{resource}/{id}", m.showRecord)
	on("PATCH /_mock/records/{resource}/{id}", m.editRecord)
	on("DELETE /_mock/records/{resource}/{id}", m.removeRecord)
	on("POST /_mock/records/{resource}/{id}/{act}", m.actOnRecord)
	on("POST /_mock/changes", m.makeHappen)
	on("POST /_mock/faults", m.addFault)
	on("DELETE /_mock/faults", func(*http.Request) (any, error) { m.heal(); return struct{}{}, nil })
	on("/", func(r *http.Request) (any, error) {
		return nil, refuse(http.StatusNotFound, "%s %s is nothing here: the API is below /v1, what a test makes happen below /_mock; "+
			"see cliniko-bridge mock --help", r.Method, r.URL.Path)
	})
	return mux
}

// answer does what r asks and answers with status and JSON, or with a refusal.
func answer(w http.ResponseWriter, r *http.Request, status int, do func(*http.Request) (any, error)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	value, err := do(r)
	if no, ok := errors.AsType[*refusal](err); ok {
		status, value = no.status, map[string]string{"message": no.message}
	}
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	body, _ := json.Marshal(value) // nothing in it cannot be encoded
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // whoever went away does not listen
}

// A shown record is how the control API answers about one.
type shown struct {
	ID     schemas.ID      `json:"id"`
	State  string          `json:"state"`
	Record json.RawMessage `json:"record"` // null if it is gone
}

func (m *Mock) show(resource schemas.Resource, id schemas.ID) shown {
	raw, _ := m.clinic.AnyRecord(resource, id)
	return shown{ID: id, State: m.clinic.State(resource, id).String(), Record: raw}
}

// named is the record or, where the address has none, the resource that r asks for.
func (m *Mock) named(r *http.Request) (schemas.Resource, schemas.ID, error) {
	resource, id := schemas.Resource(r.PathValue("resource")), schemas.ID(r.PathValue("id"))
	return resource, id, m.known(resource, id)
}

func (m *Mock) listIDs(r *http.Request) (any, error) {
	resource, _, err := m.named(r)
	if err != nil {
		return nil, err
	}
	ids := m.clinic.AllIDs(resource)
	if ids == nil {
		ids = []schemas.ID{}
	}
	return map[string][]schemas.ID{"ids": ids}, nil
}

func (m *Mock) showRecord(r *http.Request) (any, error) {
	resource, id, err := m.named(r)
	if err != nil {
		return nil, err
	}
	return m.show(resource, id), nil
}

func (m *Mock) createRecord(r *http.Request) (any, error) {
	resource, _, err := m.named(r)
	if err == nil {
		err = m.makes(resource)
	}
	if err != nil {
		return nil, err
	}
	body, err := fieldsOf(r)
	if err != nil {
		return nil, err
	}
	fields, unknown := m.fields(resource, body)
	if len(unknown) > 0 {
		return nil, unsettable(resource, unknown)
	}
	return m.show(resource, m.clinic.Create(resource, fields)), nil
}

func (m *Mock) editRecord(r *http.Request) (any, error) {
	resource, id, err := m.named(r)
	if err != nil {
		return nil, err
	}
	body, err := fieldsOf(r)
	if err != nil {
		return nil, err
	}
	fields, unknown := m.fields(resource, body)
	switch {
	case len(unknown) > 0:
		return nil, unsettable(resource, unknown)
	case len(fields) == 0:
		m.clinic.EditField(resource, id)
	default:
		m.clinic.Edit(resource, id, fields)
	}
	return m.show(resource, id), nil
}

func (m *Mock) removeRecord(r *http.Request) (any, error) {
	resource, id, err := m.named(r)
	if err != nil {
		return nil, err
	}
	m.clinic.Remove(resource, id)
	return m.show(resource, id), nil
}

func (m *Mock) actOnRecord(r *http.Request) (any, error) {
	resource, id, err := m.named(r)
	if err == nil {
		err = m.act(r.PathValue("act"), resource, id)
	}
	if err != nil {
		return nil, err
	}
	return m.show(resource, id), nil
}

func (m *Mock) makeHappen(r *http.Request) (any, error) {
	asked := struct {
		Count int `json:"count"`
	}{Count: 1}
	if err := read(r, &asked); err != nil {
		return nil, err
	}
	if asked.Count < 1 || asked.Count > maxChanges {
		return nil, refuse(http.StatusUnprocessableEntity, "count is 1 to %d", maxChanges)
	}
	m.happen(asked.Count)
	return asked, nil
}

func (m *Mock) addFault(r *http.Request) (any, error) {
	var f Fault
	if err := read(r, &f); err != nil {
		return nil, err
	}
	return f, m.inject(f)
}
