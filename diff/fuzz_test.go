package diff

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// leak is what seeds hold where a record has values: no error may show it.
const leak = "Zebulon"

// Whatever a record is, taking its fingerprint does not panic, and an error shows nothing of it. Another spelling of the
// same value - compact, its fields in another order - has the same fingerprint, and a record is equal to what was kept of it.
func FuzzPrint(f *testing.F) {
	for _, raw := range []string{
		`{"id":1,"name":"Zebulon","updated_at":"2027-03-27T10:03:57Z"}`, `{"a":1.50,"b":{"y":[1,2,null],"x":15e-1},"a ":"\u00e9"}`,
		`{"archived_at":"2027-03-27T10:03:57Z","cancelled_at":null,"deleted_at":7}`, `{"name":"Zebulon","name":"Zebulon"}`, `{"a":{"b":1,"b":2}}`,
		`{"":0,"Zebulon":Zebulon}`, `["Zebulon"]`, `{"a":"Zebulon`, "{\"\xff\":1,\"\xfe\":2}", `{"n":-0e99999999999}`,
		`{"deep":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := testPrinter("k", "id", "name", "archived_at", "cancelled_at", "deleted_at")
		fresh, err := p.print("1", raw)
		if err != nil {
			if strings.Contains(err.Error(), leak) {
				t.Errorf("the error shows the record: %v", err)
			}
			return
		}
		e, err := unpack(pack(7, time.Unix(5, 0), &fresh))
		if err != nil || e.sequence != 7 {
			t.Fatalf("what was packed reads %+v, %v", e, err)
		}
		old := parseShape(fresh.shape.number, fresh.shape.text)
		if d := p.compare(&e, old, &fresh); !d.none {
			t.Errorf("%q differs from what was kept of it: %v", raw, d.changed)
		}
		again, err := p.print("1", respelled(t, raw))
		if err != nil || again.whole != fresh.whole || !slices.Equal(again.fields, fresh.fields) || again.states != fresh.states {
			t.Errorf("%q and %q have two fingerprints, %v", raw, respelled(t, raw), err)
		}
	})
}

// respelled is a JSON object without white space, its members in the opposite order.
func respelled(t *testing.T, raw []byte) []byte {
	t.Helper()
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		t.Fatalf("%q is not JSON: %v", raw, err)
	}
	var members []string
	rest := compact.Bytes()[1 : compact.Len()-1]
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ',' && depth == 0:
			members = append(members, string(rest[start:i]))
			start = i + 1
		}
	}
	members = append(members, string(rest[start:]))
	slices.Reverse(members)
	return []byte("{" + strings.Join(members, ",") + "}")
}

// Whatever the store holds: what reads as an entry, a state, a shape or a sealed print is written as what reads the same.
func FuzzStored(f *testing.F) {
	p := testPrinter("k", "id")
	fresh, _ := p.print("1", []byte(`{"id":1,"a":2}`))
	packed := pack(3, time.Unix(5, 0), &fresh)
	st := state{Revision: 4, Began: time.Unix(9, 0).UTC(), Marks: map[string]schemas.Mark{"live": {Cursor: time.Unix(9, 0).UTC()}}}
	for _, b := range [][]byte{packed, sealPrint(fresh.shape, packed), st.bytes(), []byte(fresh.shape.text), []byte(`{"revision":1,"marks":{"":null}}`), {0xff}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := unpack(b); err == nil {
			if again, err := unpack(e.bytes()); err != nil || !reflect.DeepEqual(again, e) {
				t.Errorf("the entry %+v became %+v, %v", e, again, err)
			}
		}
		if text, packed, err := openPrint(b); err == nil {
			s, rest, err := openPrint(sealPrint(&shape{text: text}, packed))
			if err != nil || s != text || !bytes.Equal(rest, packed) {
				t.Errorf("the sealed print %q, %q became %q, %q, %v", text, packed, s, rest, err)
			}
		}
		if st, err := parseState(b); err == nil && b != nil {
			again, err := parseState(st.bytes())
			if err != nil || !bytes.Equal(again.bytes(), st.bytes()) {
				t.Errorf("the state %s became %s, %v", st.bytes(), again.bytes(), err)
			}
		}
		if s := parseShape(1, string(b)); s.Scheme != "" {
			written := p.makeShape(s.shapeText)
			if again := parseShape(1, written.text); !reflect.DeepEqual(again.Fields, s.Fields) || again.Scheme != s.Scheme {
				t.Errorf("the shape %+v became %+v", s.shapeText, again.shapeText)
			}
		}
	})
}

// Whatever free slots the API gives, and whatever the store holds of them: no panic, no long search, and they are equal to
// what was kept of them.
func FuzzSlots(f *testing.F) {
	f.Add([]byte(`{"available_times":[{"appointment_start":"2027-03-27T10:00:00Z"}]}`), []byte{1, 2, 3, 4, 5, 6, 7, 8}, int64(1_800_000_000))
	f.Add([]byte(`{"available_times":[]}`), []byte{0xff, 0xff, 0xff, 0xff, 5, 6, 7, 8}, int64(-62135596800))
	f.Add([]byte(`{"available_times":[{"appointment_start":"0001-01-01T00:00:01Z"},{"appointment_start":"9999-12-31T23:59:59+14:00"}]}`), []byte{}, int64(0))
	f.Fuzz(func(t *testing.T, raw, tags []byte, from int64) {
		r := &resource{printer: testPrinter("k", slotsField), spec: schemas.Spec{Resource: "available_times", Shape: schemas.Slots}}
		window := &schemas.Window{From: time.Unix(from, 0), Until: time.Unix(from, 0).AddDate(0, 0, 7), Lead: -1}
		fresh, err := r.print("1-2-3", raw, window)
		if err != nil {
			return
		}
		e, err := unpack(pack(1, time.Time{}, &fresh))
		if err != nil {
			t.Fatal(err)
		}
		if d := r.compare(&e, fresh.shape, &fresh); !d.none {
			t.Errorf("%q differs from what was kept of it", raw)
		}
		e.tags = tags
		r.compare(&e, fresh.shape, &fresh)
	})
}
