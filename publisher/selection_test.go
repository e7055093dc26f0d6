package publisher

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// subset draws some of list.
func subset[T comparable](t *rapid.T, name string, list ...T) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(list), 0, len(list), rapid.ID[T]).Draw(t, name)
}

// Whatever is selected, under whatever template: the subjects that the server is asked for take every event that is selected, and no
// two of them overlap, which the server refuses.
func TestFiltersTakeAllThatIsSelected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		template, err := ParseTemplate(rapid.SampledFrom([]string{
			"cliniko.{resource}.{verb}", "cliniko.{account}.{resource}.{verb}", "acme.{id}.{verb}.{resource}", "cliniko.{resource}.{id}.{account}.{verb}",
		}).Draw(t, "template"))
		if err != nil {
			t.Fatal(err)
		}
		accounts, resources := []string{"north", "dr. who"}, []schemas.Resource{"patients", "appointments"}
		ids, verbs := []schemas.ID{"1", "2.5"}, []schemas.Verb{schemas.Updated, schemas.Deleted}
		s := Selection{
			Accounts: subset(t, "accounts", accounts...), Resources: subset(t, "resources", resources...), Verbs: subset(t, "verbs", verbs...),
			Subjects: subset(t, "subjects", "cliniko.*.updated", "cliniko.patients.*", "cliniko.>", "*.*.*", "cliniko.patients.updated", ">", "acme.1.*.*"),
		}
		if len(s.Resources) == 0 {
			s.Records = subset(t, "records", RecordName{"patients", "1"}, RecordName{"patients", "2.5"}, RecordName{"appointments", "1"})
		}
		filters := s.filters(template)
		for i, a := range filters {
			for _, b := range filters[:i] {
				if overlap(a, b) {
					t.Errorf("%s and %s overlap", a, b)
				}
			}
		}
		for _, account := range accounts {
			for _, resource := range resources {
				for _, id := range ids {
					for _, verb := range verbs {
						subject := template.Subject(account, resource, verb, id)
						e := schemas.Event{Account: account, Resource: resource, RecordID: id, Verb: verb}
						if s.Has(subject, &e) && !covered(filters, subject) {
							t.Errorf("%s is selected, and not in %q", subject, filters)
						}
					}
				}
			}
		}
	})
}

// The server looks for the record where the subject names it.
func TestARecordIsLookedForByTheServer(t *testing.T) {
	template, err := ParseTemplate("cliniko.{account}.{resource}.{id}.{verb}")
	if err != nil {
		t.Fatal(err)
	}
	s := Selection{Records: []RecordName{{"patients", "7"}}, Verbs: []schemas.Verb{schemas.Deleted}}
	if got := s.filters(template); len(got) != 1 || got[0] != "cliniko.*.patients.7.deleted" {
		t.Errorf("got %q", got)
	}
}

// Two subjects overlap if there is one that matches both.
func TestOverlap(t *testing.T) {
	token := rapid.SampledFrom([]string{"a", "b", "*"})
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) string {
			s := ""
			for range rapid.IntRange(0, 2).Draw(t, name) {
				s += token.Draw(t, name) + "."
			}
			return s + rapid.SampledFrom([]string{"a", "b", "*", ">"}).Draw(t, name)
		}
		x, y := draw("x"), draw("y")
		both := false
		for _, subject := range allSubjects(4) {
			both = both || covered([]string{x}, subject) && covered([]string{y}, subject)
		}
		if got := overlap(x, y); got != both {
			t.Errorf("overlap(%s, %s) = %v, want %v", x, y, got, both)
		}
	})
}

// allSubjects are all of up to n tokens, each "a" or "b".
func allSubjects(n int) []string {
	var list []string
	last := []string{""}
	for range n {
		var next []string
		for _, s := range last {
			for _, token := range []string{"a", "b"} {
				next = append(next, s+token+".")
			}
		}
		for _, s := range next {
			list = append(list, s[:len(s)-1])
		}
		last = next
	}
	return list
}

func TestCheckFilter(t *testing.T) {
	for subject, fine := range map[string]bool{
		"cliniko.*.updated": true, "cliniko.>": true, ">": true, "*": true, "a": true,
		"": false, "a..b": false, ".a": false, "a.": false, "a.>.b": false, "a.b*": false, "a b": false, "a.b>": false,
	} {
		if err := CheckFilter(subject); (err == nil) != fine {
			t.Errorf("%q: %v", subject, err)
		}
	}
}
