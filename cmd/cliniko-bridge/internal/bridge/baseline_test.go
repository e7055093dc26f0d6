package bridge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// An operator has the first look taken again: each record gets its snapshot once more, and polling goes on.
func TestABaselineIsTakenAgain(t *testing.T) {
	server := publishertest.Start(t, publishertest.Options{})
	clinic := clinikotest.New(clinikotest.Options{RequestsPerMinute: -1})
	clinic.Populate(clinikotest.Sizes{"patients": 250, "taxes": 3})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	b := start(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [patients, taxes, settings]}
resources: {patients: {schedule: "@every 2s"}, settings: {schedule: "@every 1s"}}
baseline: publish
nats: {url: %q}
data_dir: %q
`, clinic.Key(), api.URL, server.URL(), t.TempDir()))
	within(t, time.Minute, "the baseline", func() bool { return complete(b) })
	js := server.JetStream(t)
	snapshots := func() map[string]int {
		n := map[string]int{}
		for _, m := range publishertest.Collect(t, js, "CLINIKO", "") {
			e, err := schemas.ParseEvent(m.Body)
			if err != nil || e.Verb != schemas.Snapshot {
				t.Fatalf("got %s of %s/%s, %v; want snapshots alone", e.Verb, e.Resource, e.RecordID, err)
			}
			n[fmt.Sprintf("%s/%s", e.Resource, e.RecordID)]++
		}
		return n
	}
	if got := snapshots(); len(got) != 254 {
		t.Fatalf("%d records got a snapshot, want 250 patients, 3 taxes and the settings", len(got))
	}
	for _, resource := range []schemas.Resource{"patients", "settings"} {
		if err := b.Baseline("", resource); err != nil {
			t.Fatal(err)
		}
		if complete(b) {
			t.Errorf("%s: the baseline is said to be complete as soon as it was begun anew", resource)
		}
		within(t, time.Minute, "the baseline again", func() bool { return complete(b) })
	}
	for id, n := range snapshots() {
		if want := map[bool]int{false: 2, true: 1}[id[:5] == "taxes"]; n != want {
			t.Errorf("%s got %d snapshots, want %d", id, n, want)
		}
	}
}

// The file with the fingerprint key is lost: the store's hashes mean nothing to the new key. No record is told for that;
// what changed while the bridge was away is told; and the operator can read of it.
func TestALostFingerprintKeyTellsNothing(t *testing.T) {
	server := publishertest.Start(t, publishertest.Options{})
	clinic := clinikotest.New(clinikotest.Options{RequestsPerMinute: -1})
	clinic.Populate(clinikotest.Sizes{"patients": 250})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	dir := t.TempDir()
	text := fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [patients, settings]}
resources: {patients: {schedule: "@every 1s"}, settings: {schedule: "@every 1s"}}
nats: {url: %q}
data_dir: %q
`, clinic.Key(), api.URL, server.URL(), dir)
	b, stop := startUntil(t, text, zap.NewNop())
	within(t, time.Minute, "the baseline", func() bool { return complete(b) })
	stop()

	if err := os.Remove(filepath.Join(dir, "fingerprint.key")); err != nil {
		t.Fatal(err)
	}
	edited := clinic.IDs("patients")[7]
	clinic.EditField("patients", edited)
	core, logs := observer.New(zap.WarnLevel)
	b, stop = startUntil(t, text, zap.New(core))
	defer stop()
	within(t, time.Minute, "the baseline again", func() bool { return complete(b) && b.Status().Accounts[0].Resources[0].Events[schemas.Updated] == 1 })
	messages := publishertest.Collect(t, server.JetStream(t), "CLINIKO", "")
	if len(messages) != 1 {
		t.Fatalf("%d events were told, want 1", len(messages))
	}
	e, err := schemas.ParseEvent(messages[0].Body)
	if err != nil || e.RecordID != edited || e.Verb != schemas.Updated || e.Changed != nil {
		t.Errorf("got %s of %s, changed %v, %v; want updated of %s, changed null", e.Verb, e.RecordID, e.Changed, err, edited)
	}
	if n := logs.FilterMessageSnippet("the fingerprint key").Len(); n != 2 {
		t.Errorf("it was said %d times, want once for each of the two resources", n)
	}
}

// A resource and an account that come into the configuration later get a first look of their own, in silence; what was
// followed before goes on where it was.
func TestWhatIsAddedToTheConfigurationGetsItsOwnBaseline(t *testing.T) {
	server := publishertest.Start(t, publishertest.Options{})
	apis := make([]*clinikotest.Server, 2)
	clinics := make([]*clinikotest.Clinic, 2)
	for i := range apis {
		clinics[i] = clinikotest.New(clinikotest.Options{Seed: uint64(i), RequestsPerMinute: -1})
		clinics[i].Populate(clinikotest.Sizes{"patients": 120, "taxes": 3})
		apis[i] = clinikotest.NewServer(clinics[i])
		t.Cleanup(apis[i].Close)
	}
	account := func(i int, name, resources string) string {
		return fmt.Sprintf("  - {name: %s, api_key: %q, user_agent: \"Test (ops@clinic.example)\", base_url: %q, resources: [%s]}\n",
			name, clinics[i].Key(), apis[i].URL, resources)
	}
	rest := fmt.Sprintf(`
resources: {patients: {schedule: "@every 1s"}, taxes: {schedule: "@every 1s"}}
nats: {url: %q, subject: "cliniko.{account}.{resource}.{verb}"}
data_dir: %q
`, server.URL(), t.TempDir())
	b, stop := startUntil(t, "accounts:\n"+account(0, "north", "patients")+rest, zap.NewNop())
	within(t, time.Minute, "the first baseline", func() bool { return complete(b) })
	stop()
	clinics[0].EditField("patients", clinics[0].IDs("patients")[3])
	before := len(apis[0].Requests())

	b, stop = startUntil(t, "accounts:\n"+account(0, "north", "patients, taxes")+account(1, "south", "patients")+rest, zap.NewNop())
	defer stop()
	within(t, time.Minute, "the new baselines", func() bool { return complete(b) })
	within(t, time.Minute, "the edit", func() bool { return b.Status().Accounts[0].Resources[0].Events[schemas.Updated] == 1 })
	for _, a := range b.Status().Accounts {
		for _, r := range a.Resources {
			want := map[schemas.Resource]int{"patients": 120, "taxes": 3}[r.Name]
			if r.Tracked != want {
				t.Errorf("%s/%s: %d records are known, want %d", a.Name, r.Name, r.Tracked, want)
			}
		}
	}
	if n := len(publishertest.Collect(t, server.JetStream(t), "CLINIKO", "")); n != 1 {
		t.Errorf("%d events were told, want the edit alone", n)
	}
	for _, r := range apis[0].Requests()[before:] {
		if r.Path == "/v1/patients" && strings.Contains(r.Query, "1970") {
			t.Errorf("the patients were read from the beginning again: %s", r.Query)
		}
	}
}
