package publisher

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Selection says which events of a stream are asked for: those that meet every one of its lists. An empty list asks for
// nothing in particular, and so the zero value selects all.
type Selection struct {
	Subjects  []string // with the wildcards * and >, as NATS has them; see CheckFilter
	Accounts  []string
	Resources []schemas.Resource
	Verbs     []schemas.Verb
	Records   []RecordName
}

// A RecordName names one record, whatever its account: "patients/343589".
type RecordName struct {
	Resource schemas.Resource
	ID       schemas.ID
}

// Has tells whether the event e, stored on subject, is one of those that are asked for.
func (s *Selection) Has(subject string, e *schemas.Event) bool {
	return (len(s.Subjects) == 0 || covered(s.Subjects, subject)) &&
		has(s.Accounts, e.Account) && has(s.Resources, e.Resource) && has(s.Verbs, e.Verb) &&
		has(s.Records, RecordName{e.Resource, e.RecordID})
}

func has[T comparable](list []T, item T) bool { return len(list) == 0 || slices.Contains(list, item) }

// mostFilters is how many subjects a consumer is made with. Each message is compared with all of them.
const mostFilters = 64

// filters are subjects that take all that is selected, and as little else as the template allows. None of them overlaps with
// another: the server refuses a consumer whose filters do.
func (s *Selection) filters(t Template) []string {
	if len(s.Subjects) > 0 {
		return disjoint(s.Subjects, t.All())
	}
	var list []string
	records := s.Records
	if len(records) == 0 {
		for _, resource := range orAny(s.Resources) {
			records = append(records, RecordName{resource, "*"})
		}
	}
	for _, account := range orAny(s.Accounts) {
		for _, record := range records {
			for _, verb := range orAny(s.Verbs) {
				list = append(list, t.fill(escapeUnlessAny(account), escapeUnlessAny(record.Resource), escapeUnlessAny(verb), escapeUnlessAny(record.ID)))
			}
		}
	}
	slices.Sort(list)
	if list = slices.Compact(list); len(list) > mostFilters {
		return []string{t.All()}
	}
	return list
}

func orAny[T ~string](list []T) []T {
	if len(list) == 0 {
		return []T{"*"}
	}
	return list
}

func escapeUnlessAny[T ~string](part T) string {
	if part == "*" {
		return "*"
	}
	return escape(string(part))
}

// disjoint is list without what another of them covers. Where two overlap otherwise, or there are too many, it is all.
func disjoint(list []string, all string) []string {
	var out []string
	for i, s := range list {
		inner := false
		for j, other := range list {
			// Of two that cover each other, which are equal, the first stays.
			inner = inner || i != j && covered([]string{other}, s) && (j < i || !covered([]string{s}, other))
		}
		if !inner {
			out = append(out, s)
		}
	}
	for i, s := range out {
		for _, other := range out[:i] {
			if overlap(s, other) {
				return []string{all}
			}
		}
	}
	if len(out) > mostFilters {
		return []string{all}
	}
	return out
}

// overlap tells whether some subject matches both a and b.
func overlap(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		switch {
		case x[i] == ">" || y[i] == ">":
			return true
		case x[i] != "*" && y[i] != "*" && x[i] != y[i]:
			return false
		}
	}
	return len(x) == len(y)
}

// CheckFilter tells what is wrong with subject as a subject to listen to, which may have wildcards.
func CheckFilter(subject string) error {
	tokens := strings.Split(subject, ".")
	for i, token := range tokens {
		switch {
		case token == "":
			return errors.New("a token between dots is empty")
		case token == ">" && i < len(tokens)-1:
			return errors.New("> stands at the end alone")
		case token != "*" && token != ">" && strings.ContainsAny(token, "*> \t\r\n"):
			return fmt.Errorf("%q: a wildcard stands for a whole token, and a subject has no white space", token)
		}
	}
	return nil
}
