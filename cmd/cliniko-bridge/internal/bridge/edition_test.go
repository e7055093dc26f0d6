package bridge

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/diff/filestore"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A follower is a bridge that follows one account, and its stream.
type follower struct {
	t      *testing.T
	bridge *Bridge
	js     jetstream.JetStream
}

// An upgrade is an account of the edition of 2017 that goes over to that of 2025 behind one address.
type upgrade struct {
	follower
	clinic *clinikotest.Clinic // that answers
	serves atomic.Pointer[clinikotest.Handler]
}

// newUpgrade is an account with records in every state, and a bridge that has met all of them. The store says since yesterday
// that the edition is that of 2017, so that the first doubt is asked about at once.
func newUpgrade(t *testing.T, api string) *upgrade {
	t.Helper()
	clinic := clinikotest.New(clinikotest.Options{RequestsPerMinute: -1, BaseURL: "https://api.cliniko.com/v1"})
	clinic.Populate(clinikotest.Sizes{"patients": 40, "appointments": 30, "practitioners": 3, "medical_alerts": 10, "taxes": 3})
	clinic.Archive("patients", clinic.IDs("patients")[0])
	clinic.SoftDelete("patients", clinic.IDs("patients")[0])
	clinic.Cancel("appointments", clinic.IDs("appointments")[0])
	clinic.Deactivate(clinic.IDs("practitioners")[0])
	u := &upgrade{follower: follower{t: t}, clinic: clinic}
	u.serves.Store(clinikotest.NewHandler(clinic))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.serves.Load().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	noteEdition(t, dir, finding{schemas.Edition2017, time.Now().Add(-20 * time.Hour)})
	nats := publishertest.Start(t, publishertest.Options{})
	u.js = nats.JetStream(t)
	u.bridge = start(t, fmt.Sprintf(`
accounts:
  - api_key: %q
    user_agent: "Test (ops@clinic.example)"
    base_url: %q
    api: %s
    resources: [patients, appointments, individual_appointments, practitioners, medical_alerts, taxes]
resources:
  patients: {schedule: "@every 3s"}
  appointments: {schedule: "@every 3s"}
  individual_appointments: {schedule: "@every 3s"}
nats: {url: %q}
data_dir: %q
`, clinic.Key(), server.URL+"/v1", api, nats.URL(), dir))
	u.follows(5)
	return u
}

// noteEdition leaves a note of the edition in the store of the folder, as a bridge that ran before has done.
func noteEdition(t *testing.T, dir string, found finding) {
	t.Helper()
	store, err := filestore.Open(filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(found.edition) + " " + schemas.FormatStamp(found.at)
	if err := store.PutNote(t.Context(), "default", editionNote, []byte(text), editionTTL); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

// follows waits until that many resources are followed, and all that exists of them is known.
func (u *upgrade) follows(resources int) {
	u.t.Helper()
	within(u.t, time.Minute, fmt.Sprintf("%d resources, known whole", resources), func() bool {
		return len(u.bridge.Status().Accounts[0].Resources) == resources && complete(u.bridge)
	})
}

// goOver makes the account answer with the later edition from now on, after change was made in it.
func (u *upgrade) goOver(change func(*clinikotest.Clinic)) {
	u.clinic = u.clinic.As(clinikotest.Options{
		Edition: clinikotest.Edition2025, RequestsPerMinute: -1, BaseURL: "https://api.au1.cliniko.com/v1",
	})
	change(u.clinic)
	u.serves.Store(clinikotest.NewHandler(u.clinic))
}

// told are the events of the stream, sorted, "patients updated 1": once there are n of them, and every resource was polled
// anew since.
func (f *follower) told(n int) []string {
	f.t.Helper()
	within(f.t, time.Minute, fmt.Sprintf("%d events", n), func() bool {
		stream, err := f.js.Stream(f.t.Context(), "CLINIKO")
		return err == nil && stream.CachedInfo().State.Msgs >= uint64(n)
	})
	f.polledAnew()
	consumer, err := f.js.OrderedConsumer(f.t.Context(), "CLINIKO", jetstream.OrderedConsumerConfig{})
	if err != nil {
		f.t.Fatal(err)
	}
	var told []string
	for {
		batch, err := consumer.FetchNoWait(100)
		if err != nil {
			f.t.Fatal(err)
		}
		before := len(told)
		for msg := range batch.Messages() {
			e, err := schemas.ParseEvent(msg.Data())
			if err != nil {
				f.t.Fatal(err)
			}
			told = append(told, fmt.Sprintf("%s %s %s", e.Resource, e.Verb, e.RecordID))
		}
		if len(told) == before {
			slices.Sort(told)
			return told
		}
	}
}

// wants fails the test unless exactly that was told, in whatever order.
func (f *follower) wants(want ...string) {
	f.t.Helper()
	slices.Sort(want)
	if told := f.told(len(want)); !slices.Equal(told, want) {
		f.t.Errorf("told\n  %v, want\n  %v", told, want)
	}
}

// polledAnew waits until each resource with a schedule of seconds was polled twice more.
func (f *follower) polledAnew() {
	f.t.Helper()
	now := time.Now()
	within(f.t, time.Minute, "two polls", func() bool {
		for _, r := range f.bridge.Status().Accounts[0].Resources {
			often := time.Until(r.NextPoll.Time) < 4*time.Second
			if often && r.LastPoll.Sub(now) < 6*time.Second {
				return false
			}
		}
		return true
	})
}

// An account goes over to another edition under a bridge that runs. It is noticed, what exists is taken up in silence
// although every record has another form, what changed on the way is told, and so is what changes later, each once.
func TestAnAccountThatGoesOverToAnotherEditionIsFollowedOn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	u := newUpgrade(t, "auto")
	u.wants() // nothing
	patients, appointments := u.clinic.IDs("patients"), u.clinic.IDs("appointments")
	var meanwhile schemas.ID
	u.goOver(func(c *clinikotest.Clinic) {
		c.EditField("patients", patients[0])
		meanwhile = c.Create("patients")
	})
	u.follows(6)
	want := []string{"patients created " + string(meanwhile), "patients updated " + string(patients[0])}
	u.wants(want...)

	u.clinic.EditField("patients", patients[1])
	u.clinic.Archive("patients", patients[2])
	u.clinic.Cancel("individual_appointments", appointments[1])
	born := u.clinic.Create("individual_appointments")
	u.wants(append(
		want,
		"patients updated "+string(patients[1]), "patients archived "+string(patients[2]),
		"individual_appointments cancelled "+string(appointments[1]), "individual_appointments created "+string(born),
		"appointments cancelled "+string(appointments[1]), "appointments created "+string(born), // the same, for it was asked for too
	)...)
}

// An account whose edition is configured stays with it, whatever its lists answer.
func TestAConfiguredEditionStays(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	u := newUpgrade(t, "2017")
	u.goOver(func(*clinikotest.Clinic) {})
	within(t, time.Minute, "a list that is gone", func() bool {
		return slices.ContainsFunc(u.serves.Load().Requests(), func(r clinikotest.Request) bool { return r.Status == 404 })
	})
	u.polledAnew()
	for _, r := range u.serves.Load().Requests() {
		if r.Path == "/v1/individual_appointments" {
			t.Errorf("%s was asked for", r.Path)
		}
	}
	if n := len(u.bridge.Status().Accounts[0].Resources); n != 5 {
		t.Errorf("%d resources are followed, want those of 2017", n)
	}
}
