package bridge

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// a swept is a bridge beside a clinic of each edition, to be swept.
type swept struct {
	t      *testing.T
	clinic *clinikotest.Clinic
	api    *clinikotest.Server
	bridge *Bridge
	js     jetstream.JetStream
	ahead  atomic.Int64 // how far the clinic's clock is before ours
}

func newSwept(t *testing.T, edition clinikotest.Edition, sizes clinikotest.Sizes, schedule string, change ...func(*clinikotest.Options)) *swept {
	t.Helper()
	s := &swept{t: t}
	server := publishertest.Start(t, publishertest.Options{})
	options := clinikotest.Options{
		Edition: edition, RequestsPerMinute: -1,
		Now: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) },
	}
	for _, f := range change {
		f(&options)
	}
	s.clinic = clinikotest.New(options)
	s.clinic.Populate(sizes)
	s.api = clinikotest.NewServer(s.clinic)
	t.Cleanup(s.api.Close)
	var names, schedules []string
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		names = append(names, string(name))
		schedules = append(schedules, fmt.Sprintf("%s: {schedule: %q}", name, schedule))
	}
	s.bridge = start(t, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [%s], requests_per_minute: 200}
resources: {%s}
nats: {url: %q}
sweep: {confirm_after: 1s}
data_dir: %q
`, s.clinic.Key(), s.api.URL, strings.Join(names, ", "), strings.Join(schedules, ", "), server.URL(), t.TempDir()))
	within(t, time.Minute, "the baseline", func() bool { return complete(s.bridge) })
	s.js = server.JetStream(t)
	return s
}

// sweep orders a sweep of all and waits for its end.
func (s *swept) sweep() {
	s.t.Helper()
	if err := s.bridge.Sweep("", nil, false); err != nil {
		s.t.Fatal(err)
	}
	s.wait()
}

func (s *swept) wait() {
	s.t.Helper()
	_, p := s.bridge.accounts[0].running()
	within(s.t, time.Minute, "the end of the sweep", func() bool {
		for _, r := range p.Status() {
			if r.Sweep.Running {
				return false
			}
		}
		return true
	})
}

// told counts the events in the stream, and lists the records that were told as deleted.
func (s *swept) told() (verbs map[schemas.Verb]int, deleted map[string]bool) {
	s.t.Helper()
	verbs, deleted = map[schemas.Verb]int{}, map[string]bool{}
	for _, m := range publishertest.Collect(s.t, s.js, "CLINIKO", "") {
		e, err := schemas.ParseEvent(m.Body)
		if err != nil {
			s.t.Fatal(err)
		}
		verbs[e.Verb]++
		if e.Verb == schemas.Deleted {
			deleted[fmt.Sprintf("%s/%s", e.Resource, e.RecordID)] = true
		}
	}
	return verbs, deleted
}

func (s *swept) status(resource schemas.Resource) (held int, missed int, trouble string) {
	s.t.Helper()
	_, p := s.bridge.accounts[0].running()
	for _, r := range p.Status() {
		if r.Resource == resource {
			return r.Sweep.Held, r.Sweep.Missed, r.Sweep.Trouble
		}
	}
	s.t.Fatalf("%s is not followed", resource)
	return 0, 0, ""
}

var editions = []clinikotest.Edition{clinikotest.Edition2017, clinikotest.Edition2025}

// Records that were removed without a trace, a patient that was erased with all that hangs on it, and one that showed
// so late that polling was past it: each is told once, and nothing else is.
func TestTheSweepFindsWhatIsGone(t *testing.T) {
	for _, edition := range editions {
		t.Run(string(edition), func(t *testing.T) {
			t.Parallel()
			s := newSwept(t, edition, clinikotest.Sizes{"patients": 700, "invoices": 60, "medical_alerts": 60, "taxes": 3, "businesses": 2, "practitioners": 3}, "@every 5s")
			all := func() map[string]bool {
				ids := map[string]bool{}
				for _, r := range []schemas.Resource{"patients", "invoices", "medical_alerts", "taxes"} {
					for _, id := range s.clinic.AllIDs(r) {
						ids[fmt.Sprintf("%s/%s", r, id)] = true
					}
				}
				return ids
			}
			before := all()
			patients, taxes := s.clinic.IDs("patients"), s.clinic.IDs("taxes")
			s.clinic.Remove("patients", patients[10])
			s.clinic.Remove("patients", patients[600])
			s.clinic.Remove("taxes", taxes[1])
			s.clinic.Erase(patients[300])
			want := map[string]bool{}
			for id := range before {
				if !all()[id] {
					want[id] = true
				}
			}
			late := s.clinic.CreateLate("patients", 2*time.Hour)
			s.ahead.Store(int64(time.Hour))
			seen := s.clinic.Create("patients")
			within(t, time.Minute, "the event of the new patient", func() bool {
				verbs, _ := s.told()
				return verbs[schemas.Created] > 0
			})
			s.ahead.Store(int64(3 * time.Hour)) // now the late one shows, an hour behind the cursor
			s.sweep()
			verbs, deleted := s.told()
			if !maps.Equal(deleted, want) {
				t.Errorf("told as deleted: %v\nwant %v", deleted, want)
			}
			if verbs[schemas.Deleted] != len(want) || verbs[schemas.Created] != 2 || len(verbs) != 2 {
				t.Errorf("got events %v; want %d deleted and 2 created (%s, %s)", verbs, len(want), seen, late)
			}
			if _, missed, trouble := s.status("patients"); missed != 1 || trouble != "" {
				t.Errorf("got %d missed, trouble %q; want 1", missed, trouble)
			}
			s.sweep() // and not again
			if again, _ := s.told(); !maps.Equal(again, verbs) {
				t.Errorf("after a second sweep: %v, before it: %v", again, verbs)
			}
		})
	}
}

// A record that goes into a state or comes back from one without a new stamp comes to no list of news where that has no stamp of its
// own, and the number of all records is as it was. The sweep finds it, beside one that is gone, and does not count it as missed.
func TestTheSweepFindsWhatMovedWithoutAStamp(t *testing.T) {
	for edition, bookings := range map[clinikotest.Edition]schemas.Resource{
		clinikotest.Edition2017: "appointments", clinikotest.Edition2025: "individual_appointments",
	} {
		t.Run(string(edition), func(t *testing.T) {
			t.Parallel()
			s := newSwept(t, edition, clinikotest.Sizes{bookings: 300, "patients": 3}, "@every 5s", func(o *clinikotest.Options) { o.QuietStates = true })
			ids := s.clinic.IDs(bookings)
			s.clinic.Cancel(bookings, ids[70])
			s.sweep() // in 2025 the list by cancelled_at has brought it, or does
			within(t, time.Minute, "the cancelled one", func() bool {
				verbs, _ := s.told()
				return verbs[schemas.Cancelled] == 1
			})
			s.clinic.Uncancel(bookings, ids[70])
			s.clinic.Remove(bookings, ids[71])
			s.sweep()
			verbs, _ := s.told()
			if want := map[schemas.Verb]int{schemas.Cancelled: 1, schemas.Restored: 1, schemas.Deleted: 1}; !maps.Equal(verbs, want) {
				t.Errorf("told %v, want %v", verbs, want)
			}
			if _, missed, trouble := s.status(bookings); missed != 0 || trouble != "" {
				t.Errorf("got %d missed, trouble %q", missed, trouble)
			}
			s.sweep() // and not again
			if again, _ := s.told(); !maps.Equal(again, verbs) {
				t.Errorf("after a second sweep: %v", again)
			}
		})
	}
}

// A role that loses its right to a list (403), and one that sees but some of the rows from one day on: nothing is told, and
// an operator can see why. The right comes back: nothing is told of that either.
func TestNothingIsToldWhenARightIsTakenAway(t *testing.T) {
	for _, edition := range editions {
		t.Run(string(edition), func(t *testing.T) {
			t.Parallel()
			s := newSwept(t, edition, clinikotest.Sizes{"patients": 400, "taxes": 10}, "@every 1m")
			s.api.SetRole(&clinikotest.Role{Forbidden: []schemas.Resource{"taxes"}, SeesPatients: func(id schemas.ID) bool { return (id[len(id)-1]-'0')%2 == 0 }})
			s.sweep()
			if held, _, _ := s.status("patients"); held < 150 {
				t.Errorf("%d patients are held, want about half of 400", held)
			}
			if _, _, trouble := s.status("taxes"); !strings.Contains(trouble, "403") {
				t.Errorf("got trouble %q of the taxes, want the 403", trouble)
			}
			s.api.SetRole(nil)
			s.sweep()
			if held, _, trouble := s.status("patients"); held != 0 || trouble != "" {
				t.Errorf("with the right given back: %d held, trouble %q", held, trouble)
			}
			if verbs, _ := s.told(); len(verbs) != 0 {
				t.Errorf("told %v", verbs)
			}
		})
	}
}

// A bulk edit archives a thousand patients while the sweep counts: no patient is told as deleted.
func TestNothingIsToldOfAThousandArchivedMeanwhile(t *testing.T) {
	for _, edition := range editions {
		t.Run(string(edition), func(t *testing.T) {
			t.Parallel()
			s := newSwept(t, edition, clinikotest.Sizes{"patients": 1500}, "@every 5s")
			patients := s.clinic.IDs("patients")
			gone := patients[1200]
			s.clinic.Remove("patients", gone)
			if err := s.bridge.Sweep("", nil, false); err != nil {
				t.Fatal(err)
			}
			if err := s.bridge.Sweep("", nil, false); !errors.Is(err, ErrNotNow) {
				t.Errorf("a second sweep meanwhile: got %v, want ErrNotNow", err)
			}
			for i, id := range patients[:1000] {
				s.clinic.Archive("patients", id)
				if i%50 == 0 {
					<-time.After(10 * time.Millisecond) // about as long as the sweep takes
				}
			}
			s.wait()
			within(t, 2*time.Minute, "the archived", func() bool {
				verbs, _ := s.told()
				return verbs[schemas.Archived] >= 1000
			})
			s.sweep()
			verbs, deleted := s.told()
			if len(deleted) != 1 || !deleted["patients/"+string(gone)] || verbs[schemas.Deleted] != 1 {
				t.Errorf("told as deleted: %v, want %s alone", deleted, gone)
			}
		})
	}
}

func TestASweepNeedsAnAccountAndItsResource(t *testing.T) {
	s := newSwept(t, clinikotest.Edition2017, clinikotest.Sizes{"taxes": 3}, "@every 1m")
	if err := s.bridge.Sweep("elsewhere", nil, false); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown account: got %v", err)
	}
	if err := s.bridge.Sweep("", []schemas.Resource{"patients"}, false); !errors.Is(err, ErrUnknown) {
		t.Errorf("a resource that is not followed: got %v", err)
	}
}
