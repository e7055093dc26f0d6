package diff_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// An owned account is an account of a few records that several owners follow, of which one has the lease, or thinks so.
type owned struct {
	store    *difftest.Memory
	stream   *stream
	key      diff.Key
	now      int            // the clinic's second
	versions map[string]int // of each record: how often it was edited, its creation counted
	updated  map[string]int // the second of the last of these
	started  int            // owners so far
	stale    int            // how often one went on with a page whose lease was lost
}

// An owner is one process. It goes on by one step when it is let: whoever is not let is frozen, while the clock goes on.
// Its steps are each question to the store and to the stream, and each message of a page.
type owner struct {
	*owned
	name   string
	differ *diff.Differ // nil: it has no lease, as far as it knows
	lease  diff.Lease
	extend func(until time.Time)

	let    chan struct{}
	busy   atomic.Bool // a page is under way
	killed bool        // it ends at its next step
	forgot bool        // the store has forgotten its lease
	free   bool        // it need not be let
}

func (m *owned) newOwner() *owner {
	m.started++
	return &owner{owned: m, name: fmt.Sprintf("owner-%d", m.started), let: make(chan struct{})}
}

// step waits until the owner is let go on.
func (o *owner) step() {
	if o.free {
		return
	}
	<-o.let
	if o.killed {
		runtime.Goexit()
	}
	if o.lease.Until().Before(time.Now()) {
		o.stale++
	}
}

// goOn lets the owner take one step: to ask for the lease, to begin with a page, or what comes next of the page it has.
func (o *owner) goOn(ctx context.Context) {
	switch {
	case o.busy.Load():
		o.let <- struct{}{}
	case o.differ == nil:
		o.acquire(ctx)
	default:
		o.busy.Store(true)
		go func() {
			defer o.busy.Store(false)
			if err := o.poll(ctx); errors.Is(err, diff.ErrLeaseLost) {
				o.differ = nil
			}
		}()
	}
	synctest.Wait()
}

func (o *owner) acquire(ctx context.Context) {
	asked := time.Now()
	lease, err := o.store.Acquire(ctx, "northside", o.name, ttl)
	if err != nil {
		return
	}
	o.forgot = false
	o.lease, o.extend = diff.WithUntil(lease, asked.Add(ttl))
	o.differ = diff.New(diff.Config{
		Account: "northside", Lease: o.lease, Store: steppedStore{o.store, o}, Publisher: steppedStream{o.stream, o}, Key: o.key,
		Spec: testSpec, Log: zap.NewNop(), Metrics: diff.NewMetrics(prometheus.NewRegistry()),
	})
}

func (o *owner) renew(ctx context.Context) {
	asked := time.Now()
	if o.differ != nil && o.store.Renew(ctx, o.lease, ttl) == nil {
		o.extend(asked.Add(ttl))
	}
}

// poll reads all that there is, as a page whose first event goes alone.
func (o *owner) poll(ctx context.Context) error {
	st, err := o.differ.Standing(ctx, patients)
	if err != nil {
		return err
	}
	o.step()
	page := opening(0)
	if st.Opened {
		page = live(o.now, o.rows()...)
	}
	o.step()
	_, err = o.differ.Accept(ctx, page)
	return err
}

func (m *owned) rows() (rows []schemas.Record) {
	for second := range m.now + 1 {
		for i := range len(m.versions) {
			if id := fmt.Sprint(i + 1); m.updated[id] == second {
				rows = append(rows, row(id, 1, second, fmt.Sprint(m.versions[id])))
			}
		}
	}
	return rows
}

func (m *owned) edit(id string) {
	m.versions[id]++
	m.updated[id] = m.now
}

// steppedStore is the store as one owner sees it. An answer that it waits for is a step of its own.
type steppedStore struct {
	*difftest.Memory
	o *owner
}

func (s steppedStore) Load(ctx context.Context, account string, resource schemas.Resource, ids []schemas.ID) (diff.Snapshot, error) {
	s.o.step()
	snap, err := s.Memory.Load(ctx, account, resource, ids)
	s.o.step()
	return snap, err
}

func (s steppedStore) Commit(ctx context.Context, lease diff.Lease, c diff.Commit) error {
	s.o.step()
	err := s.Memory.Commit(ctx, lease, c)
	s.o.step()
	return err
}

// steppedStream is the stream as one owner sees it: the first event of a page on condition, the others one after the other,
// as long as the publisher may send. Between that look at the clock and the message's arrival there is no step: bytes that
// a suspended process had handed to its socket are not in this model.
type steppedStream struct {
	*stream
	o *owner
}

func (s steppedStream) Publish(ctx context.Context, events []schemas.Event, last uint64) (uint64, error) {
	for i := range events {
		s.o.step()
		if until, ok := ctx.Deadline(); ok && !time.Now().Before(until) {
			return 0, context.DeadlineExceeded
		}
		if i > 0 && s.o.forgot {
			return 0, errFault // behind the first event the clock alone is a fence, and right only as long as the store forgets no lease
		}
		if i > 0 {
			s.mu.Lock()
			last = s.last("northside", patients)
			s.mu.Unlock()
		}
		end, err := s.stream.Publish(context.WithoutCancel(ctx), events[i:i+1], last)
		if err != nil {
			return 0, err
		}
		last = end
	}
	s.o.step()
	return last, nil
}

func (s steppedStream) ReadBack(ctx context.Context, account string, resource schemas.Resource, after uint64,
	f func(uint64, schemas.Event) error,
) (schemas.Extent, error) {
	s.o.step()
	return s.stream.ReadBack(ctx, account, resource, after, f)
}

// An action is something that happens to an owned account.
type action struct{ what, who, times int }

func (m *owned) act(ctx context.Context, all []*owner, a action) {
	i := a.who % len(all)
	switch a.what {
	case 0, 1: // the clinic edits some records
		m.now += a.who
		for n := range a.times%4 + 1 {
			m.edit(fmt.Sprint(n + 1))
		}
	case 2:
		time.Sleep(time.Duration(a.times) * time.Second)
	case 3:
		all[i].renew(ctx)
	case 4:
		all[i].kill()
		all[i] = m.newOwner()
	case 5: // the store forgets the lease: the owner thinks that it has it, and another takes it and tells what is new
		all[i].forgot = true
		_ = m.store.Release(ctx, all[i].lease)
		for range 3 * a.times {
			all[(i+1)%len(all)].goOn(ctx)
		}
	default:
		for range a.times {
			all[i].goOn(ctx)
		}
	}
}

// kill ends what the owner does.
func (o *owner) kill() {
	o.killed = true
	if o.busy.Load() {
		o.let <- struct{}{}
		synctest.Wait()
	}
}

// play lets the actions happen. In the end all who still have a page in their hands wake and go on with it, and one who takes
// over then does the rest.
func (m *owned) play(ctx context.Context, actions []action) {
	all := []*owner{m.newOwner(), m.newOwner(), m.newOwner()}
	for _, a := range actions {
		m.act(ctx, all, a)
	}
	time.Sleep(2 * ttl)
	last := m.newOwner()
	last.free = true
	last.goOn(ctx)
	for range 2 { // the opening, if nobody came that far
		last.goOn(ctx)
	}
	for _, o := range all {
		for o.busy.Load() {
			o.goOn(ctx)
		}
	}
	for range 3 {
		last.goOn(ctx)
	}
}

// wrong is what is wrong with what was told: of each record every version at most once, in order, the last one always.
func (m *owned) wrong() (list []string) {
	told := make(map[string]int)
	ids := make(map[string]bool)
	for _, msg := range m.stream.messages {
		e := msg.event
		version := versionOf(e.Record)
		id := string(e.RecordID)
		if version <= told[id] || ids[e.ID] || (e.Verb == schemas.Created) != (told[id] == 0) {
			list = append(list, fmt.Sprintf("%s of record %s tells version %d behind %d", e.Verb, id, version, told[id]))
		}
		told[id], ids[e.ID] = version, true
	}
	for id, last := range m.versions {
		if told[id] != last {
			list = append(list, fmt.Sprintf("record %s: version %d was told last, of %d", id, told[id], last))
		}
	}
	return list
}

// versionOf is the version that the record's name is.
func versionOf(record []byte) int {
	var body struct {
		Name int `json:"name,string"`
	}
	_ = json.Unmarshal(record, &body) // 0 is no version
	return body.Name
}

// However the steps of owners interleave - each takes the lease when it can, renews it or not, reads a page, publishes it
// message by message and commits, is frozen anywhere, killed, forgotten by the store, or wakes when others have had the account - each record's
// changes are told once, in order, and the last state of each is told.
func TestOwnersThatFreezeAndWakeTellEachChangeOnce(t *testing.T) {
	key, err := diff.NewKey(strings.Repeat("k", 32))
	if err != nil {
		t.Fatal(err)
	}
	stale := 0
	rapid.Check(t, func(rt *rapid.T) {
		actions := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) action {
			return action{rapid.IntRange(0, 10).Draw(t, "what"), rapid.IntRange(0, 2).Draw(t, "who"), rapid.IntRange(1, 16).Draw(t, "times")}
		}), 10, 60).Draw(rt, "actions")
		m := &owned{
			store: difftest.NewMemory(), stream: &stream{}, key: key, now: 1,
			versions: make(map[string]int), updated: make(map[string]int),
		}
		synctest.Test(t, func(t *testing.T) { m.play(t.Context(), actions) })
		for _, fault := range m.wrong() {
			rt.Error(fault)
		}
		stale += m.stale
	})
	if stale == 0 {
		t.Error("nobody woke with a page of the past in its hands")
	}
}
