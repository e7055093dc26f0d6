package poller

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// clinic is a tree with practitioners, of whom the last is inactive, each with a list of reference numbers.
func clinic(practitioners, numbers int) *tree {
	src := newTree()
	src.at("/practitioners").create(practitioners - 1)
	src.at("/practitioners/inactive").rows[practitioners] = &row{}
	for n := 1; n <= practitioners; n++ {
		for i := range numbers {
			src.number(n, 1000*n+i)
		}
	}
	return src
}

func numbersOf(practitioner int) string {
	return fmt.Sprintf("/practitioners/%d/practitioner_reference_numbers", practitioner)
}

// number gives a practitioner a reference number, as of now.
func (s *tree) number(practitioner, id int) {
	s.at(numbersOf(practitioner)).rows[id] = &row{created: s.now, updated: s.now}
	s.objects[fmt.Sprintf("/practitioner_reference_numbers/%d", id)] = `{"id":1}`
}

func (s *tree) unnumber(id int) {
	delete(s.at(numbersOf(id/1000)).rows, id)
	delete(s.objects, fmt.Sprintf("/practitioner_reference_numbers/%d", id))
}

// firstWalks takes steps of the baseline until there is none left, or one fails.
func (r *reader) firstWalks(t *testing.T) {
	t.Helper()
	for n := 0; r.firstWalk(t.Context(), t.Context()); n++ {
		if n == 10_000 {
			t.Fatal("the first walk has no end")
		}
	}
}

// Known makes the sink an Inventory.
func (s *sink) Known(context.Context, schemas.Resource) (shown, hidden []schemas.ID, err error) {
	for id := range s.seen {
		shown = append(shown, id)
	}
	return shown, nil, nil
}

// gone are the records that were handed on as gone. They are not known any more.
func (s *sink) gone() (ids []schemas.ID) {
	for _, p := range s.pages {
		ids = append(ids, p.Gone...)
	}
	for _, id := range ids {
		delete(s.seen, id)
	}
	return ids
}

// walker is a reader of a resource whose sink is its inventory too.
func walker(src Source, s *sink, name schemas.Resource, log *zap.Logger) *reader {
	spec, _ := schemas.Lookup(schemas.Edition2017, name)
	schedule, _ := ParseSchedule(spec.Schedule)
	r := newResource(&Config{
		Account: "northside", Source: src, Sink: s, Inventory: s, Log: log, Metrics: NewMetrics(prometheus.NewRegistry()),
	}, spec, schedule)
	return r.readers[0]
}

const numbers = "practitioner_reference_numbers"

// The lists of all practitioners are read whole, those of the inactive and those with more rows than a page among them.
func TestNestedListsAreReadForEachParent(t *testing.T) {
	src := clinic(3, 130)
	src.now = 100
	s := newSink(t)
	r := walker(src, s, numbers, zap.NewNop())
	r.firstWalks(t)
	if st := r.status(); len(s.seen) != 3*130 || st.Baseline != "complete" || st.LastError != "" || st.Remaining != 0 {
		t.Fatalf("%d records; %+v", len(s.seen), st)
	}
	if open := s.pages[0]; !open.Opening || !open.Began.Equal(at(100)) || !open.Mark.Horizon.Equal(at(100)) {
		t.Errorf("the opening page: %+v", open)
	}
	for i, lane := range src.lanes {
		if i > 0 && lane != cliniko.LaneBaseline { // the first request opens it
			t.Errorf("request %d of the baseline was in the lane %s", i, lane)
		}
	}
	src.now = 200
	src.number(2, 5)
	asked := len(src.asked)
	r.poll(t.Context(), t.Context())
	last := s.pages[len(s.pages)-1]
	if _, met := s.seen["5"]; !met || last.Baseline || last.Feed != schemas.Live {
		t.Errorf("a number that came later: met %v, by %+v", met, last)
	}
	if lane := src.lanes[asked]; lane != cliniko.LaneSide {
		t.Errorf("a later walk was in the lane %s", lane)
	}
}

// A first walk that is interrupted goes on behind the last parent that was read, in another process too, and a poll
// meanwhile does nothing.
func TestTheFirstWalkResumes(t *testing.T) {
	src := clinic(6, 2)
	s := newSink(t)
	r := walker(src, s, numbers, zap.NewNop())
	src.failures[numbersOf(4)] = &cliniko.Error{Kind: cliniko.Network, Path: numbersOf(4)}
	r.firstWalks(t)
	r.poll(t.Context(), t.Context())
	if st := r.status(); len(s.seen) != 6 || st.Baseline != "running" || st.LastError == "" {
		t.Fatalf("%d records; %+v", len(s.seen), st)
	}
	clear(src.failures)
	r = walker(src, s, numbers, zap.NewNop())
	r.firstWalks(t)
	if len(s.seen) != 12 || r.status().Baseline != "complete" {
		t.Fatalf("%d records; %+v", len(s.seen), r.status())
	}
	if n := src.count(numbersOf(3)); n != 1 {
		t.Errorf("the third practitioner was read %d times", n)
	}
}

// A store that was put back while the walk went on is walked again from where it stands.
func TestAWalkFollowsTheStoreBack(t *testing.T) {
	src := clinic(6, 2)
	s := newSink(t)
	r := walker(src, s, numbers, zap.NewNop())
	for range 4 { // it begins, and reads three parents
		r.firstWalk(t.Context(), t.Context())
	}
	if got := s.standing.Marks[schemas.Baseline].After; got != "3" {
		t.Fatalf("it is behind %q", got)
	}
	s.standing.Marks[schemas.Baseline] = schemas.Mark{After: "1"}
	clear(s.seen)
	r.standing = nil // as after a page that was refused
	r.firstWalks(t)
	r.base.clear()
	r.firstWalks(t)
	if len(s.seen) != 10 || r.status().Baseline != "complete" {
		t.Errorf("%d records, want those of all parents but the first", len(s.seen))
	}
}

// A record is told as gone when two walks, far enough apart, have not met it and its own address does not have it: once.
func TestARecordThatNoWalkMeetsIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := clinic(2, 3)
		s := newSink(t)
		r := walker(src, s, numbers, zap.NewNop())
		r.firstWalks(t)
		src.unnumber(2001)
		for walk, want := range []int{0, 0, 0, 1, 1} {
			r.poll(t.Context(), t.Context())
			if got := s.gone(); len(got) != want || want > 0 && got[0] != "2001" {
				t.Fatalf("after walk %d: gone %v", walk+1, got)
			}
			time.Sleep(25 * time.Second)
		}
	})
}

// What proves nothing: a parent that could not be read, a record that its own address has, or that came back, and a
// right that was taken away.
func TestWhatIsNotGone(t *testing.T) {
	for name, c := range map[string]struct {
		before, between func(src *tree)
		said            string
	}{
		"the parent answers 403": {func(src *tree) { src.failures[numbersOf(2)] = forbidden(numbersOf(2)) }, nil, ""},
		"the parent answers 404": {func(src *tree) { src.failures[numbersOf(2)] = notFound(numbersOf(2)) }, nil, ""},
		"the parent answers 500": {func(src *tree) {
			src.failures[numbersOf(2)] = &cliniko.Error{Kind: cliniko.Server, Path: numbersOf(2), Status: 500}
		}, nil, ""},
		"it is at its own address": {func(src *tree) { delete(src.at(numbersOf(2)).rows, 2001) }, nil, "no list shows it"},
		"its own address is forbidden": {func(src *tree) {
			src.unnumber(2001)
			src.failures["/practitioner_reference_numbers/2001"] = forbidden("/practitioner_reference_numbers/2001")
		}, nil, ""},
		"it comes back": {func(src *tree) { src.unnumber(2001) }, func(src *tree) { src.number(2, 2001) }, ""},
		"too many": {func(src *tree) {
			for i := range 15 {
				src.unnumber(2000 + i)
				src.unnumber(3000 + i)
			}
		}, nil, "so many records are gone"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := clinic(3, 15)
				s := newSink(t)
				core, logs := observer.New(zap.WarnLevel)
				r := walker(src, s, numbers, zap.New(core))
				r.firstWalks(t)
				c.before(src)
				// What lies below a parent that cannot be read would be missing, and at its own address it is not found either.
				if len(src.failures) > 0 {
					clear(src.objects)
				}
				for walk := range 4 {
					if walk == 1 && c.between != nil {
						c.between(src)
					}
					r.poll(t.Context(), t.Context())
					time.Sleep(15 * time.Minute)
				}
				if got := s.gone(); len(got) > 0 {
					t.Errorf("gone: %v", got)
				}
				if n := logs.FilterMessageSnippet(c.said).Len(); c.said != "" && (n == 0 || c.said == "so many records are gone" && n != 1) {
					t.Errorf("it was said %d times: %v", n, logs.All())
				}
			})
		})
	}
}

// What is held back is told at the next walk if an operator accepts it, and that once.
func TestWhatIsHeldOfAWalkIsToldOnceItIsAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := clinic(3, 15)
		s := newSink(t)
		r := walker(src, s, numbers, zap.NewNop())
		r.firstWalks(t)
		for i := range 15 {
			src.unnumber(2000 + i)
			src.unnumber(3000 + i)
		}
		walk := func(want, held int) {
			t.Helper()
			r.poll(t.Context(), t.Context())
			time.Sleep(15 * time.Minute)
			if got := r.status().Sweep; len(s.gone()) != want || got.Held != held {
				t.Fatalf("%d are gone and %d held, want %d and %d", len(s.gone()), got.Held, want, held)
			}
		}
		walk(0, 30)
		walk(0, 30)
		p := &Poller{resources: []*resource{r.resource}, sweeper: newSweeper()}
		if err := p.Sweep([]schemas.Resource{r.spec.Resource}, true); err != nil || r.status().Sweep.Trouble == "" {
			t.Fatalf("got %v and status %+v", err, r.status().Sweep)
		}
		walk(30, 0)
		src.unnumber(1001)
		walk(30, 0)
		walk(31, 0)
	})
}

// One parent that cannot be read does not keep the others from being read. If none can, the resource rests.
func TestParentsThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := clinic(4, 2)
		s := newSink(t)
		r := walker(src, s, numbers, zap.NewNop())
		src.failures[numbersOf(1)] = forbidden(numbersOf(1))
		src.failures[numbersOf(3)] = &cliniko.Error{Kind: cliniko.Server, Path: numbersOf(3), Status: 500}
		for range 60 {
			r.firstWalk(t.Context(), t.Context())
			time.Sleep(time.Second)
		}
		if st := r.status(); len(s.seen) != 4 || st.Baseline != "complete" || st.LastError != "" {
			t.Errorf("%d records; %+v", len(s.seen), r.status())
		}

		src, s = clinic(4, 2), newSink(t)
		r = walker(src, s, numbers, zap.NewNop())
		for n := 1; n <= 4; n++ {
			src.failures[numbersOf(n)] = forbidden(numbersOf(n))
		}
		for range 4 * 60 {
			r.firstWalk(t.Context(), t.Context())
			time.Sleep(time.Second)
		}
		if st := r.status(); st.Baseline != "running" || st.LastError == "" || src.count(numbersOf(1)) != 1 {
			t.Errorf("with nothing to be seen: %+v, asked %d times", st, src.count(numbersOf(1)))
		}
	})
}

// Stopping in the middle of a walk ends it after the request at hand.
func TestStoppingEndsAWalk(t *testing.T) {
	src := clinic(5, 2)
	s := newSink(t)
	r := walker(src, s, numbers, zap.NewNop())
	r.firstWalks(t)
	stop, cancel := context.WithCancel(t.Context())
	asked := len(src.asked)
	src.before = func(path string) {
		if path == numbersOf(2) {
			cancel()
		}
	}
	r.poll(stop, t.Context())
	if n := len(src.asked) - asked; n != 4 { // two lists of practitioners, two of numbers
		t.Errorf("%d requests", n)
	}
	if st := r.status(); st.LastError != "" {
		t.Errorf("to be asked to stop is no failure: %+v", st)
	}
}
