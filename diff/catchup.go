package diff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// catchUpBatch is how many events are read back before they are committed.
const catchUpBatch = 500

// catchUp brings the store to where the stream is: it reads back the resource's events behind the sequence that the
// store knows and commits them as if they had just been acknowledged. It is the one way out of every doubt: a crash
// between publishing and committing, a lost reply, another replica's work, a store put back to an earlier day or lost.
//
// Each batch is committed with the stream sequence of its last event, so that a stop in the middle costs nothing.
func (d *Differ) catchUp(ctx context.Context, r *resource) (state, int, error) {
	snap, err := d.Store.Load(ctx, d.Account, r.name, nil)
	if err != nil {
		return state{}, 0, fmt.Errorf("load: %w", err)
	}
	st, err := parseState(snap.State)
	if err != nil {
		return state{}, 0, err
	}
	if r.caughtUp && bytes.Equal(snap.State, r.committed) {
		return st, snap.Tracked, nil
	}
	r.learn(snap.Shapes)
	r.printer.renew(st.Generation)
	c := &catching{d: d, r: r, was: snap.State, st: st}
	if c.kept, err = d.checkpoint(ctx, r); err != nil {
		if st.Revision == 0 || st.Rebuilt == rebuilding {
			return state{}, 0, err
		}
		d.Log.Warn("the checkpoint cannot be read; the store has the resource, and the next one takes its place",
			zap.String("account", d.Account), zap.String("resource", string(r.name)), zap.Error(err))
	}
	if err := c.forget(ctx); err != nil {
		return state{}, 0, err
	}
	extent, err := c.read(ctx, c.st.Stream)
	if err != nil {
		return state{}, 0, err
	}
	if extent.Last < c.st.Stream {
		// The stream ends before the store's mark: it was purged, emptied by age, or made anew. What it still holds
		// may be news all the same; an event that the store has is known by its sequence.
		d.sayLost(r.name, extent.Last, c.st.Stream)
		c.lost = true
		if extent, err = c.read(ctx, 0); err != nil {
			return state{}, 0, err
		}
	}
	if err := c.settle(ctx, extent); err != nil {
		return state{}, 0, err
	}
	if c.lost {
		d.Metrics.lost.WithLabelValues(string(r.name)).Inc()
	}
	if c.st.Rebuilt == rebuilt && st.Rebuilt != rebuilt {
		d.Metrics.rebuilt.WithLabelValues(string(r.name)).Inc()
	}
	if c.count > 0 {
		d.Metrics.recovered.WithLabelValues(string(r.name)).Add(float64(c.count))
		d.Log.Info("read back events that the store did not have", zap.String("account", d.Account),
			zap.String("resource", string(r.name)), zap.Int("events", c.count))
	}
	if len(c.aside) > 0 {
		d.shelve(ctx, r, &schemas.Page{}, nil, &plan{setAside: c.aside})
	}
	r.extent, r.committed, r.caughtUp = extent, c.was, true
	return c.st, snap.Tracked + c.count, nil
}

// sayLost tells the operator that the stream was purged, emptied by age or made anew. All resources find that out
// at about the same time: it is said for the first of them.
func (d *Differ) sayLost(name schemas.Resource, ends, known uint64) {
	d.mu.Lock()
	level := zap.WarnLevel
	if now := time.Now(); now.Sub(d.lossSaid) < lossPause {
		level = zap.DebugLevel
	} else {
		d.lossSaid = now
	}
	d.mu.Unlock()
	d.Log.Log(level, "the stream has lost events that the store knows of; nothing is told again",
		zap.String("account", d.Account), zap.String("resource", string(name)),
		zap.Uint64("stream_sequence", ends), zap.Uint64("stored_sequence", known))
}

// lossPause is how long it is not said again that the stream has lost events.
const lossPause = time.Hour

// catching is one catchUp at work.
type catching struct {
	d     *Differ
	r     *resource
	was   []byte // the state as the store has it
	st    state
	kept  checkpoint // beside the stream; no feeds if there is none
	lost  bool       // the stream was read from its start, because its end is gone
	batch []stored
	count int // events that the store did not have
	aside []aside
}

type stored struct {
	sequence uint64 // in the stream
	event    schemas.Event
}

// read reads back and commits all events behind the stream sequence after.
func (c *catching) read(ctx context.Context, after uint64) (schemas.Extent, error) {
	extent, err := c.d.Publisher.ReadBack(ctx, c.d.Account, c.r.name, after,
		func(sequence uint64, e schemas.Event) error {
			c.batch = append(c.batch, stored{sequence, e})
			if len(c.batch) < catchUpBatch {
				return nil
			}
			return c.flush(ctx)
		})
	if err != nil {
		return extent, fmt.Errorf("read the stream back: %w", err)
	}
	return extent, c.flush(ctx)
}

// flush commits the batch. An event is taken up if its sequence is above the record's own, so that to read one twice
// does nothing.
func (c *catching) flush(ctx context.Context) error {
	if len(c.batch) == 0 {
		return nil
	}
	ids := make([]schemas.ID, len(c.batch))
	for i := range c.batch {
		ids[i] = c.batch[i].event.RecordID
	}
	snap, err := c.d.Store.Load(ctx, c.d.Account, c.r.name, ids)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if !bytes.Equal(snap.State, c.was) {
		return fmt.Errorf("read the stream back: %w", ErrConflict)
	}
	next := c.st.next()
	entries, shapes := make(map[schemas.ID][]byte), make(map[uint32]string)
	last := make(map[schemas.ID]told, len(ids))
	for i, e := range c.r.recall(&next, snap).entries {
		if e != nil {
			last[ids[i]] = told{e.sequence, e.states, true}
		}
	}
	for i := range c.batch {
		s := &c.batch[i]
		c.follow(&next, s)
		before := last[s.event.RecordID]
		if before.known && s.event.Sequence <= before.sequence {
			continue
		}
		packed, sh, states, err := c.r.reprint(&s.event, before, next.Forgotten)
		if err != nil {
			if len(c.aside) < maxAside {
				c.aside = append(c.aside, aside{SetAside{ID: s.event.RecordID, List: schemas.Live, Reason: err.Error()}, !before.known})
			}
			continue
		}
		last[s.event.RecordID] = told{s.event.Sequence, states, true}
		entries[s.event.RecordID], shapes[sh.number] = packed, sh.text
		c.count++
	}
	c.batch = c.batch[:0]
	return c.write(ctx, next, entries, shapes)
}

// follow takes from one event what the resource's state learns of it.
func (c *catching) follow(next *state, s *stored) {
	e := &s.event
	if c.st.Revision == 0 && next.Rebuilt == "" {
		next.Rebuilt, next.Scheme = rebuilding, c.r.printer.scheme
	}
	if next.Rebuilt == rebuilding && next.Oldest.IsZero() {
		next.Oldest = e.Time
		// What is older than this event was numbered below its place in the stream.
		next.Floor = s.sequence
	}
	if !c.lost {
		next.Stream = s.sequence
	}
	if next.Rebuilt != rebuilding {
		return
	}
	next.Began = e.Began
	if !wasSearched(e) {
		c.advance(next, e.Time)
	}
}

// advance moves the cursor of every feed up to t.
func (c *catching) advance(next *state, t time.Time) {
	for _, feed := range c.r.spec.Feeds {
		mark := next.Marks[feed.Name]
		if feed.Stamp != "" && t.After(mark.Cursor) {
			mark.Cursor, mark.Horizon = t, t
		}
		next.Marks[feed.Name] = mark
	}
}

// wasSearched tells whether e is of a record that was searched for and not found. Its time is our clock's, and no cursor.
func wasSearched(e *schemas.Event) bool {
	if e.Verb != schemas.Deleted || e.Print == nil {
		return false
	}
	_, packed, err := openPrint(e.Print)
	if err != nil {
		return false
	}
	last, err := unpack(packed)
	return err == nil && last.states&gone != 0
}

// settle ends the reading: what could not be known before the stream was read to its end.
func (c *catching) settle(ctx context.Context, extent schemas.Extent) error {
	next := c.st.next()
	switch {
	case c.st.Rebuilt == rebuilding, c.st.Revision == 0 && c.kept.Feeds != nil:
		c.rebuild(&next, extent)
	case c.lost:
		if !extent.Dropped || extent.Newest < c.st.Stream {
			c.beginAnew(&next)
		}
		next.Stream = extent.Last
	case c.st.Revision > 0 && extent.Last > c.st.Stream:
		// Something that is no event of ours stands on the resource's subjects. The next publish has to expect it.
		next.Stream = extent.Last
	default:
		return nil
	}
	return c.write(ctx, next, nil, nil)
}

// beginAnew takes note that the stream was made anew: should the store be lost one day, nothing of it tells that there were events
// before. What came into being up to now may have been told in those, and their numbers went as far as the old stream.
func (c *catching) beginAnew(next *state) {
	next.Floor += c.st.Stream
	if cursor := next.Marks[schemas.Live].Cursor; cursor.After(next.Began) {
		next.Began = cursor
	}
}

// rebuild makes the state of a resource whose store was lost: from the events, which were taken in already, and from the
// checkpoint.
func (c *catching) rebuild(next *state, extent schemas.Extent) {
	next.Rebuilt, next.Scheme = rebuilt, c.r.printer.scheme
	dropped := extent.Dropped || extent.Last < c.kept.Stream
	oldest := next.Oldest // of what the stream holds
	// Events behind the checkpoint are among those that were dropped only if the first that is there comes behind it, too, or is of
	// a stream that was made anew.
	since := c.st.Floor > c.kept.Stream || c.st.Floor > 0 && extent.Last < c.kept.Stream
	if c.kept.Feeds != nil {
		next.Began = c.kept.Began
		next.Floor = max(next.Floor, c.kept.Floor-c.kept.Stream) // what streams before this one gave
	}
	if dropped {
		next.Floor = max(next.Floor, c.kept.Floor, c.kept.High)
		if oldest.IsZero() { // it holds nothing of the resource
			oldest = c.kept.Feeds[schemas.Live].Cursor
			next.Floor = max(next.Floor, extent.Newest)
		}
		if oldest.After(next.Began) {
			// The events of records that came into being before the oldest event we have may be among those that
			// were dropped: such a record, met again, is not told as new.
			next.Began = oldest
		}
	}
	// What is older was there at the first look, or its events were dropped.
	c.advance(next, next.Began)
	for name, p := range c.kept.Feeds {
		mark := p.mark(next.Began, dropped)
		if dropped && since && oldest.After(mark.Cursor) {
			mark.Cursor, mark.Horizon = oldest, oldest // what was told in between may be among what was dropped
		}
		next.Marks[name] = mark
	}
	if cursor := c.kept.Feeds[schemas.Live].Cursor; dropped && cursor.After(next.Began) {
		next.Began = cursor // the stream is not in the order of stamps: what it dropped may be younger than what it holds
	}
	next.Stream = max(next.Stream, extent.Last)
}

func (c *catching) write(ctx context.Context, next state, entries map[schemas.ID][]byte, shapes map[uint32]string) error {
	if err := c.d.commit(ctx, c.r, c.was, next, entries, shapes, len(entries)); err != nil {
		return err
	}
	c.was, c.st = c.r.committed, next
	return nil
}

var errNoPrint = errors.New("its event holds neither record nor fingerprint")

// told is what was told of a record so far, if it is known.
type told struct {
	sequence uint64
	states   stateSet
	known    bool
}

// after are the states that were told once an event of verb was, whose record is in those of record. The record says what
// the event after it tells, too, and that one may never have been stored: then it must be told still.
func (t told) after(verb schemas.Verb, record stateSet) stateSet {
	entered := verbState(verb)
	switch {
	case verb == schemas.Created:
		return 0
	case !t.known:
		return record | entered
	case verb == schemas.Restored || entered != 0:
		return t.states&record | entered // a state that the record does not tell itself is told by the verb
	default:
		return t.states
	}
}

// reprint makes the entry of the record as the event told it. before is what was told before it, and oldest the generation below
// which an entry counts for nothing.
func (r *resource) reprint(e *schemas.Event, before told, oldest int) ([]byte, *shape, stateSet, error) {
	if e.Record != nil {
		f, err := r.print(e.RecordID, e.Record, nil)
		if err != nil {
			return nil, nil, 0, err
		}
		f.states.set = before.after(e.Verb, f.states.set)
		updated := e.Time
		if r.unstamped() {
			updated = time.Time{} // the event's is when it was seen
		}
		return pack(e.Sequence, updated, &f), f.shape, f.states.set, nil
	}
	if e.Print == nil {
		return nil, nil, 0, errNoPrint
	}
	text, packed, err := openPrint(e.Print)
	if err != nil {
		return nil, nil, 0, err
	}
	old, err := unpack(packed)
	if err != nil {
		return nil, nil, 0, err
	}
	sh := parseShape(old.shape, text)
	// A generation that the store has forgotten must not be taken for the next one's, nor one from before it forgot for nothing.
	if generation := min(max(sh.Generation, oldest), r.printer.generation); generation != sh.Generation {
		sh.Generation = generation
		sh = r.printer.makeShape(sh.shapeText)
		old.shape = sh.number
		packed = old.bytes()
	}
	return packed, sh, old.states, nil
}
