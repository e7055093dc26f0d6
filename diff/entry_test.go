package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func testPrinter(secret string, documented ...string) *printer {
	key, err := NewKey(strings.Repeat(secret, 32))
	if err != nil {
		panic(err)
	}
	return newPrinter(key, "northside", &schemas.Spec{Resource: "patients", Fields: documented}, func(string, fieldChange) {})
}

func mustPrint(t interface{ Fatalf(string, ...any) }, p *printer, id schemas.ID, raw string) fingerprint {
	f, err := p.print(id, []byte(raw))
	if err != nil {
		t.Fatalf("print %s: %v", raw, err)
	}
	return f
}

// against compares two versions of a record the way the bridge does: the older one packed and read back.
func against(t interface{ Fatalf(string, ...any) }, p *printer, older, newer string) difference {
	old := mustPrint(t, p, "1", older)
	e, err := unpack(pack(7, time.Unix(1491265260, 0), &old))
	if err != nil {
		t.Fatalf("unpack: %v", err)
	}
	fresh := mustPrint(t, p, "1", newer)
	return p.compare(&e, parseShape(old.shape.number, old.shape.text), &fresh)
}

// pack and unpack are inverse, for every number of fields.
func TestEntryPacksAndUnpacks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := testPrinter("k")
		record := map[string]any{}
		for i := range rapid.IntRange(0, 60).Draw(t, "fields") {
			record[fmt.Sprintf("f%d", i)] = rapid.Int().Draw(t, "value")
		}
		raw, _ := json.Marshal(record)
		f := mustPrint(t, p, "1", string(raw))
		sequence := rapid.Uint64().Draw(t, "sequence")
		updated := time.Unix(rapid.Int64Range(1, 1<<32-1).Draw(t, "updated"), 0).UTC()
		packed := pack(sequence, updated, &f)
		e, err := unpack(packed)
		if err != nil {
			t.Fatal(err)
		}
		n := len(f.fields)
		for i, h := range f.fields {
			if got, want := e.tag(i, n), h&(1<<tagBits(n)-1); got != want {
				t.Fatalf("tag %d of %d: got %x, want %x", i, n, got, want)
			}
		}
		if e.sequence != sequence || !e.updated.Equal(updated) || e.shape != f.shape.number || e.whole != f.whole&(1<<wholeBits-1) {
			t.Fatalf("got %+v back", e)
		}
	})
}

func TestEntryOfThirtyFieldsIsSmall(t *testing.T) {
	p := testPrinter("k")
	record := map[string]any{}
	for i := range 30 {
		record[fmt.Sprintf("field_%d", i)] = i
	}
	raw, _ := json.Marshal(record)
	f := mustPrint(t, p, "1", string(raw))
	if got := len(pack(100, time.Unix(1491265260, 0), &f)); got > 84 {
		t.Errorf("got %d bytes, want 84 at most: Redis would hold it in more than 110", got)
	}
}

// changed names exactly the fields whose value differs, and nothing differs if the values are the same.
func TestChangedIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := testPrinter("k", "a", "b", "c", "d", "e", "updated_at")
		p.single = rapid.Bool().Draw(t, "single") // that a field is there or not is a change
		version := func(name string) map[string]any {
			return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "updated_at"}), anyValue(1), 0, 6).Draw(t, name)
		}
		x, y := version("x"), version("y")
		if rapid.Bool().Draw(t, "few") { // mostly alike, as versions of one record are
			z := maps.Clone(x)
			maps.Copy(z, rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "updated_at"}), anyValue(1), 0, 2).Draw(t, "edit"))
			y = z
		}
		xb, _ := json.Marshal(x)
		yb, _ := json.Marshal(y)
		var want []string
		for _, f := range []string{"a", "b", "c", "d", "e"} {
			xv, inX := x[f]
			yv, inY := y[f]
			xj, _ := json.Marshal(xv)
			yj, _ := json.Marshal(yv)
			if p.single && inX != inY || inX && inY && string(xj) != string(yj) {
				want = append(want, f)
			}
		}
		got := against(t, p, string(xb), string(yb))
		if got.none != (want == nil) || !slices.Equal(got.changed, want) {
			t.Fatalf("%s to %s: got %+v, want %v", xb, yb, got, want)
		}
	})
}

func TestAFieldThatTheAPIGainsIsNoChange(t *testing.T) {
	p := testPrinter("k", "id", "name")
	got := against(t, p, `{"id":1,"name":"x"}`, `{"id":1,"name":"x","preferred":"y"}`)
	if !got.none || !got.renew {
		t.Errorf("got %+v, want no change, and the entry renewed", got)
	}
	got = against(t, testPrinter("k", "id", "name"), `{"id":1,"name":"x"}`, `{"id":1,"name":"z","preferred":"y"}`)
	if want := []string{"name"}; !slices.Equal(got.changed, want) {
		t.Errorf("got %+v, want %v", got, want)
	}
	// From now on the field is known: a record that was hashed since, without it, and has it now, has changed.
	got = against(t, p, `{"id":1,"name":"x"}`, `{"id":1,"name":"x","preferred":"y"}`)
	if want := []string{"preferred"}; !slices.Equal(got.changed, want) {
		t.Errorf("got %+v, want %v", got, want)
	}
}

func TestALinkThatComesOrGoesIsAChange(t *testing.T) {
	p := testPrinter("k", "id", "concession_type")
	if got := against(t, p, `{"id":1}`, `{"id":1,"concession_type":{}}`); !slices.Equal(got.changed, []string{"concession_type"}) {
		t.Errorf("it came: got %+v", got)
	}
	if got := against(t, p, `{"id":1,"concession_type":{}}`, `{"id":1}`); !slices.Equal(got.changed, []string{"concession_type"}) {
		t.Errorf("it went: got %+v", got)
	}
}

// The role of the key's user loses the right to a field, or the API drops it: no record has changed. When it shows again it
// is compared with what it was.
func TestAFieldThatDoesNotShowAnyMoreIsNoChange(t *testing.T) {
	p := testPrinter("k", "id", "notes", "sex")
	const with, without = `{"id":1,"notes":"a","sex":"F"}`, `{"id":1,"sex":"F"}`
	if got := against(t, p, with, without); !got.none || got.renew {
		t.Errorf("it went: got %+v, want no change, and the entry kept", got)
	}
	if got := against(t, p, without, with); !got.none {
		t.Errorf("it came: got %+v, want no change", got)
	}
	if got := against(t, p, with, `{"id":1,"sex":"M"}`); !slices.Equal(got.changed, []string{"sex"}) {
		t.Errorf("it went and another changed: got %+v", got)
	}
	if got := against(t, p, with, `{"id":1,"notes":null,"sex":"F"}`); !slices.Equal(got.changed, []string{"notes"}) {
		t.Errorf("it is null: got %+v", got)
	}
}

func TestPrintsOfTwoRecordsShareNothing(t *testing.T) {
	p := testPrinter("k", "id", "sex")
	a, b := mustPrint(t, p, "1", `{"sex":"F"}`), mustPrint(t, p, "2", `{"sex":"F"}`)
	if a.fields[0] == b.fields[0] || a.whole == b.whole {
		t.Error("two records with one value have one hash: who reads the store can count them")
	}
	if c := mustPrint(t, testPrinter("l", "id", "sex"), "1", `{"sex":"F"}`); a.fields[0] == c.fields[0] {
		t.Error("the key does not key the hash")
	}
}

func TestEntriesOfAnotherKeyDoNotCompare(t *testing.T) {
	old := mustPrint(t, testPrinter("k", "id"), "1", `{"id":1}`)
	e, _ := unpack(pack(1, time.Unix(1, 0), &old))
	p := testPrinter("l", "id")
	fresh := mustPrint(t, p, "1", `{"id":1}`)
	if got := p.compare(&e, old.shape, &fresh); got.none || got.changed != nil {
		t.Errorf("got %+v, want: not known", got)
	}
	if got := p.compare(&e, nil, &fresh); got.none || got.changed != nil {
		t.Errorf("a lost shape: got %+v, want: not known", got)
	}
}

func TestDuplicateFieldHasNoPrint(t *testing.T) {
	p := testPrinter("k", "id")
	if _, err := p.print("1", []byte(`{"id":1,"a":1,"a":2}`)); err == nil {
		t.Error("got a print of a record with a field that stands twice")
	}
	mustPrint(t, p, "1", `{"id":1,"a":1}`) // and the next record does not suffer
	if _, err := p.print("1", []byte(`{"id":1,"a":1,"a":2}`)); err == nil {
		t.Error("got a print at the second try")
	}
}

// FuzzUnpack: bytes from a store are read or refused, never more.
func FuzzUnpack(f *testing.F) {
	p := testPrinter("k", "id")
	fresh, _ := p.print("1", []byte(`{"id":1,"a":2}`))
	f.Add(pack(3, time.Unix(5, 0), &fresh), fresh.shape.text)
	f.Add([]byte{packing << 4, 0xff}, `{}`)
	f.Fuzz(func(_ *testing.T, b []byte, text string) {
		if e, err := unpack(b); err == nil {
			p.compare(&e, parseShape(e.shape, text), &fresh)
		}
		if _, packed, err := openPrint(b); err == nil {
			_, _ = unpack(packed)
		}
		_, _ = parseState(b)
	})
}
