package bridge

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// only is for a look at a new resource: go test ./cmd/cliniko-bridge/internal/bridge -run EveryState -only patients.
var only = flag.String("only", "", "play the states of this resource alone")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// a scene is one resource of one clinic, and what was done to one record of it.
type scene struct {
	bridge   *Bridge
	account  string
	resource schemas.Resource
	clinic   *clinikotest.Clinic
	id       schemas.ID
	want     []schemas.Verb
}

// acts are what can be done to a record, and what is to be told of it. An act that the resource does not know is left out.
func (s *scene) acts() []func() {
	c, r := s.clinic, s.resource
	tell := func(v schemas.Verb) { s.want = append(s.want, v) }
	acts := []func(){
		func() { s.id = c.Create(r); tell(schemas.Created) },
		func() { c.EditField(r, s.id); tell(schemas.Updated) },
		func() { c.Touch(r, s.id) },
	}
	state := func(has clinikotest.State, v schemas.Verb, into, back func()) {
		if slices.Contains(c.States(r), has) && s.shows(schemas.State(v)) {
			acts = append(acts, func() { into(); tell(v) }, func() { back(); tell(schemas.Restored) })
		}
	}
	state(clinikotest.StateCancelled, schemas.Cancelled, func() { c.Cancel(r, s.id) }, func() { c.Uncancel(r, s.id) })
	state(clinikotest.StateArchived, schemas.Archived, func() { c.Archive(r, s.id) }, func() { c.Unarchive(r, s.id) })
	state(clinikotest.StateInactive, schemas.Archived, func() { c.Deactivate(s.id) }, func() { c.Activate(s.id) })
	if slices.Contains(c.States(r), clinikotest.StateDeleted) && s.shows(schemas.DeletedState) {
		acts = append(acts, func() { c.SoftDelete(r, s.id); tell(schemas.Deleted) })
	} else {
		acts = append(acts, func() { c.Remove(r, s.id); s.sweep(); tell(schemas.Deleted) })
	}
	return acts
}

// sweep has the resource swept, as soon as nothing else of the account is.
func (s *scene) sweep() {
	for s.bridge.Sweep(s.account, []schemas.Resource{s.resource}, false) != nil {
		<-time.After(50 * time.Millisecond)
	}
}

// shows says that the API shows the resource's records while they are in state. Others are gone, as those of
// product_suppliers, which have no column for it.
func (s *scene) shows(state schemas.State) bool {
	spec, _ := schemas.Lookup(schemas.Edition(s.clinic.Edition()), s.resource)
	return slices.ContainsFunc(spec.Feeds, func(f schemas.Feed) bool { return f.Implies == state })
}

// For every collection of both editions: a record is created, edited, touched, put into each state that it can have and
// back, and deleted - or removed without a trace, if it cannot be deleted otherwise - and exactly that is told.
func TestEveryCollectionAndEveryState(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	redis := difftest.StartRedis(t)
	server := publishertest.Start(t, publishertest.Options{})
	var text strings.Builder
	var scenes []*scene
	text.WriteString("accounts:\n")
	for _, edition := range []clinikotest.Edition{clinikotest.Edition2017, clinikotest.Edition2025} {
		all := slices.DeleteFunc(Specs(&config.Account{}, schemas.Edition(edition)), func(s schemas.Spec) bool {
			return s.Shape != schemas.Collection || *only != "" && string(s.Resource) != *only
		})
		for n := 0; len(all) > 0; n++ {
			some := all[:min(2, len(all))]
			all = all[len(some):]
			clinic := clinikotest.New(clinikotest.Options{Seed: uint64(n), Edition: edition, RequestsPerMinute: -1})
			clinic.Populate(clinikotest.SmallClinic())
			api := clinikotest.NewServer(clinic)
			t.Cleanup(api.Close)
			account := fmt.Sprintf("clinic-%s-%d", edition, n)
			var names []string
			for _, spec := range some {
				names = append(names, string(spec.Resource))
				scenes = append(scenes, &scene{account: account, resource: spec.Resource, clinic: clinic})
			}
			fmt.Fprintf(&text, "  - {name: %s, api_key: %q, user_agent: \"Test (ops@clinic.example)\", base_url: %q, resources: [%s], requests_per_minute: 200}\n",
				account, clinic.Key(), api.URL, strings.Join(names, ", "))
		}
	}
	if len(scenes) == 0 {
		t.Fatalf("no edition has a list of %q", *only)
	}
	fmt.Fprintf(&text, `
nats: {url: %q, subject: "cliniko.{account}.{resource}.{verb}"}
state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}
data_dir: %q
sweep: {confirm_after: 1s}
resources:
`, server.URL(), redis.URL, t.TempDir())
	var seen []schemas.Resource
	for _, s := range scenes {
		if !slices.Contains(seen, s.resource) {
			seen = append(seen, s.resource)
			fmt.Fprintf(&text, "  %s: {schedule: \"@every 1s\"}\n", s.resource)
		}
	}
	b := start(t, text.String())
	within(t, 2*time.Minute, "every baseline", func() bool { return complete(b) })

	var all sync.WaitGroup
	js := server.JetStream(t)
	for _, s := range scenes {
		s.bridge = b
		all.Go(func() { s.play(t, js) })
	}
	all.Wait()
}

// play does one act after the other, each when the one before was told.
func (s *scene) play(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	for _, act := range s.acts() {
		act()
		told := s.told(t, js, len(s.want))
		if !slices.Equal(told, s.want) {
			t.Errorf("%s of %s: told %v, want %v", s.resource, s.account, told, s.want)
			return
		}
	}
	t.Logf("%s of %s: told %v", s.resource, s.account, s.want)
}

// told are the verbs that were told of the record, once there are n of them, or a while later.
func (s *scene) told(t *testing.T, js jetstream.JetStream, n int) []schemas.Verb {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	consumer, err := js.OrderedConsumer(ctx, "CLINIKO", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{fmt.Sprintf("cliniko.%s.%s.*", s.account, s.resource)},
	})
	if err != nil {
		t.Error(err)
		return nil
	}
	var verbs []schemas.Verb
	for len(verbs) < n {
		msg, err := consumer.Next(jetstream.FetchMaxWait(40 * time.Second))
		if err != nil {
			break // it did not come
		}
		if e, err := schemas.ParseEvent(msg.Data()); err == nil && e.RecordID == s.id {
			verbs = append(verbs, e.Verb)
		}
	}
	return verbs
}

// start runs a bridge on the configuration until the test ends.
func start(t *testing.T, text string) *Bridge {
	t.Helper()
	b, stop := startUntil(t, text, zap.NewNop())
	t.Cleanup(stop)
	return b
}

// startUntil runs a bridge on the configuration until stop is called.
func startUntil(t *testing.T, text string, log *zap.Logger) (b *Bridge, stop func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	b, err = New(cfg, Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	return b, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

func complete(b *Bridge) bool {
	for _, a := range b.Status().Accounts {
		if len(a.Resources) == 0 {
			return false
		}
		for _, r := range a.Resources {
			if r.Baseline != "complete" {
				return false
			}
		}
	}
	return true
}

func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}
