package diff

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A checkpoint is what is kept of a resource beside the stream, for a store that is lost. What was told is in the stream;
// what is not are the looks that told nothing: when the first was, and how far the feeds were read. Without it a
// resource that has no event in the stream would begin anew, and pass over what changed since it was last looked at.
//
// It is written behind the commit, and a while behind it, so that it may be older than what was committed and never newer. It
// holds times and numbers alone.
type checkpoint struct {
	// Began is as in schemas.Standing.
	Began time.Time `json:"began"`
	// Floor is as in state; no record has a sequence above it.
	Floor uint64 `json:"floor"`
	// Stream is the stream sequence of the resource's last event. A stream that ends before it has lost events.
	Stream uint64 `json:"stream"`
	// High is state.high; 0 in a checkpoint of an earlier version.
	High uint64 `json:"high,omitempty"`
	// Feeds are the feeds that are open.
	Feeds map[string]feedpoint `json:"feeds"`
}

// A feedpoint is how far a feed was read.
type feedpoint struct {
	Cursor   time.Time     `json:"cursor"`
	Lookback time.Duration `json:"lookback,omitempty"`
	// Over says that all rows of the cursor's second were read, when it was over: nothing comes behind them in that
	// very second.
	Over bool `json:"over,omitempty"`
}

const (
	// DefaultCheckpointEvery is the time between two checkpoints of a resource.
	DefaultCheckpointEvery = 15 * time.Second
	// checkpointAgain is when one is written again although nothing has moved: somebody may have deleted it with its bucket, or
	// a process that lost the account and slept since may have put an older one over it.
	checkpointAgain = 10 * time.Minute
	// checkpointWait is how long a checkpoint may keep a page waiting.
	checkpointWait = 2 * time.Second
	// dateLead is how far the clock of the Date header may be ahead of the one that sets the stamps, so that a second
	// counts as over.
	dateLead = time.Minute
)

// A keeping is what a process remembers of the checkpoints of a resource.
type keeping struct {
	last  checkpoint // as it is kept beside the stream
	known bool       // last was asked for
	tried time.Time  // our clock; when one was written last, or should have been
	amiss bool       // it could not be written then
}

// checkpoint returns the one that is kept. Its Feeds are nil if there is none.
func (d *Differ) checkpoint(ctx context.Context, r *resource) (checkpoint, error) {
	if r.keeping.known || r.unstamped() {
		return r.keeping.last, nil
	}
	b, err := d.Publisher.Checkpoint(ctx, d.Account, r.name)
	if err != nil {
		return checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	var cp checkpoint
	if b != nil && json.Unmarshal(b, &cp) != nil {
		return checkpoint{}, errors.New("the checkpoint beside the stream is damaged; delete it, and a lost store begins anew")
	}
	r.keeping.last, r.keeping.known = cp, true
	return cp, nil
}

// keep writes a checkpoint of what is committed, if there is news and it is time. That it cannot be written is no fault of
// the page: it is tried again with a later one.
func (d *Differ) keep(ctx context.Context, r *resource, st *state, page *schemas.Page) {
	if r.unstamped() {
		return
	}
	k := &r.keeping
	next := k.checkpoint(st, page)
	opened := len(k.last.Feeds) != len(next.Feeds) && !k.amiss // a bucket that hangs must not hold up every page
	switch since := time.Since(k.tried); {
	case k.last.equal(&next) && since < checkpointAgain, !opened && since < d.checkpointEvery():
		return
	}
	k.tried = time.Now()
	b, _ := json.Marshal(next) // nothing in it cannot be encoded
	ctx, cancel := context.WithTimeout(ctx, checkpointWait)
	defer cancel()
	err := d.Publisher.PutCheckpoint(ctx, d.Account, r.name, b)
	if err == nil {
		k.last, k.known = next, true
	} else if !k.amiss {
		d.Log.Warn("a checkpoint could not be written; should the store be lost before one is, it goes on at the one before",
			zap.String("account", d.Account), zap.String("resource", string(r.name)), zap.Error(err))
	}
	k.amiss = err != nil
}

func (d *Differ) checkpointEvery() time.Duration {
	if d.CheckpointEvery == 0 {
		return DefaultCheckpointEvery
	}
	return d.CheckpointEvery
}

// checkpoint is what is to be kept of st once page was taken in.
func (k *keeping) checkpoint(st *state, page *schemas.Page) checkpoint {
	cp := checkpoint{Began: st.Began, Floor: st.Floor + st.Stream, Stream: st.Stream, High: st.high(), Feeds: make(map[string]feedpoint)}
	for name, mark := range st.Marks {
		if schemas.IsBaseline(name) {
			continue
		}
		p := feedpoint{Cursor: mark.Cursor, Lookback: mark.Lookback}
		was := k.last.Feeds[name]
		p.Over = was.Over && was.Cursor.Equal(mark.Cursor) || page.MarkName() == name && readWhole(page)
		cp.Feeds[name] = p
	}
	return cp
}

// readWhole says that the page has all rows of the second of its cursor that there will be: it left out none, and the
// API answered when that second was long over.
func readWhole(page *schemas.Page) bool {
	all := page.Opening || page.First || page.Total > 0 && page.Total <= len(page.Records)
	return all && !page.Swept && !page.Mark.Cursor.IsZero() && page.Date.After(page.Mark.Cursor.Add(dateLead))
}

func (c *checkpoint) equal(other *checkpoint) bool {
	return c.Began.Equal(other.Began) && c.Floor == other.Floor && c.Stream == other.Stream && c.High == other.High &&
		maps.EqualFunc(c.Feeds, other.Feeds, func(a, b feedpoint) bool {
			return a.Cursor.Equal(b.Cursor) && a.Lookback == b.Lookback && a.Over == b.Over
		})
}

// mark is where a feed goes on when its store is lost. Everything stamped before the horizon was read, and is taken up in
// silence; what is stamped at it or later has changed since, but for what the stream knows. Rows may show later than they are
// stamped, whether or not that was seen yet: one that is stamped before the cursor may not have been read. So the horizon is as far
// back as following the list looks, though not before the second behind began, which the first look has read. Where the
// stream has dropped events that would tell some of them again: there it is as far back as rows were seen to be late.
func (p feedpoint) mark(began time.Time, dropped bool) schemas.Mark {
	m := schemas.Mark{Cursor: p.Cursor, Horizon: p.Cursor, Lookback: p.Lookback}
	late := p.Lookback
	if !dropped {
		late = max(late, schemas.MinLookback)
	}
	switch {
	case late > 0 && p.Cursor.After(began):
		m.Horizon = p.Cursor.Add(-late)
		if first := began.Add(time.Second); m.Horizon.Before(first) {
			m.Horizon = first
		}
	case p.Over:
		m.Horizon = p.Cursor.Add(time.Second)
	}
	return m
}
