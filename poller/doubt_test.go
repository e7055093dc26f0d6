package poller

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A list that begins to answer 404 or 400 is doubted once, however long it goes on, and again only when it has answered in
// between. A list that is refused is asked in other ways, and doubted if it takes none. Other failures are no doubt: they say nothing of what the account has.
func TestAListThatIsNotThereAnyMoreIsDoubtedOnce(t *testing.T) {
	gone := &cliniko.Error{Kind: cliniko.NotFound, Path: "/patients", Status: 404}
	refused := &cliniko.Error{Kind: cliniko.Refused, Path: "/patients", Status: 400}
	down := &cliniko.Error{Kind: cliniko.Server, Path: "/patients", Status: 502}
	forbidden := &cliniko.Error{Kind: cliniko.Forbidden, Path: "/patients", Status: 403}
	for name, c := range map[string]struct {
		failures []error
		want     int
	}{
		"404":            {[]error{gone}, 1},
		"404 for long":   {[]error{gone, gone, gone}, 1},
		"400":            {slices.Repeat([]error{refused}, 20), 1},
		"404, then 400":  {append([]error{gone}, slices.Repeat([]error{refused}, 20)...), 2},
		"404, 502, 404":  {[]error{gone, down, gone}, 2},
		"502":            {[]error{down, down}, 0},
		"403":            {[]error{forbidden}, 0},
		"nothing at all": {nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuarded(time.Millisecond)
				s := &guardedSink{sink: newSink(t)}
				p := newPoller(t, g, s, "@every 1s", zap.NewNop())
				g.lists["/patients"].failures = c.failures
				doubts := 0
				p.resources[0].doubt = func(of schemas.Resource) {
					doubts++
					if got := p.Status()[0]; of != "patients" || got.LastError == "" {
						t.Errorf("%s is doubted, its status is %+v", of, got)
					}
				}
				run(t, p, time.Hour)
				if doubts != c.want {
					t.Errorf("doubted %d times, want %d", doubts, c.want)
				}
				s.holds(t, g.lists["/patients"])
			})
		})
	}
}
