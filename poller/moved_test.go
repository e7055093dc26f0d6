package poller

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A lagging is a shelf whose own list is answered by a copy that does not know yet that a record was archived, and that notes
// which state each record was told to be in.
type lagging struct {
	*shelf
	archived int // the record
	told     []string
}

func (l *lagging) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	l.state(schemas.ArchivedState)
	if !strings.HasSuffix(q.Path, "/archived") {
		l.state(schemas.LiveState)
	}
	return l.shelf.List(ctx, q)
}

func (l *lagging) state(s schemas.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows[l.archived] = s
}

func (l *lagging) Accept(ctx context.Context, page schemas.Page) (schemas.Outcome, error) {
	l.mu.Lock()
	for i := range page.Records {
		id, now := page.Records[i].ID, page.Implies
		if now == "" {
			now = schemas.LiveState
		}
		if was, known := l.known[id]; known && page.Swept && was != now {
			l.known[id] = now
			l.told = append(l.told, string(now))
		}
	}
	l.mu.Unlock()
	return l.shelf.Accept(ctx, page)
}

// What the sweep has read and handed on a moment ago it does not hand on once more from another list, which may lag behind the
// first: a record that was archived without a new stamp would be told as restored, and archived again by the next sweep.
func TestAListThatLagsBringsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lagging{shelf: newShelf(t, schemas.Edition2017, 450), archived: 5}
		p := l.poller(func(c *Config) { c.Source, c.Sink, c.Inventory = l, l, l })
		p.sweep(t.Context(), t.Context(), order{resources: p.resources})
		if want := []string{string(schemas.ArchivedState)}; !slices.Equal(l.told, want) {
			t.Errorf("told %q, want %q", l.told, want)
		}
		if st := p.Status()[0].Sweep; st.Trouble != "" || st.Missed != 0 {
			t.Errorf("it ended with %+v", st)
		}
	})
}
