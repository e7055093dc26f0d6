package poller

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func referralOf(patient int) string { return fmt.Sprintf("/patients/%d/referral_source", patient) }

// surgery is a tree with patients, of whom the last is archived. Every third has a referral source, and so has the last.
func surgery(patients int) *tree {
	src := newTree()
	src.at("/patients").create(patients - 1)
	src.at("/patients/archived").rows[patients] = &row{}
	for n := 1; n <= patients; n++ {
		if n%3 == 0 || n == patients {
			src.objects[referralOf(n)] = fmt.Sprintf(`{"notes":"version 1 of %d"}`, n)
		}
	}
	return src
}

// Each patient is asked, the archived too. An object is known by its patient, and a patient without one is no failure.
func TestOneObjectForEachParent(t *testing.T) {
	src := surgery(130)
	s := newSink(t)
	r := walker(src, s, "referral_sources", zap.NewNop())
	r.firstWalks(t)
	if st := r.status(); len(s.seen) != 44 || st.Baseline != "complete" || st.LastError != "" {
		t.Fatalf("%d records; %+v", len(s.seen), st)
	}
	if got, want := s.seen["129"], src.objects[referralOf(129)]; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	baseline := 0
	for _, p := range s.pages {
		if p.Baseline {
			baseline++
		}
	}
	if baseline != 4 { // 50, 50, 30, and the end
		t.Errorf("the first walk came in %d pages", baseline)
	}
}

// A walk of an hour goes on where it stopped, in another process too: the first one, and those that come later.
func TestAWalkOfManyObjectsResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := surgery(200)
		s := newSink(t)
		r := walker(src, s, "referral_sources", zap.NewNop())
		stop, cancel := context.WithCancel(t.Context())
		src.before = func(path string) {
			if path == referralOf(120) {
				cancel()
			}
		}
		for r.firstWalk(stop, t.Context()) {
		}
		if got := s.standing.Marks[schemas.Baseline].After; got != "120" {
			t.Fatalf("stopped behind %q", got)
		}
		src.before = nil
		r = walker(src, s, "referral_sources", zap.NewNop())
		r.firstWalks(t)
		if n := src.count(referralOf(119)); n != 1 || len(s.seen) != 67 {
			t.Errorf("patient 119 was asked for %d times; %d records", n, len(s.seen))
		}

		time.Sleep(24 * time.Hour)
		stop, cancel = context.WithCancel(t.Context())
		src.before = func(path string) {
			if path == referralOf(70) {
				cancel()
			}
		}
		r.poll(stop, t.Context())
		if got := s.standing.Marks[schemas.Live].After; got != "70" {
			t.Fatalf("the later walk stopped behind %q", got)
		}
		src.before = nil
		src.objects[referralOf(72)] = `{"notes":"version 2"}`
		asked := len(src.asked)
		r = walker(src, s, "referral_sources", zap.NewNop())
		r.poll(t.Context(), t.Context())
		if n := src.count(referralOf(69)); n != 2 || s.seen["72"] != `{"notes":"version 2"}` {
			t.Errorf("patient 69 was asked for %d times; the sink has %s", n, s.seen["72"])
		}
		if lane := src.lanes[asked]; lane != cliniko.LaneSweep {
			t.Errorf("a later walk was in the lane %s", lane)
		}
	})
}

// A walk that was made is not made again because the process was restarted.
func TestAWalkThatWasMadeIsNotRepeatedByARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := surgery(20)
		s := newSink(t)
		time.Sleep(time.Until(at(0))) // the API's clock and ours agree
		later := func() { src.now = int(time.Since(at(0)).Seconds()) }
		r := walker(src, s, "referral_sources", zap.NewNop())
		r.firstWalks(t)
		time.Sleep(25 * time.Hour)
		later()
		r.poll(t.Context(), t.Context())
		if n := src.count(referralOf(3)); n != 2 {
			t.Fatalf("after a day a patient was asked for %d times, want twice", n)
		}
		time.Sleep(time.Minute)
		later()
		r = walker(src, s, "referral_sources", zap.NewNop())
		r.poll(t.Context(), t.Context())
		if n := src.count(referralOf(3)); n != 2 {
			t.Errorf("after a restart a patient was asked for %d times", n)
		}
		time.Sleep(24 * time.Hour)
		later()
		r.poll(t.Context(), t.Context())
		if n := src.count(referralOf(3)); n != 3 {
			t.Errorf("a day later a patient was asked for %d times, want three", n)
		}
	})
}

// An object is gone that two walks did not find, also of a patient whom no list shows any more. One below an archived
// patient may be hidden with him, and is not.
func TestAnObjectThatTwoWalksDoNotFindIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := surgery(20)
		s := newSink(t)
		r := walker(src, s, "referral_sources", zap.NewNop())
		r.firstWalks(t)
		delete(src.objects, referralOf(3))  // taken away
		delete(src.objects, referralOf(6))  // of an erased patient
		delete(src.at("/patients").rows, 6) //
		delete(src.objects, referralOf(20)) // of the archived one
		src.failures[referralOf(9)] = forbidden(referralOf(9))
		for walk, want := range []string{"[]", "[3 6]", "[3 6]"} {
			time.Sleep(24 * time.Hour)
			r.poll(t.Context(), t.Context())
			if got := fmt.Sprint(s.gone()); got != want {
				t.Errorf("after walk %d: gone %s, want %s", walk+1, got, want)
			}
		}
	})
}

// A right that was taken away makes no deletions.
func TestManyObjectsAtOnceAreNotGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := surgery(120)
		s := newSink(t)
		r := walker(src, s, "referral_sources", zap.NewNop())
		r.firstWalks(t)
		clear(src.objects)
		for range 4 {
			time.Sleep(24 * time.Hour)
			r.poll(t.Context(), t.Context())
		}
		if got := s.gone(); len(got) > 0 {
			t.Errorf("%d are gone", len(got))
		}
	})
}
