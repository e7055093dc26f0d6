package bridge

import (
	"context"
	"errors"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// taking is a sink that counts the pages it takes.
type taking struct {
	poller.Sink
	pages int
}

func (s *taking) Accept(context.Context, schemas.Page) (schemas.Outcome, error) {
	s.pages++
	return schemas.Outcome{}, nil
}

// Patients as the editions have them. The API of 2018 to 2022 had ids in quotes, and a few fields of the later edition.
const (
	patient2017 = `{"id":1,"gender":"Female","referral_source":null,"title":"Dr"}`
	patient2020 = `{"id":"1","gender":"Female","referral_source":null,"accepted_privacy_policy":null,"title":"Dr"}`
	patient2025 = `{"id":"1","gender":"Female","gender_identity":null,"pronouns":null,"sex":null,"time_zone":null,"title":"Dr"}`
)

// A page of the other edition's form is held back until the API was asked, unless the account was of that form from the
// first; fields that come and go hold nothing back.
func TestRecordsOfAnotherFormAreHeldBack(t *testing.T) {
	for name, c := range map[string]struct {
		edition schemas.Edition
		first   string
		then    string
		held    bool
	}{
		"the same":                     {schemas.Edition2017, patient2017, patient2017, false},
		"a field less":                 {schemas.Edition2017, patient2017, `{"id":1,"title":"Dr"}`, false},
		"a field that nobody knows":    {schemas.Edition2017, patient2017, `{"id":1,"title":"Dr","shoe_size":43}`, false},
		"from 2017 to 2025":            {schemas.Edition2017, patient2017, patient2025, true},
		"from 2025 to 2017":            {schemas.Edition2025, patient2025, patient2017, true},
		"from 2020 to 2025":            {schemas.Edition2017, patient2020, patient2025, false}, // it never was of our form
		"what is no object":            {schemas.Edition2017, patient2017, `"see attached"`, false},
		"a stub with the id in quotes": {schemas.Edition2017, `{"id":1}`, `{"id":"1"}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			sink, doubts := &taking{}, 0
			g := newFormGuard(sink, c.edition, func(schemas.Resource) { doubts++ })
			accept := func(raw string) error {
				page := schemas.Page{Resource: "patients", Records: []schemas.Record{{ID: "1", Raw: []byte(raw)}}}
				_, err := g.Accept(t.Context(), page)
				return err
			}
			if err := accept(c.first); err != nil {
				t.Fatal(err)
			}
			g.release() // the question of every day
			if err := accept(c.then); errors.Is(err, errForm) != c.held || doubts > 0 != c.held {
				t.Errorf("held: %v, doubted %d times; want %v", err, doubts, c.held)
			}
			if err := accept(c.first); errors.Is(err, errForm) != c.held {
				t.Errorf("what comes behind it: %v", err)
			}
			g.release()
			taken := sink.pages
			if err := accept(c.then); err != nil || sink.pages != taken+1 {
				t.Errorf("once the API was asked: %v, %d pages more", err, sink.pages-taken)
			}
			if _, err := g.Accept(t.Context(), schemas.Page{Resource: "patients"}); err != nil {
				t.Errorf("an empty page: %v", err)
			}
		})
	}
}
