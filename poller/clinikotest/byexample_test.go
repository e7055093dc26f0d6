package clinikotest

import (
	"slices"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What is drawn from an example has the fields that the edition's file names, and hides the states that it hides, as far
// as a list shows them.
func TestAnExampleSaysWhatIsServed(t *testing.T) {
	for edition, read := range resourcesOf {
		for _, spec := range schemas.Catalogue(schemas.Edition(edition)) {
			want := read()[spec.Resource]
			if spec.Shape != schemas.Collection || len(want.of) > 0 {
				continue
			}
			example, _ := schemas.Example(spec.Edition, spec.Resource)
			got := byExample(spec, example)
			if a, b := slices.Sorted(slices.Values(got.fields)), slices.Sorted(slices.Values(want.fields)); !slices.Equal(a, b) {
				t.Errorf("%s %s: got fields\n%q, want\n%q", edition, spec.Resource, a, b)
			}
			if got.hides&^want.hides != 0 {
				t.Errorf("%s %s: hides %b, want no more than %b", edition, spec.Resource, got.hides, want.hides)
			}
			for column, k := range got.filters {
				if want.filters[column] != k {
					t.Errorf("%s %s: filters by %s", edition, spec.Resource, column)
				}
			}
		}
	}
}

// A record of such a resource has the example's values, stamps and links of its own, and can be edited.
func TestARecordByExample(t *testing.T) {
	spec, _ := schemas.Lookup(schemas.Edition2025, "contacts")
	example, _ := schemas.Example(spec.Edition, spec.Resource)
	c := New(Options{Edition: Edition2025})
	l := newCollection(byExample(spec, example), c.rng)
	l.res.name = "couriers"
	c.lists["couriers"] = l

	id := c.Create("couriers")
	raw, _ := c.Record("couriers", id)
	got, want := members(t, raw), members(t, example)
	for name := range want {
		same := string(got[name]) == string(newField(name, want[name]).value) // newField drops white space
		own := slices.Contains([]string{"id", "created_at", "updated_at", "links", "archived_at", "deleted_at"}, name)
		if got[name] == nil || !own && !same {
			t.Errorf("%s: got %s, want %s", name, got[name], want[name])
		}
	}
	if changed := c.EditField("couriers", id); len(changed) == 0 {
		t.Error("nothing changed")
	}
	if !c.Archive("couriers", id) || c.State("couriers", id) != StateArchived {
		t.Errorf("archived: it is %s", c.State("couriers", id))
	}
}
