package bridge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A saying is one answer to the question for the edition.
type saying struct {
	edition schemas.Edition
	sure    bool
	err     error
}

// A watched is an editionWatch whose API answers from a list, and again and again with the last of it.
type watched struct {
	*editionWatch
	asked []time.Duration // after the beginning
	notes []finding
	stays int // how often it was told that the edition stays
}

func newWatched(answers ...saying) *watched {
	began := time.Now()
	w := &watched{editionWatch: &editionWatch{log: zap.NewNop(), doubts: make(chan struct{}, 1)}}
	w.ask = func(context.Context) (schemas.Edition, bool, error) {
		a := answers[min(len(w.asked), len(answers)-1)]
		w.asked = append(w.asked, time.Since(began))
		return a.edition, a.sure, a.err
	}
	w.editionWatch.stays = func() { w.stays++ }
	w.note = func(_ context.Context, f finding) { w.notes = append(w.notes, f) }
	return w
}

var (
	says2017  = saying{edition: schemas.Edition2017}
	says2025  = saying{edition: schemas.Edition2025, sure: true}
	says403   = saying{edition: schemas.Edition2025}
	saysNever = saying{err: errors.New("502")}
)

// While nothing changes, the edition is asked for once a day, before the note of it runs out, and noted anew.
func TestTheEditionIsAskedForOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(says2017)
		ctx, cancel := context.WithTimeout(t.Context(), 10*24*time.Hour)
		defer cancel()
		if _, changed := w.run(ctx, finding{schemas.Edition2017, time.Now()}); changed {
			t.Error("the edition changed")
		}
		if n := len(w.asked); n < 10 || n > 12 || len(w.notes) != n {
			t.Errorf("asked %d times in ten days, noted %d times", n, len(w.notes))
		}
		last := time.Duration(0)
		for _, at := range w.asked {
			if at-last > editionTTL {
				t.Errorf("the note had run out for %s", at-last-editionTTL)
			}
			last = at
		}
	})
}

// What was noted before a restart counts from when the API said it.
func TestANoteFromYesterdayRunsOutToday(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(says2025)
		next, changed := w.run(t.Context(), finding{schemas.Edition2017, time.Now().Add(-23 * time.Hour)})
		if !changed || next.edition != schemas.Edition2025 || w.asked[0] > time.Hour {
			t.Errorf("after %v: %v, %v", w.asked, next, changed)
		}
		if !slices.Equal(w.notes, []finding{next}) {
			t.Errorf("noted %v", w.notes)
		}
	})
}

// A doubt is followed by a question at once, but not within ten minutes of the last; a hundred are as good as one.
func TestADoubtIsAskedAboutButNotOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(says2017)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		var doubting sync.WaitGroup
		doubting.Go(func() {
			for ctx.Err() == nil {
				time.Sleep(time.Minute)
				w.doubt("appointments")
				w.doubt("patients")
			}
		})
		w.run(ctx, finding{schemas.Edition2017, time.Now().Add(-time.Hour)})
		doubting.Wait()
		if w.asked[0] != time.Minute {
			t.Errorf("the first question came after %s, want with the first doubt", w.asked[0])
		}
		for i := 1; i < len(w.asked); i++ {
			if gap := w.asked[i] - w.asked[i-1]; gap < editionRest || gap > editionRest+time.Minute {
				t.Errorf("%s between two questions", gap)
			}
		}
	})
}

// An answer that says nothing changes nothing, however often it comes, and the question is put again.
func TestAnErrorAtTheQuestionChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(saysNever, saysNever, saysNever, says2025)
		w.doubt("appointments")
		next, changed := w.run(t.Context(), finding{schemas.Edition2017, time.Now()})
		if !changed || next.edition != schemas.Edition2025 || len(w.asked) != 4 || len(w.notes) != 1 || w.stays != 3 {
			t.Errorf("asked at %v: %v, %v, noted %v, told to stay %d times", w.asked, next, changed, w.notes, w.stays)
		}
	})
}

// A 403 or a 404 by mistake makes no other edition; one that stays does.
func TestARefusalIsNoOtherEditionUntilItIsRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		from    schemas.Edition
		answers []saying
		to      schemas.Edition // "" if it stays
	}{
		"404 by mistake":        {schemas.Edition2025, []saying{says2017, says2025}, ""},
		"403 by mistake":        {schemas.Edition2017, []saying{says403, says2017}, ""},
		"404 again and again":   {schemas.Edition2025, []saying{says2017, saysNever, says2017}, schemas.Edition2017},
		"403 again and again":   {schemas.Edition2017, []saying{says403, says403}, schemas.Edition2025},
		"403 where it is known": {schemas.Edition2025, []saying{says403}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched(c.answers...)
				w.doubt("appointments")
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Hour)
				defer cancel()
				next, changed := w.run(ctx, finding{c.from, time.Now()})
				if changed != (c.to != "") || changed && next.edition != c.to {
					t.Errorf("got %v, %v", next, changed)
				}
				if changed && w.asked[len(w.asked)-1]-w.asked[0] < editionRest {
					t.Errorf("it was believed within %s", w.asked)
				}
			})
		})
	}
}
