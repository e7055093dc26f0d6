package schemas

import (
	"slices"
	"strings"
	"testing"
)

// A slip in catalogue.txt is named with its place.
func TestFaultsOfTheCatalogue(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"    id  id\n", "line 1: no resource yet"},
		{"patients\n    id\n", "line 2: patients: a field has a name, a type"},
		{"patients\n    id  text\n", `line 2: patients: id: no type "text"`},
		{"# a comment\n\npatients\n    id  id  2018\n", `line 4: patients: id: no edition "2018"`},
		{"patients\n    2017  @every 10s; hides archived\n", "patients: 2017: hides with 1 words is no clause"},
		{"patients\n    2017  @every 10s; off please\n", "patients: 2017: off with 1 words is no clause"},
		{"patients\n    2017  @every 10s; fallback /people\n", "patients: 2017: fallback with 1 words is no clause"},
		{"patients\n    2025  @every 10s;\n", "patients: 2025: an empty clause"},
	} {
		list, err := parseCatalogue(test.text)
		if err == nil {
			_, err = tabulate(list)
		}
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %s…", test.text, err, test.want)
		}
	}
}

// A row has an example, and an example has a row.
func TestTheExamplesAreThoseOfTheCatalogue(t *testing.T) {
	for _, edition := range []Edition{Edition2017, Edition2025} {
		var want []string
		for _, spec := range Catalogue(edition) {
			want = append(want, string(spec.Resource)+".json")
		}
		slices.Sort(want)
		files, err := examples.ReadDir("examples/" + string(edition))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, f.Name())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got the examples\n%q, want\n%q", edition, got, want)
		}
	}
}

func BenchmarkReadTheCatalogue(b *testing.B) {
	for b.Loop() {
		list, err := parseCatalogue(catalogueText)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := tabulate(list); err != nil {
			b.Fatal(err)
		}
	}
}
