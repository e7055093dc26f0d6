package bridge

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// below is a bridge that follows one resource of a clinic of 2017, which lies below another one, every second.
func below(t *testing.T, clinic *clinikotest.Clinic, resource schemas.Resource) jetstream.JetStream {
	t.Helper()
	server := publishertest.Start(t, publishertest.Options{})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	b := start(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [%s], requests_per_minute: 200}
resources: {%s: {schedule: "@every 1s"}}
sweep: {confirm_after: 1s}
nats: {url: %q, subject: "cliniko.{account}.{resource}.{verb}"}
data_dir: %q
`, clinic.Key(), api.URL, resource, resource, server.URL(), t.TempDir()))
	within(t, time.Minute, "the baseline", func() bool { return complete(b) })
	return server.JetStream(t)
}

// wantEvents waits for the events of the whole stream: "created 343589". Nothing else may be told, and in this order.
func wantEvents(t *testing.T, js jetstream.JetStream, want []string) {
	t.Helper()
	consumer, err := js.OrderedConsumer(t.Context(), "CLINIKO", jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(got) < len(want) {
		msg, err := consumer.Next(jetstream.FetchMaxWait(40 * time.Second))
		if err != nil {
			break // it did not come
		}
		e, err := schemas.ParseEvent(msg.Data())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s", e.Verb, e.RecordID))
		if e.Time.Year() < 2000 {
			t.Errorf("%s of %s is of %s", e.Verb, e.RecordID, e.Time)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("told %q, want %q", got, want)
	}
}

// For each resource that lies below another one: what is created, edited, touched and taken away is told, and nothing else.
// It lies below a hidden parent as well.
func TestResourcesBelowOthers(t *testing.T) {
	for resource, c := range map[schemas.Resource]struct {
		sizes clinikotest.Sizes
		hide  func(c *clinikotest.Clinic) (parent schemas.ID, relation string)
	}{
		"practitioner_reference_numbers": {
			clinikotest.Sizes{"practitioners": 3, "businesses": 1, "practitioner_reference_numbers": 4},
			func(c *clinikotest.Clinic) (schemas.ID, string) {
				id := c.Create("practitioners")
				c.Deactivate(id)
				return id, "practitioner"
			},
		},
		"referral_sources": {
			clinikotest.Sizes{"patients": 6, "referral_sources": 3},
			func(c *clinikotest.Clinic) (schemas.ID, string) {
				id := c.Create("patients")
				c.Archive("patients", id)
				return id, "patient"
			},
		},
	} {
		t.Run(string(resource), func(t *testing.T) {
			t.Parallel()
			clinic := clinikotest.New(clinikotest.Options{RequestsPerMinute: -1})
			clinic.Populate(c.sizes)
			hidden, relation := c.hide(clinic)
			js := below(t, clinic, resource)

			var want []string
			tell := func(verb schemas.Verb, id schemas.ID) {
				want = append(want, fmt.Sprintf("%s %s", verb, id))
				wantEvents(t, js, want)
			}
			id := clinic.Create(resource)
			tell(schemas.Created, id)
			clinic.Touch(resource, id)
			clinic.EditField(resource, id)
			tell(schemas.Updated, id)
			old := clinic.IDs(resource)[0]
			clinic.EditField(resource, old)
			tell(schemas.Updated, old)
			away := clinic.Create(resource, clinikotest.Fields{relation: clinikotest.RefTo(schemas.Resource(relation+"s"), hidden)})
			tell(schemas.Created, away)
			clinic.Remove(resource, id)
			tell(schemas.Deleted, id)
			verb, last := schemas.Created, clinic.Create(resource)
			if last == id {
				verb = schemas.Restored // the patient who had one has one again
			}
			tell(verb, last)
		})
	}
}
