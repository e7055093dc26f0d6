package poller

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A baseline that is complete runs again at an operator's wish, at once and not with the next poll; it meets what was
// there, and live polling goes on beside it.
func TestABaselineIsBegunAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuarded(time.Second)
		l, s := g.lists["/patients"], &guardedSink{sink: newSink(t)}
		for range 30 {
			l.now += 300
			l.create(99)
		}
		p := newPoller(t, g, s, "@every 7s", zap.NewNop())
		during(t, p, func() {
			time.Sleep(2 * time.Minute)
			if st := p.Status()[0]; st.Baseline != complete {
				t.Fatalf("before: %+v", st)
			}
			s.mu.Lock()
			s.pages, s.seen = nil, make(map[schemas.ID]string)
			s.mu.Unlock()
			if err := p.Renew(t.Context(), "patients"); err != nil {
				t.Fatal(err)
			}
			if st := p.Status()[0]; st.Baseline != running || st.Read != 0 {
				t.Errorf("renewed: %+v", st)
			}
			time.Sleep(20 * time.Second)
			if st := p.Status()[0]; st.Baseline != running || st.Read == 0 || st.Read+st.Remaining != len(l.rows) {
				t.Errorf("20 s later: %+v, want %d rows", st, len(l.rows))
			}
			if err := p.Renew(t.Context(), "patients"); err != nil { // in the middle, again
				t.Fatal(err)
			}
			if st := p.Status()[0]; st.Baseline != running || st.Read != 0 {
				t.Errorf("renewed in the middle: %+v", st)
			}
			time.Sleep(time.Minute)
			if st := p.Status()[0]; st.Baseline != complete || st.Remaining != 0 {
				t.Errorf("at the end: %+v", st)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.holds(t, l)
			live := 0
			for i := range s.pages {
				if !s.pages[i].Baseline {
					live++
				}
			}
			if live < 80/7 {
				t.Errorf("%d live polls in 80 s beside it", live)
			}
		})
	})
}

func TestRenewingFails(t *testing.T) {
	l, s := newList(), newSink(t)
	l.create(3)
	r := newReader(l, s)
	r.mustFollow(t)
	r.mustBaseline(t)
	p := &Poller{Config: Config{Account: "northside"}, resources: []*resource{r.resource}}
	if err := p.Renew(t.Context(), "dragons"); !errors.Is(err, ErrUnknown) {
		t.Errorf("a resource that there is not: %v", err)
	}

	lost := errors.New("the store does not answer")
	s.fail = []error{lost}
	if err := p.Renew(t.Context(), "patients"); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
	r.mustFollow(t) // it asks for the standing again
	r.mustBaseline(t)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Renew(ctx, "patients"); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}
