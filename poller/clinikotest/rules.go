package clinikotest

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Target says which requests of a resource a rule looks at.
type Target int

// The targets.
const (
	Everything Target = iota
	Lists
	Items // single records, by their id
)

// A Rule says which requests a fault strikes. The zero value of each field means all of them.
type Rule struct {
	Fault    Fault
	Resource schemas.Resource // one resource; "" means all
	Path     string           // one address below the base URL, a side list for one: "/patients/archived"; "" means all
	Of       Target           // a fault that only lists can have never strikes an item
	Skip     int              // so many requests that fit go free first
	Chance   float64          // of those that follow, how many are struck: 0.1 is one in ten; 0 means all
	Next     int              // after so many strikes it is over; 0 means never
}

// A rule is a Rule at work. Guarded by Handler.mu.
type rule struct {
	Rule
	skipped, struck int
}

// Inject puts a rule to work, beside those that are there: all that fit a request strike it, in the order in which
// they were injected. Requests that are refused, unknown or over the limit are not looked at. stop ends the rule.
func (h *Handler) Inject(r Rule) (stop func()) {
	at := &rule{Rule: r}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rules = append(h.rules, at)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.rules = slices.DeleteFunc(h.rules, func(o *rule) bool { return o == at })
	}
}

// Heal ends all rules.
func (h *Handler) Heal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rules = nil
}

// struck are the faults that strike a request.
func (h *Handler) struck(path string, rt route) []Fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	var faults []Fault
	for _, r := range h.rules {
		if !r.fits(path, rt) || (r.Next > 0 && r.struck >= r.Next) {
			continue
		}
		if r.skipped < r.Skip {
			r.skipped++
			continue
		}
		if r.Chance > 0 && h.rng.Float64() >= r.Chance {
			continue
		}
		r.struck++
		faults = append(faults, r.Fault)
	}
	return faults
}

func (r *rule) fits(path string, rt route) bool {
	if (r.Resource != "" && r.Resource != rt.resource) || (r.Path != "" && prefix+r.Path != path) {
		return false
	}
	if rt.isList() {
		return r.Of != Items
	}
	return r.Of != Lists && r.Fault.query == nil && r.Fault.list == nil && r.Fault.refuse == nil
}

// setMember is a copy of the object raw with its member name set to value, or without that member if value is "".
// The rest keeps its order.
func setMember(raw []byte, name, value string) []byte {
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, _ = dec.Token() // the brace; the rows are objects that this package has written
	b := []byte{'{'}
	for dec.More() {
		key, _ := dec.Token()
		var old json.RawMessage
		_ = dec.Decode(&old)
		if key == name {
			old = json.RawMessage(value)
		}
		if len(old) == 0 {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		quoted, _ := json.Marshal(key)
		b = append(append(append(b, quoted...), ':'), old...)
	}
	return append(b, '}')
}
