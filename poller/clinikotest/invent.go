package clinikotest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// record invents a record: every documented field, from the resource's template or its example or else by the field's
// kind, in the order of the docs but for the links, which come last.
func (m *maker) record() []field {
	drawn := m.resource.example
	if template := templates[m.resource.name]; template != nil {
		drawn = template(m)
	}
	all := make([]field, 0, len(m.resource.fields)+1)
	for _, name := range m.resource.fields {
		switch name {
		case "id":
			all = append(all, m.c.idField(m.row))
		case "created_at":
			all = append(all, newField(name, stamp(m.row.created)))
		case "updated_at":
			all = append(all, field{name: name}) // as each version is finished
		case "links":
		default:
			if f, ok := m.documented(drawn, name); ok {
				all = append(all, f)
			}
		}
	}
	if m.resource.has("links") {
		all = append(all, field{name: "links", ref: m.address()})
	}
	return all
}

// documented is the field of a name, from the template if that has it.
func (m *maker) documented(drawn []field, name string) (field, bool) {
	for _, f := range drawn {
		if f.name == name {
			return m.resource.fitted(f), true
		}
	}
	if name == "concession_type" && m.resource.name == "patients" {
		return field{}, false // the API leaves this relation out of patients who have none
	}
	return newField(name, m.byKind(name)), true
}

// address is the record's own link.
func (m *maker) address() Ref {
	switch {
	case m.resource.shape == "single":
		return singlePaths[m.resource.name]
	case m.resource.name == "signatures":
		form, _ := m.given["patient_form"].(Ref)
		return form + Ref("/signatures/"+string(m.row.id))
	case m.resource.item == "patient":
		return m.patientOf() + "/referral_source"
	default:
		return RefTo(m.resource.name, m.row.id)
	}
}

// byKind invents a value from what is known of a field's kind alone. A state begins with null.
func (m *maker) byKind(name string) any {
	if stateOf(name) == inactive {
		return true
	}
	switch m.resource.kinds[name] {
	case "text":
		return m.words(name)
	case "int":
		return m.between(0, 9)
	case "decimal":
		return m.amount(1, 90)
	case "bool":
		return m.chance(2)
	case "link":
		return m.relation(name)
	case "ids", "objects", "texts", "links":
		return []string{}
	case "object":
		return map[string]any{}
	default:
		return nil // times, dates, addresses that are secrets
	}
}

// relatives are the relations whose name is not the singular of a resource's.
var relatives = map[string]schemas.Resource{
	"business": "businesses", "tax": "taxes", "referring_doctor": "contacts", "related_patient": "patients",
	"default_appointment_type": "appointment_types",
}

// unrelated are relations that few records have: null.
var unrelated = map[string]bool{
	"letter": true, "payment": true, "signature": true, "original_invoice": true, "repeated_from": true,
	"latest_booking": true, "merged_with_patient": true, "referrer": true, "referring_doctor": true, "repeats": true,
}

// relation is the value of a link: another record, or a list below this one.
func (m *maker) relation(name string) any {
	target := schemas.Resource(name + "s")
	if r, ok := relatives[name]; ok {
		target = r
	}
	switch {
	case unrelated[name]:
		return nil
	case m.c.lists[target] != nil:
		return m.ref(target)
	default:
		return m.own("/" + name)
	}
}

// words are what a text field may say.
func (m *maker) words(name string) any {
	switch {
	case strings.HasPrefix(name, "time_zone"):
		return accountZoneName
	case name == "label" || name == "display_name":
		return pick(m.rng, firstNames) + " " + pick(m.rng, lastNames)
	case strings.HasSuffix(name, "description") || name == "notes" || name == "comment":
		if m.chance(3) {
			return pick(m.rng, remarks)
		}
		return nil
	case name == "country_code":
		return "AU"
	default:
		return ""
	}
}

// fit writes values as the edition spells their fields: an amount of 2025 is a decimal string, where that of 2017 may
// be a number.
func (r *resource) fit(fields Fields) Fields {
	fitted := make(Fields, len(fields))
	for name, value := range fields {
		fitted[name] = value
		if kind := r.kinds[name]; kind == "decimal" || kind == "int" {
			fitted[name] = r.fitted(newField(name, value)).value
		}
	}
	return fitted
}

func (r *resource) fitted(f field) field {
	switch {
	case f.ref != "" || len(f.value) == 0:
	case r.kinds[f.name] == "decimal" && (f.value[0] == '-' || f.value[0] >= '0' && f.value[0] <= '9'):
		text := string(f.value)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		f.value = json.RawMessage(strconv.Quote(text))
	case r.kinds[f.name] == "int" && f.value[0] == '"':
		if bare := bytes.Trim(f.value, `"`); json.Valid(bare) {
			f.value = json.RawMessage(bare)
		}
	}
	return f
}
