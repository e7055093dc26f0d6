package diff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Config is what a Differ is made of.
type Config struct {
	Account   string // its name in the configuration
	Lease     Lease  // under which everything is committed
	Store     Store
	Publisher Publisher
	Key       Key // keys the fingerprints
	// Spec returns the row of the catalogue of each resource that pages come of.
	Spec     func(schemas.Resource) schemas.Spec
	Snapshot bool // publish a snapshot event for each record that the baseline meets; default: silent
	Thin     bool // publish events without the record
	// CheckpointEvery is the least time between two checkpoints of a resource; 0 means DefaultCheckpointEvery.
	CheckpointEvery time.Duration
	// Told, if non-nil, is given the events of each page once they are committed, in their order; the list is its own. Events
	// that are read back from the stream after a stop are not among them. It must not block: the resource waits for it.
	Told    func([]Told)
	Log     *zap.Logger
	Metrics *Metrics
}

// ErrStanding says that the page does not fit what is known by now: the store was put back, lost or rebuilt, or
// another process has told events, since the standing was asked for. Nothing was published. Ask for the standing, and
// read the page again.
var ErrStanding = errors.New("the resource's standing has changed")

// A Differ turns the pages of one account into events, for as long as it has the account's lease. It is safe for
// concurrent use; the pages of one resource are handled one after the other.
type Differ struct {
	Config

	mu        sync.Mutex
	resources map[schemas.Resource]*resource // guarded by mu
	lossSaid  time.Time                      // guarded by mu; when it was said last that the stream has lost events

	asides asides
}

// New makes a Differ. It asks nothing of store or publisher yet.
func New(c Config) *Differ {
	return &Differ{Config: c, resources: make(map[schemas.Resource]*resource)}
}

// resource is what a Differ remembers of one resource between pages.
type resource struct {
	account  string
	name     schemas.Resource
	spec     schemas.Spec
	snapshot bool
	thin     bool
	maxBytes int

	mu      sync.Mutex // held for a whole page; guards all below
	printer *printer
	shapes  map[uint32]*shape
	// committed is the state as it was last seen in the store by this process. If the store has another one day, it
	// was put back or lost, and the stream may know more than it does.
	committed []byte
	// caughtUp is false until the stream has been compared with the store, and again after anything whose end is not
	// known.
	caughtUp bool
	extent   schemas.Extent // of the stream, when it was last compared
	keeping  keeping
}

func (d *Differ) resource(name schemas.Resource) *resource {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.resources[name]
	if r == nil {
		r = &resource{
			account: d.Account, name: name, snapshot: d.Snapshot, thin: d.Thin,
			shapes: make(map[uint32]*shape),
		}
		r.spec = d.Spec(name)
		r.printer = newPrinter(d.Key, d.Account, &r.spec, func(field string, change fieldChange) {
			d.Metrics.drift.tell(d.Log, d.Account, name, field, change)
		})
		d.resources[name] = r
		d.Metrics.begin(name)
	}
	return r
}

// Standing returns how far name has been read. It first makes sure that the store knows all that the stream knows: it is
// where every doubt ends, and the only place where the stream is read back.
func (d *Differ) Standing(ctx context.Context, name schemas.Resource) (schemas.Standing, error) {
	r := d.resource(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	d.loadAsides(ctx)
	st, tracked, err := d.catchUp(ctx, r)
	if err == nil && st.Revision > 0 && st.Scheme != r.printer.scheme {
		d.Log.Warn("the fingerprint key, the canonical form or the edition of the API is another one than before: "+
			"what exists is taken up anew in silence, and what has changed since the cursor is told",
			zap.String("account", d.Account), zap.String("resource", string(name)))
		st, err = d.renew(ctx, r, st, st.Generation)
	}
	if err != nil {
		r.caughtUp = false
		return schemas.Standing{}, fmt.Errorf("%s/%s: %w", d.Account, name, err)
	}
	return st.standing(tracked), nil
}

// Accept tells what changed in page and returns nil once every record of it may be forgotten: its event is in the
// stream and its fingerprint in the store, or nothing changed. After an error nothing is lost, and nothing is known:
// ask for the Standing, read again, and give what was read.
//
// The page must have been read after the last Standing. If anything has happened behind the Differ's back since - the
// store was put back, another process has told events - the page may be older than what is known by now, and is refused
// with ErrStanding. An error that wraps ErrLeaseLost ends this Differ: somebody else has the account.
func (d *Differ) Accept(ctx context.Context, page schemas.Page) (schemas.Outcome, error) {
	r := d.resource(page.Resource)
	r.mu.Lock()
	defer r.mu.Unlock()
	var out schemas.Outcome
	err := d.round(ctx, r, &page, &out)
	if err == nil {
		return out, nil
	}
	r.caughtUp = false // what was published or committed is not known: find out before the next page is read
	if errors.Is(err, schemas.ErrStreamAhead) || errors.Is(err, ErrConflict) {
		d.Metrics.refused.Inc()
		err = fmt.Errorf("%w: %w", ErrStanding, err)
	}
	return out, fmt.Errorf("%s/%s: %w", d.Account, page.Resource, err)
}

// round is the order of commitment. Everything that is ever told is told here, in this order.
//
// A fault at any step leaves nothing that needs a hand: before the next page is read, in this process or the next, the
// store is brought to where the stream is (catchUp), and the page comes again.
func (d *Differ) round(ctx context.Context, r *resource, page *schemas.Page, out *schemas.Outcome) error {
	// 1. Look up. The state has to be the one that this process left, or found when it caught up with the stream.
	if !r.caughtUp {
		return ErrStanding
	}
	records := once(page.Records)
	ids := make([]schemas.ID, len(records), len(records)+len(page.Gone)+len(page.Bad))
	for i := range records {
		ids[i] = records[i].ID
	}
	ids = append(ids, page.Gone...)
	for i := range page.Bad {
		if id := page.Bad[i].ID; id != "" {
			ids = append(ids, id)
		}
	}
	snap, err := d.Store.Load(ctx, d.Account, r.name, ids)
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if !bytes.Equal(snap.State, r.committed) {
		return ErrStanding
	}
	st, err := parseState(snap.State)
	if err != nil {
		return err
	}
	if page.Opening == (st.Revision > 0) {
		return ErrStanding
	}
	r.learn(snap.Shapes)
	r.printer.renew(st.Generation)
	r.maxBytes = d.Publisher.MaxBytes()

	// 2. Decide. Nothing has happened yet: to stop here is to have done nothing.
	next := st.next()
	if st.Revision == 0 {
		next.Began, next.Stream, next.Scheme = page.Began, r.extent.Last, r.printer.scheme
		if r.extent.Dropped {
			next.Floor = r.extent.Newest
		}
	}
	name, mark := page.MarkName(), page.Mark
	if was, ok := st.Marks[name]; ok {
		mark.Horizon = was.Horizon
	}
	plan := r.decide(&next, r.recall(&next, snap), page, records)
	out.SetAside, out.Tracked = len(plan.setAside), snap.Tracked+plan.newcomers
	next.Marks[name] = mark

	// 3. Publish, and wait for every acknowledgement. The first event goes alone, on the condition that the stream
	// ends where the store thinks; none is sent once the lease may be another's. If we stop before the first is
	// stored, nothing has happened. If we stop behind it - some events stored, or all, acknowledged to us or not - the
	// store's Stream is too low now, so that catchUp reads back what is there, and the page comes again because its
	// mark was not committed.
	if len(plan.events) > 0 {
		plan.events[0].After = next.high() + 1
		if next.Stream, err = d.publish(ctx, plan.events, next.Stream); err != nil {
			return fmt.Errorf("publish %d events: %w", len(plan.events), err)
		}
	}

	// 4. Commit fingerprints, sequences, the mark and the stream's sequence in one step, under the lease. If we stop
	// before it or it is refused, all of it is as after step 3. If it is done and its reply is lost, catchUp sees
	// the new state, and the page, coming again, finds nothing to tell.
	// A page without news, which is most of them, writes nothing.
	now := &st
	if len(plan.entries) > 0 || st.Revision == 0 || st.Marks[name] != mark {
		if err := d.commit(ctx, r, snap.State, next, plan.entries, plan.shapes, page.Total); err != nil {
			return err
		}
		now = &next
	}

	// 5. Keep how far the feeds were read beside the stream, now and then. To stop before it leaves an older checkpoint,
	// which costs nothing as long as the store is there.
	d.keep(ctx, r, now, page)

	// 6. Count, and list what was set aside. To stop here loses something on a page for operators.
	d.shelve(ctx, r, page, records, &plan)
	out.Late, out.Missed = plan.late, plan.missed
	d.count(plan.events, out)
	d.tell(plan.events)
	return nil
}

// publish publishes for as long as the lease surely lasts. A process that was suspended in the middle, and wakes when
// another has the account, must not send the rest.
func (d *Differ) publish(ctx context.Context, events []schemas.Event, last uint64) (uint64, error) {
	if until := d.Lease.Until(); !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	return d.Publisher.Publish(ctx, events, last)
}

func (d *Differ) commit(ctx context.Context, r *resource, was []byte, next state, entries map[schemas.ID][]byte,
	shapes map[uint32]string, expect int,
) error {
	b := next.bytes()
	err := d.Store.Commit(ctx, d.Lease, Commit{
		Account: d.Account, Resource: r.name, Was: was, State: b, Entries: entries, Shapes: shapes, Expect: expect,
	})
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	r.committed = b
	r.learn(shapes)
	return nil
}

// learn takes up shapes that the store has, and with them the undocumented fields that were seen before our time.
func (r *resource) learn(shapes map[uint32]string) {
	for number, text := range shapes {
		if r.shapes[number] != nil {
			continue
		}
		s := parseShape(number, text)
		r.shapes[number] = s
		for _, extra := range s.Extras {
			r.printer.adopt(extra)
		}
	}
}

// known is what the store has of the records of a page.
type known struct {
	entries []*entry // nil: the record is unknown
	shapes  map[uint32]*shape
}

func (k *known) shape(e *entry) *shape {
	if e == nil {
		return nil
	}
	return k.shapes[e.shape]
}

func (r *resource) recall(st *state, snap Snapshot) *known {
	k := &known{entries: make([]*entry, len(snap.Entries)), shapes: r.shapes}
	for i, b := range snap.Entries {
		if b == nil {
			continue
		}
		e, err := unpack(b)
		if err != nil {
			// It was there, so the record is no newcomer. No record's sequence is above that.
			e = entry{sequence: st.high()}
		} else if st.forgot(r.shapes[e.shape]) {
			continue
		}
		k.entries[i] = &e
	}
	return k
}

// once returns records with each ID standing once, in its newest version; of two with one stamp the later counts.
func once(records []schemas.Record) []schemas.Record {
	at := make(map[schemas.ID]int, len(records))
	out := make([]schemas.Record, 0, len(records))
	for _, rec := range records {
		i, twice := at[rec.ID]
		switch {
		case !twice:
			at[rec.ID] = len(out)
			out = append(out, rec)
		case !rec.Stamp.Before(out[i].Stamp):
			out[i] = rec
		}
	}
	return out
}

func (d *Differ) count(events []schemas.Event, out *schemas.Outcome) {
	if len(events) > 0 && out.Events == nil {
		out.Events = make(map[schemas.Verb]int)
	}
	for i := range events {
		e := &events[i]
		out.Events[e.Verb]++
		d.Metrics.events.WithLabelValues(string(e.Resource), string(e.Verb)).Inc()
		if e.Verb != schemas.Snapshot { // which tells of what is long known
			d.Metrics.delay.WithLabelValues(string(e.Resource)).Observe(max(0, time.Since(e.Time).Seconds()))
		}
	}
}
