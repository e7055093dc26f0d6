package poller

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

var bothEditions = []schemas.Edition{schemas.Edition2017, schemas.Edition2025}

// The measure: 50,000 records, 3 of them removed without a trace, at most 60 requests, all three told, a minute between
// the two searches.
func TestTheSweepFindsThreeOfFiftyThousand(t *testing.T) {
	for _, edition := range bothEditions {
		t.Run(string(edition), func(t *testing.T) {
			s := newShelf(t, edition, 50_000)
			for _, id := range []int{17, 24_999, 49_992} {
				delete(s.rows, id)
			}
			status, took := s.sweep(t, false)
			s.tells(t, 17, 24_999, 49_992)
			if s.requests > 60 {
				t.Errorf("it took %d requests, want 60 at most", s.requests)
			}
			if status.Deleted != 3 || status.Missed != 0 || status.Held != 0 || status.Trouble != "" || status.Running {
				t.Errorf("got status %+v", status)
			}
			if took < time.Minute {
				t.Errorf("the second search came %s after the first, want a minute", took)
			}
			t.Logf("%d requests", s.requests)
		})
	}
}

func TestASweepOfWhatIsWholeTellsNothing(t *testing.T) {
	for _, edition := range bothEditions {
		t.Run(string(edition), func(t *testing.T) {
			s := newShelf(t, edition, 50_000)
			s.sweep(t, false)
			s.tells(t)
			if s.requests > 15 { // the total, each 5,000, the archived, what changed of late, and what is shown by itself
				t.Errorf("it took %d requests", s.requests)
			}
		})
	}
}

func TestTheSweepHandsOnWhatWasMissed(t *testing.T) {
	for _, edition := range bothEditions {
		t.Run(string(edition), func(t *testing.T) {
			for _, n := range []int{0, 1, shelfSize, 20_000} {
				s := newShelf(t, edition, n)
				for _, id := range []int{n + 1, n + 200} {
					s.rows[id] = schemas.LiveState
				}
				delete(s.known, shelfID(n/2))
				lost := n + 3 - len(s.known) - 1 + boolToInt(n < 2)
				status, _ := s.sweep(t, false)
				if status.Missed != len(s.missed) || status.Missed != lost && n > 1 || status.Missed < 2 {
					t.Errorf("of %d: got %d missed, %d handed on; want %d", n, status.Missed, len(s.missed), lost)
				}
				s.tells(t)
			}
		})
	}
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// What is so fresh that the next poll brings it is not missed.
func TestTheSweepLeavesWhatIsFreshToPolling(t *testing.T) {
	s := newShelf(t, schemas.Edition2025, 10)
	s.rows[7*s.now] = schemas.LiveState // stamped at the cursor
	status, _ := s.sweep(t, false)
	if len(s.missed) != 0 || status.Missed != 0 {
		t.Errorf("handed on %v", s.missed)
	}
}

// A right that is taken away, an account that moved: far more are gone than ever are.
func TestTooManyGoneAtOnceAreHeldUntilAnOperatorAccepts(t *testing.T) {
	for _, edition := range bothEditions {
		t.Run(string(edition), func(t *testing.T) {
			s := newShelf(t, edition, 2000)
			var gone []int
			for id := 1; id <= 101; id++ {
				delete(s.rows, id)
				gone = append(gone, id)
			}
			status, _ := s.sweep(t, false)
			s.tells(t)
			if status.Held != 101 || status.Deleted != 0 {
				t.Errorf("got status %+v, want 101 held", status)
			}
			if status, _ = s.sweep(t, true); status.Held != 0 || status.Deleted != 101 {
				t.Errorf("accepted: got status %+v, want 101 deleted", status)
			}
			s.tells(t, gone...)
		})
	}
}

// A small resource may lose twenty.
func TestTwentyMayAlwaysBeGone(t *testing.T) {
	s := newShelf(t, schemas.Edition2025, 40)
	var gone []int
	for id := 1; id <= 20; id++ {
		delete(s.rows, id)
		gone = append(gone, id)
	}
	s.sweep(t, false)
	s.tells(t, gone...)
	s = newShelf(t, schemas.Edition2025, 40)
	for id := 1; id <= 21; id++ {
		delete(s.rows, id)
	}
	if status, _ := s.sweep(t, false); status.Held != 21 {
		t.Errorf("got status %+v, want 21 held", status)
	}
	s.tells(t)
}

func TestAnAnswerThatIsNoAnswerTellsNothing(t *testing.T) {
	for _, edition := range bothEditions {
		t.Run(string(edition), func(t *testing.T) {
			for _, of := range []string{"/patients", "/patients/"} { // the lists, or the records' own addresses
				s := newShelf(t, edition, 500)
				delete(s.rows, 3)
				s.before = func(path string) error {
					if (path == "/patients") == (of == "/patients") {
						return notAllowed(path)
					}
					return nil
				}
				status, _ := s.sweep(t, false)
				s.tells(t)
				if !strings.Contains(status.Trouble, "403") {
					t.Errorf("%s: got status %+v, want the 403", of, status)
				}
			}
		})
	}
}

// A list that fails for a while is looked at again in the same sweep.
func TestASweepGoesOnAfterAFailure(t *testing.T) {
	for _, edition := range bothEditions {
		t.Run(string(edition), func(t *testing.T) {
			for n := range 30 {
				s := newShelf(t, edition, 500)
				delete(s.rows, 3)
				delete(s.rows, 333)
				s.before = func(path string) error {
					if s.requests == n+1 || s.requests == n+2 {
						return &cliniko.Error{Kind: cliniko.Server, Path: path, Status: 502}
					}
					return nil
				}
				status, _ := s.sweep(t, false)
				s.tells(t, 3, 333)
				if status.Trouble != "" {
					t.Errorf("failure at request %d: got status %+v", n+1, status)
				}
			}
		})
	}
}

// A 404 alone is not believed: what answers again a minute later is not gone.
func TestARecordThatShowsAgainIsNotGone(t *testing.T) {
	s := newShelf(t, schemas.Edition2025, 500)
	delete(s.rows, 3)
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s.before = func(string) error {
			if time.Since(start) > 30*time.Second {
				s.rows[3] = schemas.LiveState
			}
			return nil
		}
		p := s.poller(nil)
		p.sweep(t.Context(), t.Context(), order{resources: p.resources})
	})
	s.tells(t)
}

// Lists without a total, or that refuse a filter on the id, are read whole.
func TestAListThatCannotBeCountedIsReadWhole(t *testing.T) {
	for _, edition := range bothEditions {
		t.Run(string(edition), func(t *testing.T) {
			for _, change := range []func(*shelf){
				func(s *shelf) { s.noTotal = true },
				func(s *shelf) { s.noID = true },
				func(s *shelf) { s.noTotal, s.noID = true, edition == schemas.Edition2025 },
				func(s *shelf) { s.off = 3 },
				func(s *shelf) { s.off = -3 },
			} {
				s := newShelf(t, edition, 2000)
				change(s)
				delete(s.rows, 3)
				delete(s.rows, 1500)
				delete(s.known, shelfID(700))
				status, _ := s.sweep(t, false)
				if s.noID && edition == schemas.Edition2017 { // whether it is among the deleted cannot be asked
					s.tells(t)
					continue
				}
				s.tells(t, 3, 1500)
				if status.Missed != 1 || status.Trouble != "" {
					t.Errorf("got status %+v, want 1 missed", status)
				}
				if s.requests > 120 {
					t.Errorf("it took %d requests", s.requests)
				}
			}
		})
	}
}

func TestASweepIsNotMadeBeforeTheBaselineIsComplete(t *testing.T) {
	s := newShelf(t, schemas.Edition2025, 500)
	delete(s.rows, 3)
	synctest.Test(t, func(t *testing.T) {
		p := s.poller(nil)
		st, _ := s.Standing(t.Context(), "patients")
		st.Marks[schemas.BaselineOf("archived")] = schemas.Mark{}
		p.resources[0].standing = &st
		p.sweep(t.Context(), t.Context(), order{resources: p.resources})
		if got := p.Status()[0].Sweep; got.Trouble != "the baseline is not complete" || s.requests != 0 {
			t.Errorf("got status %+v after %d requests", got, s.requests)
		}
	})
	s.tells(t)
}

// Whatever moves while it looks - records archived, restored, created or removed between any two requests - a sweep never
// tells of a record that still exists, and the next quiet one finds all that is gone and all that was missed. Not both at
// once if what was missed is old: a number stays the same if one record is gone and another was missed.
func TestASweepOfAMovingListNeverTellsWhatExists(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		edition := rapid.SampledFrom(bothEditions).Draw(rt, "edition")
		n := rapid.SampledFrom([]int{0, 5, 99, 100, 101, 450, 1200}).Draw(rt, "records")
		s := newShelf(t, edition, n)
		vanish, appear := rapid.Bool().Draw(rt, "records vanish"), true
		if rapid.Bool().Draw(rt, "of late") {
			s.now = 1000
		} else {
			appear = !vanish
		}
		for range rapid.IntRange(0, 12).Draw(rt, "before") {
			id := rapid.IntRange(1, n+1).Draw(rt, "id")
			if vanish && (!appear || rapid.Bool().Draw(rt, "vanished")) {
				delete(s.rows, id)
			} else if appear {
				delete(s.known, shelfID(id))
			}
		}
		seed := rapid.Uint64().Draw(rt, "moves")
		removed := map[int]bool{}
		s.before = func(string) error {
			for seed = seed*6364136223846793005 + 1442695040888963407; seed>>62 == 0; seed = seed*6364136223846793005 + 1442695040888963407 {
				id := int(seed>>20)%(n+20) + 1
				state, there := s.rows[id]
				switch move := seed >> 58 & 7; {
				case !there && move == 0 && appear && id > n+1 && !removed[id]: // an id is not given twice
					s.rows[id] = schemas.LiveState
				case there && move < 4:
					s.rows[id] = schemas.ArchivedState
				case there && move < 6 && state == schemas.ArchivedState:
					s.rows[id] = schemas.LiveState
				case there && move == 6 && vanish:
					delete(s.rows, id)
					removed[id] = true
				}
			}
			return nil
		}
		s.sweep(t, false)
		for _, id := range s.gone {
			for row := range s.rows {
				if shelfID(row) == id {
					rt.Fatalf("told that %s is gone, and it is there", id)
				}
			}
		}
		s.before = nil
		for row, state := range s.rows { // polling has caught up
			if _, known := s.known[shelfID(row)]; known {
				s.known[shelfID(row)] = state
			}
		}
		s.sweep(t, true)
		for row := range s.rows {
			if _, known := s.known[shelfID(row)]; !known {
				rt.Fatalf("row %d is not known after a quiet sweep", row)
			}
		}
		if len(s.known) != len(s.rows) {
			rt.Fatalf("%d are known, and %d exist", len(s.known), len(s.rows))
		}
	})
}

func TestSweepIsOrderedOnceAtATime(t *testing.T) {
	s := newShelf(t, schemas.Edition2025, 500)
	p := s.poller(nil)
	if err := p.Sweep([]schemas.Resource{"invoices"}, false); err == nil || !strings.Contains(err.Error(), "invoices") {
		t.Errorf("an unknown resource: got %v", err)
	}
	if err := p.Sweep(nil, false); err != nil || !p.Status()[0].Sweep.Running {
		t.Errorf("got %v, and running: %v", err, p.Status()[0].Sweep.Running)
	}
	if err := p.Sweep([]schemas.Resource{"patients"}, true); err == nil {
		t.Error("a second sweep was ordered beside the first")
	}
}

// The sweep comes on its schedule, and its result is handed to whoever keeps it.
func TestTheSweepComesOnItsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(t, schemas.Edition2025, 500)
		delete(s.rows, 3)
		done := make(chan SweepStatus, 1)
		p := s.poller(func(c *Config) {
			c.SweepSchedule = "0 30 3 * * *"
			c.Swept = func(_ schemas.Resource, st SweepStatus) { done <- st }
		})
		began := time.Now() // midnight, in a bubble
		stop := start(t, p)
		st := <-done
		stop()
		if took := time.Since(began); took < 3*time.Hour+30*time.Minute || took > 3*time.Hour+33*time.Minute {
			t.Errorf("it came after %s", took)
		}
		if st.Deleted != 1 {
			t.Errorf("got status %+v", st)
		}
	})
}

// Requests that a sweep takes for n records, d of which are gone.
//
//	go test ./poller -run '^$' -bench Sweep -benchtime 1x
func BenchmarkSweep(b *testing.B) {
	for _, edition := range bothEditions {
		for _, n := range []int{1000, 10_000, 50_000, 200_000} {
			for _, d := range []int{0, 1, 3, 10, 30} {
				b.Run(fmt.Sprintf("%s/n=%d/d=%d", edition, n, d), func(b *testing.B) {
					for b.Loop() {
						s := newShelf(b, edition, n)
						for i := range d {
							delete(s.rows, (2*i+1)*n/(2*d))
						}
						p := s.poller(func(c *Config) { c.ConfirmAfter = time.Nanosecond })
						p.sweep(b.Context(), b.Context(), order{resources: p.resources})
						if len(s.gone) != d {
							b.Fatalf("told %d, want %d", len(s.gone), d)
						}
						b.ReportMetric(float64(s.requests), "requests")
					}
				})
			}
		}
	}
}
