package publisher

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// DefaultTemplate is the template of a bridge with one account.
const DefaultTemplate = "cliniko.{resource}.{verb}"

// The placeholders of a template.
//
// {id} has a price: the server looks through all subjects of the resource before it stores the first message of a
// page. Measured with 100,000 records on nats-server 2.15: 2.4 ms a page, against 0.05 ms without (BenchmarkFence).
const (
	Resource = "{resource}" // "appointments"; required
	Verb     = "{verb}"     // "updated"; required
	Account  = "{account}"  // the account's name; required where several accounts share a stream
	ID       = "{id}"       // the record's id: a subject for each record
)

// A Template makes every subject that the bridge publishes on. Make one with ParseTemplate.
//
// With "cliniko.{account}.{resource}.{verb}":
//
//	cliniko.northside.appointments.updated   an event (Subject)
//	cliniko.northside.appointments.*         one resource of one account (Filter)
//	cliniko.*.*.*                            the stream (All)
type Template struct{ tokens []string }

// ParseTemplate reads a template. It begins with a plain token, so that the stream takes nothing but the bridge's own
// subjects; each placeholder is a whole token and stands once; {resource} and {verb} must be there.
func ParseTemplate(s string) (Template, error) {
	tokens := strings.Split(s, ".")
	var faults []string
	for i, token := range tokens {
		if fault := checkToken(token); fault != "" {
			faults = append(faults, fault)
		} else if isPlaceholder(token) && slices.Contains(tokens[:i], token) {
			faults = append(faults, token+" stands twice")
		}
	}
	if first := tokens[0]; isPlaceholder(first) || strings.HasPrefix(first, "$") || strings.HasPrefix(first, "_") {
		faults = append(faults, `begin with a plain word, such as "cliniko."`)
	}
	for _, needed := range []string{Resource, Verb} {
		if !slices.Contains(tokens, needed) {
			faults = append(faults, "add "+needed)
		}
	}
	if faults != nil {
		return Template{}, fmt.Errorf("subject template %q: %s", s, strings.Join(faults, "; "))
	}
	return Template{tokens: tokens}, nil
}

// checkToken says what is wrong with one token of a template, or nothing.
func checkToken(token string) string {
	switch {
	case token == "":
		return "a token between dots is empty"
	case isPlaceholder(token):
		return ""
	case strings.ContainsAny(token, "{}"):
		return fmt.Sprintf("%q: a token is either plain or one of %s, whole: write dots around it",
			token, strings.Join([]string{Resource, Verb, Account, ID}, " "))
	case escape(token) != token && !strings.Contains(token, "%"):
		return fmt.Sprintf("%q: use printable ASCII without spaces, * and >", token)
	case strings.Contains(token, "%"):
		return fmt.Sprintf("%q: %% is kept for escapes", token)
	}
	return ""
}

func isPlaceholder(token string) bool {
	return token == Resource || token == Verb || token == Account || token == ID
}

// String is the template as it was parsed.
func (t Template) String() string { return strings.Join(t.tokens, ".") }

// Names tells whether the template has placeholder, which is one of the constants above.
func (t Template) Names(placeholder string) bool { return slices.Contains(t.tokens, placeholder) }

// Subject is the subject of one event. None of the event's four parts may be empty.
//
// A character that a token cannot hold is percent-encoded, so that url.PathUnescape gives the part back: the account
// "dr. who" becomes "dr%2E%20who".
func (t Template) Subject(account string, resource schemas.Resource, verb schemas.Verb, id schemas.ID) string {
	return t.fill(escape(account), escape(string(resource)), escape(string(verb)), escape(string(id)))
}

// Filter is the wildcard that matches every event of one resource of one account and, if the template names the
// account, nothing else.
func (t Template) Filter(account string, resource schemas.Resource) string {
	return t.fill(escape(account), escape(string(resource)), "*", "*")
}

// All is the wildcard that matches every event: the subjects of the stream.
func (t Template) All() string { return t.fill("*", "*", "*", "*") }

// prefix is what all events have in front, without the last dot: the plain tokens before the first placeholder.
func (t Template) prefix() string {
	return strings.Join(t.tokens[:slices.IndexFunc(t.tokens, isPlaceholder)], ".")
}

func (t Template) fill(account, resource, verb, id string) string {
	var b strings.Builder
	for i, token := range t.tokens {
		if i > 0 {
			b.WriteByte('.')
		}
		switch token {
		case Account:
			token = account
		case Resource:
			token = resource
		case Verb:
			token = verb
		case ID:
			token = id
		}
		b.WriteString(token)
	}
	return b.String()
}

// checkParts tells whether every part of the event's subject is there: an empty token is no legal subject.
func checkParts(e *schemas.Event) error {
	if e.ID == "" || e.Account == "" || e.Resource == "" || e.Verb == "" || e.RecordID == "" {
		return errors.New("an event without id, account, resource, verb or record id")
	}
	return nil
}

// escape percent-encodes what a token cannot hold (a space . * >), the percent sign itself, and whatever is not
// printable ASCII: NATS would take most of the latter, but not every tool that shows a subject does.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	plain := func(c byte) bool { return c > ' ' && c < 0x7f && strings.IndexByte(".*>%", c) < 0 }
	i := 0
	for i < len(s) && plain(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	b := append(make([]byte, 0, len(s)+8), s[:i]...)
	for ; i < len(s); i++ {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}
