package publisher_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func TestSubjects(t *testing.T) {
	for _, c := range []struct{ template, subject, filter, all string }{
		{
			"cliniko.{resource}.{verb}",
			"cliniko.appointments.updated", "cliniko.appointments.*", "cliniko.*.*",
		},
		{
			"cliniko.{account}.{resource}.{verb}.{id}",
			"cliniko.north.appointments.updated.17", "cliniko.north.appointments.*.*", "cliniko.*.*.*.*",
		},
		{
			"clinics.{verb}.of.{resource}",
			"clinics.updated.of.appointments", "clinics.*.of.appointments", "clinics.*.of.*",
		},
	} {
		tmpl := parse(t, c.template)
		if got := tmpl.Subject("north", "appointments", schemas.Updated, "17"); got != c.subject {
			t.Errorf("%s: Subject = %s, want %s", c.template, got, c.subject)
		}
		if got := tmpl.Filter("north", "appointments"); got != c.filter {
			t.Errorf("%s: Filter = %s, want %s", c.template, got, c.filter)
		}
		if got := tmpl.All(); got != c.all {
			t.Errorf("%s: All = %s, want %s", c.template, got, c.all)
		}
		if got := tmpl.String(); got != c.template {
			t.Errorf("String = %s, want %s", got, c.template)
		}
		for _, placeholder := range []string{publisher.Resource, publisher.Verb, publisher.Account, publisher.ID} {
			if got, want := tmpl.Names(placeholder), strings.Contains(c.template, placeholder); got != want {
				t.Errorf("%s: Names(%s) = %v, want %v", c.template, placeholder, got, want)
			}
		}
	}
}

// What NATS or the bridge cannot work with is refused with a word on how to mend it, all faults at once.
func TestBadTemplates(t *testing.T) {
	for template, wants := range map[string][]string{
		"":                                    {"is empty", "add {resource}", "add {verb}"},
		"cliniko":                             {"add {resource}", "add {verb}"},
		"cliniko.{resource}":                  {"add {verb}"},
		"cliniko.{resource}-{verb}":           {`"{resource}-{verb}": a token is either plain or one of {resource} {verb} {account} {id}, whole`},
		"cliniko.{resource}.{verb}.{name}":    {`"{name}"`},
		"cliniko.{resource}.{verb}.{id":       {`"{id"`},
		"cliniko..{resource}.{verb}":          {"is empty"},
		"cliniko.{resource}.{verb}.":          {"is empty"},
		"cliniko.{resource}.{verb}.*":         {`"*": use printable ASCII`},
		"cliniko.{resource}.{verb}.>":         {`">": use printable ASCII`},
		"my clinic.{resource}.{verb}":         {`"my clinic": use printable ASCII`},
		"cliniko.50%.{resource}.{verb}":       {"kept for escapes"},
		"cliniko.{resource}.{verb}.{verb}":    {"{verb} stands twice"},
		"{resource}.{verb}":                   {"begin with a plain word"},
		"$JS.{resource}.{verb}":               {"begin with a plain word"},
		"_INBOX.{resource}.{verb}":            {"begin with a plain word"},
		"{account}.b c.{verb}.{verb}.{other}": {"begin", `"b c"`, "twice", `"{other}"`, "add {resource}"},
	} {
		_, err := publisher.ParseTemplate(template)
		if err == nil {
			t.Errorf("%q is taken", template)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: error is %q, want %q in it", template, err, want)
			}
		}
	}
}

// For any parts, the subject is a legal one that its filter and the stream's match, two different accounts never share
// one, and url.PathUnescape gives each part back.
func TestSubjectsOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.OneOf(rapid.StringN(1, 20, -1), rapid.StringMatching(`[a.*> %]{1,5}`))
		checkSubject(t, "a.{account}.{resource}.{verb}.{id}", part.Draw(t, "account"), part.Draw(t, "resource"),
			part.Draw(t, "verb"), part.Draw(t, "id"))
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add("cliniko.{resource}.{verb}", "north", "patients", "updated", "17")
	f.Add("cliniko.{account}.{resource}.{verb}.{id}", "dr. who", "a*", ">", "%2E")
	f.Add("$.{resource}.{verb}", "\x00", "\xff", "é", " ")
	f.Fuzz(func(t *testing.T, template, account, resource, verb, id string) {
		if account == "" || resource == "" || verb == "" || id == "" {
			t.Skip()
		}
		if _, err := publisher.ParseTemplate(template); err == nil {
			checkSubject(t, template, account, resource, verb, id)
		}
	})
}

func checkSubject(t rapid.TB, template, account, resource, verb, id string) {
	t.Helper()
	tmpl, err := publisher.ParseTemplate(template)
	if err != nil {
		t.Fatal(err)
	}
	subject := tmpl.Subject(account, schemas.Resource(resource), schemas.Verb(verb), schemas.ID(id))
	filter := tmpl.Filter(account, schemas.Resource(resource))
	if !server.IsValidPublishSubject(subject) || strings.ContainsAny(subject, " \t\r\n") {
		t.Errorf("%q is no subject to publish on", subject)
	}
	if !server.IsValidSubject(filter) || !server.SubjectsCollide(filter, subject) || !server.SubjectsCollide(tmpl.All(), filter) {
		t.Errorf("%q, %q and %q do not match", tmpl.All(), filter, subject)
	}
	if tmpl.Names(publisher.Account) && server.SubjectsCollide(tmpl.Filter(account+"x", schemas.Resource(resource)), subject) {
		t.Errorf("%q is another account's too", subject)
	}
	parts := map[string]string{
		publisher.Account: account, publisher.Resource: resource, publisher.Verb: verb, publisher.ID: id,
	}
	for i, token := range strings.Split(template, ".") {
		want, ok := parts[token]
		if !ok {
			continue
		}
		if got, err := url.PathUnescape(strings.Split(subject, ".")[i]); err != nil || got != want {
			t.Errorf("%s of %q reads %q, %v; want %q", token, subject, got, err, want)
		}
	}
}
