package bridge

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// small is a bridge that follows the patients of a clinic, on a server of the test and a file.
func small(t *testing.T) (*scene, jetstream.JetStream) {
	t.Helper()
	server := publishertest.Start(t, publishertest.Options{})
	clinic := clinikotest.New(clinikotest.Options{})
	clinic.Populate(clinikotest.Sizes{"patients": 20})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	b := start(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [patients, settings, services]}
resources: {patients: {schedule: "@every 1s"}, settings: {schedule: "@every 1s"}, services: {schedule: "@every 1s"}}
nats: {url: %q, subject: "cliniko.{account}.{resource}.{verb}"}
data_dir: %q
`, clinic.Key(), api.URL, server.URL(), t.TempDir()))
	within(t, time.Minute, "the baseline", func() bool { return complete(b) })
	return &scene{bridge: b, account: "default", resource: "patients", clinic: clinic}, server.JetStream(t)
}

func TestAStreamThatIsDeletedIsMadeAgain(t *testing.T) {
	s, js := small(t)
	s.id = s.clinic.Create("patients")
	if told := s.told(t, js, 1); len(told) != 1 {
		t.Fatalf("told %v", told)
	}
	if err := js.DeleteStream(t.Context(), "CLINIKO"); err != nil {
		t.Fatal(err)
	}
	s.clinic.EditField("patients", s.id)
	within(t, time.Minute, "the stream", func() bool {
		_, err := js.Stream(t.Context(), "CLINIKO")
		return err == nil
	})
	if told := s.told(t, js, 1); len(told) != 1 || told[0] != schemas.Updated {
		t.Errorf("told %v", told)
	}
}

// The settings of an account are one record, read whole.
func TestSettingsAreFollowed(t *testing.T) {
	s, js := small(t)
	s.resource, s.id = "settings", "settings"
	if changed := s.clinic.EditField("settings", "settings"); len(changed) == 0 {
		t.Fatal("nothing was changed")
	}
	if told := s.told(t, js, 1); len(told) != 1 || told[0] != schemas.Updated {
		t.Errorf("told %v", told)
	}
}

// An account whose API cannot be asked for its edition is not ready, says why, and goes on when it can.
func TestAnAccountWhoseEditionIsNotKnown(t *testing.T) {
	clinic := clinikotest.New(clinikotest.Options{Edition: clinikotest.Edition2025})
	clinic.Populate(clinikotest.Sizes{"patients": 5})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	api.Inject(clinikotest.Rule{Fault: clinikotest.Status(503), Resource: "individual_appointments", Next: 2})
	server := publishertest.Start(t, publishertest.Options{})
	b := start(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [patients, individual_appointments]}
nats: {url: %q}
data_dir: %q
`, clinic.Key(), api.URL, server.URL(), t.TempDir()))
	within(t, time.Minute, "a reason", func() bool {
		reasons := b.Ready(t.Context())
		return len(reasons) == 1 && reasons[0] != "" && b.Opened()
	})
	within(t, time.Minute, "the account", func() bool { return len(b.Ready(t.Context())) == 0 })
	if got := len(b.Status().Accounts[0].Resources); got != 2 {
		t.Errorf("%d resources are followed, want two of the edition of 2025", got)
	}
}

// Settings that the key's role may not see are followed by their public part.
func TestSettingsOfALesserRoleAreFollowed(t *testing.T) {
	for _, edition := range []clinikotest.Edition{clinikotest.Edition2017, clinikotest.Edition2025} {
		t.Run(string(edition), func(t *testing.T) {
			server := publishertest.Start(t, publishertest.Options{})
			clinic := clinikotest.New(clinikotest.Options{Edition: edition, Role: clinikotest.Receptionist()})
			clinic.Populate(clinikotest.Sizes{"taxes": 2})
			api := clinikotest.NewServer(clinic)
			t.Cleanup(api.Close)
			b := start(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, api: %q, resources: [settings]}
resources: {settings: {schedule: "@every 1s"}}
nats: {url: %q, subject: "cliniko.{account}.{resource}.{verb}"}
data_dir: %q
`, clinic.Key(), api.URL, edition, server.URL(), t.TempDir()))
			within(t, time.Minute, "the baseline", func() bool { return complete(b) })
			if st := b.Status().Accounts[0].Resources[0]; st.LastError != "" {
				t.Errorf("the settings: %s", st.LastError)
			}
			if changed := clinic.EditField("settings", "settings"); len(changed) == 0 {
				t.Fatal("nothing was changed")
			}
			s := &scene{account: "default", resource: "settings", clinic: clinic, id: "settings"}
			if told := s.told(t, server.JetStream(t), 1); len(told) != 1 || told[0] != schemas.Updated {
				t.Errorf("told %v", told)
			}
		})
	}
}

// The services are one record, all rows of a list of several pages: a change in the last of them is told.
func TestServicesAreFollowedToTheLastRow(t *testing.T) {
	server := publishertest.Start(t, publishertest.Options{})
	clinic := clinikotest.New(clinikotest.Options{})
	clinic.Populate(clinikotest.Sizes{"businesses": 12, "appointment_types": 60, "practitioners": 4})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	b := start(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [services]}
resources: {services: {schedule: "@every 1s"}}
nats: {url: %q, subject: "cliniko.{account}.{resource}.{verb}"}
data_dir: %q
`, clinic.Key(), api.URL, server.URL(), t.TempDir()))
	within(t, time.Minute, "the baseline", func() bool { return complete(b) })
	if asked := len(api.Requests()); asked < 3 { // one of them found out the edition
		t.Fatalf("%d requests were sent: the services are but one page", asked)
	}
	businesses, practitioners := clinic.IDs("businesses"), clinic.IDs("practitioners")
	for _, p := range practitioners {
		clinic.Assign(p, "businesses", businesses[len(businesses)-1], false)
	}
	s := &scene{account: "default", resource: "services", clinic: clinic, id: "services"}
	if told := s.told(t, server.JetStream(t), 1); len(told) != 1 || told[0] != schemas.Updated {
		t.Errorf("told %v", told)
	}
}
