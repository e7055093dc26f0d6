package diff_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// history is a clinic of a few records, polled by a bridge that is made to fail.
type history struct {
	*rapid.T
	*bench
	now      int
	versions map[string][]version // by id, oldest first
	opened   map[string]int       // how many versions each record had when the bridge opened the resource; nil before
	began    time.Time            // the second of that opening
	lost     bool                 // the store was lost, or put back, at some time
	backup   *difftest.Image
}

type version struct {
	created, updated int
	name, city       string
}

func (v version) record(id string) schemas.Record {
	raw := fmt.Sprintf(`{"id":%q,"created_at":%q,"updated_at":%q,"name":%q,"city":%q}`,
		id, schemas.FormatStamp(at(v.created)), schemas.FormatStamp(at(v.updated)), v.name, v.city)
	return schemas.Record{ID: schemas.ID(id), CreatedAt: at(v.created), UpdatedAt: at(v.updated), Stamp: at(v.updated), Raw: []byte(raw)}
}

func (v version) same(w version) bool { return v.name == w.name && v.city == w.city }

// pick names one of the records, nearly always the same few.
func (h *history) pick() string {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(h.versions))).Draw(h.T, "id")
}

func (h *history) tick() { h.now += rapid.SampledFrom([]int{0, 0, 1, 30}).Draw(h.T, "seconds") }

func (h *history) create() {
	h.tick()
	h.versions[strconv.Itoa(len(h.versions)+1)] = []version{{h.now, h.now, "A", "Geelong"}}
}

// edit gives a record another version: few values, so that it comes back to one it had.
func (h *history) edit() {
	if len(h.versions) == 0 {
		return
	}
	h.tick()
	id := h.pick()
	v := h.versions[id][len(h.versions[id])-1]
	v.updated = h.now
	if rapid.Bool().Draw(h.T, "touch only") {
		h.versions[id] = append(h.versions[id], v)
		return
	}
	v.name = rapid.SampledFrom([]string{"A", "B", "C"}).Draw(h.T, "name")
	if rapid.Bool().Draw(h.T, "move") {
		v.city = rapid.SampledFrom([]string{"Geelong", "Torquay"}).Draw(h.T, "city")
	}
	h.versions[id] = append(h.versions[id], v)
}

// list is what the API would give: the records stamped in the range, oldest first.
func (h *history) list(from, to time.Time) []schemas.Record {
	var out []schemas.Record
	for _, id := range slices.Sorted(maps.Keys(h.versions)) {
		v := h.versions[id]
		rec := v[len(v)-1].record(id)
		if !rec.UpdatedAt.Before(from) && !rec.UpdatedAt.After(to) {
			out = append(out, rec)
		}
	}
	slices.SortStableFunc(out, func(a, b schemas.Record) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	return out
}

// poll reads as the poller does: the opening look, the baseline at some time, the changes since the cursor in pages.
func (h *history) poll(ctx context.Context) error {
	st, err := h.differ.Standing(ctx, patients)
	if err != nil {
		return err
	}
	all := h.list(at(-1000), at(h.now))
	if !st.Opened {
		page := opening(0, all...)
		page.Began, page.Mark = time.Time{}, schemas.Mark{}
		if len(all) > 0 {
			page.Began = all[len(all)-1].UpdatedAt
			page.Mark = schemas.Mark{Cursor: page.Began, Horizon: page.Began}
			page.Records = slices.DeleteFunc(all, func(r schemas.Record) bool { return r.UpdatedAt.Before(page.Began) })
		}
		h.opened = make(map[string]int) // the last try is the one that counted
		for id, v := range h.versions {
			h.opened[id] = len(v)
		}
		h.began = page.Began
		_, err = h.differ.Accept(ctx, page)
		return err
	}
	if !st.Marks[schemas.Baseline].Done && rapid.Bool().Draw(h.T, "baseline first") {
		page := schemas.Page{Resource: patients, Feed: schemas.Live, Baseline: true, Records: h.list(at(-1000), st.Marks[schemas.Live].Horizon), Mark: schemas.Mark{Done: true}}
		if _, err := h.differ.Accept(ctx, page); err != nil {
			return err
		}
	}
	cursor := st.Marks[schemas.Live].Cursor
	rows := h.list(cursor.Add(-5*time.Second), at(h.now))
	size := rapid.IntRange(1, 4).Draw(h.T, "page")
	for chunk := range slices.Chunk(rows, size) {
		if last := chunk[len(chunk)-1].UpdatedAt; last.After(cursor) {
			cursor = last
		}
		page := schemas.Page{Resource: patients, Feed: schemas.Live, Records: chunk, Mark: schemas.Mark{Cursor: cursor}}
		if _, err := h.differ.Accept(ctx, page); err != nil {
			return err
		}
	}
	return nil
}

func (h *history) fault() {
	switch rapid.IntRange(0, 4).Draw(h.T, "fault") {
	case 0:
		faults["look up fails"](h.bench)
	case 1:
		h.publishes(rapid.IntRange(-1, 1).Draw(h.T, "stored"))
	case 2:
		h.commits(false)
	case 3:
		h.commits(true)
	default:
	}
}

// For any history of a clinic and any faults, kills, and stores put back or lost: the events of each record, replayed,
// give its last state; none is told twice, none goes back in time, and `changed` is what changed.
func TestAnyHistoryIsToldOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ctx := t.Context()
		h := &history{T: rt, bench: &bench{store: difftest.NewMemory(), stream: &stream{}}, versions: map[string][]version{}}
		h.restart(rt)
		for range rapid.IntRange(0, 3).Draw(rt, "before") {
			h.create()
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 11).Draw(rt, "step") {
			case 0:
				h.create()
			case 1, 2, 3:
				h.edit()
			case 4:
				h.restart(rt)
			case 5:
				image := h.store.Snapshot()
				h.backup = &image
			case 6:
				if h.backup != nil {
					h.lost = true
					h.store.Restore(*h.backup)
					h.takeOver(rt)
				}
			case 7:
				if len(h.stream.messages) > 0 { // else it is a new bridge, that knows of no yesterday
					h.store.Flush()
					h.lost = true
					h.backup = nil
					h.restart(rt)
				}
			default:
				h.fault()
				_ = h.poll(ctx) // it may fail: that is the point
				h.store.OnLoad, h.store.OnCommit, h.stream.onPublish = nil, nil, nil
			}
		}
		for range 3 {
			if err := h.poll(ctx); err != nil {
				rt.Fatalf("a poll without a fault: %v", err)
			}
		}
		h.judge(rt)
	})
}

// takeOver gives the bridge a lease again if the one it had was not in the backup.
func (h *history) takeOver(t *rapid.T) {
	if h.store.Renew(context.Background(), h.differ.Lease, time.Hour) != nil {
		h.store.Restore(*h.backup)
		lease, err := h.store.Acquire(context.Background(), "northside", "test", time.Hour)
		if err != nil {
			t.Skip("the backup's lease is another's") // a new process would wait for its end
		}
		_ = h.store.Release(context.Background(), lease)
		h.restart(t)
	}
}

func (h *history) judge(t *rapid.T) {
	byRecord := make(map[string][]schemas.Event)
	ids := make(map[string]bool)
	for _, m := range h.stream.messages {
		if ids[m.event.ID] {
			t.Fatalf("the id %s stands twice in the stream", m.event.ID)
		}
		ids[m.event.ID] = true
		byRecord[string(m.event.RecordID)] = append(byRecord[string(m.event.RecordID)], m.event)
	}
	for id, versions := range h.versions {
		h.judgeRecord(t, id, versions, byRecord[id])
	}
}

func (h *history) judgeRecord(t *rapid.T, id string, versions []version, events []schemas.Event) {
	existed := h.opened[id]
	told, sequence := max(existed-1, -1), uint64(0)
	last := versions[len(versions)-1]
	for i, e := range events {
		if e.Sequence <= sequence {
			t.Fatalf("record %s: sequence %d behind %d", id, e.Sequence, sequence)
		}
		sequence = e.Sequence
		// Whether a record of the opening's own second was there at the opening, only the store knew.
		blur := h.lost && at(versions[0].created).Equal(h.began)
		if (e.Verb == schemas.Created) != (i == 0 && existed == 0) && !blur {
			t.Fatalf("record %s: event %d is %s, versions before the bridge: %d", id, i, e.Verb, existed)
		}
		v := h.versionOf(id, e, max(told, 0))
		if v < 0 {
			t.Fatalf("record %s: event %d tells of no version behind %d", id, i, told)
		}
		if i > 0 && versions[v].same(versions[told]) {
			t.Fatalf("record %s: event %d tells of no change", id, i)
		}
		if e.Changed != nil && i > 0 {
			if want := fieldsChanged(versions[told], versions[v]); !slices.Equal(e.Changed, want) {
				t.Fatalf("record %s: event %d: changed is %v, want %v", id, i, e.Changed, want)
			}
		}
		told = v
	}
	switch {
	case len(events) == 0 && existed == 0:
		t.Fatalf("record %s: never told", id)
	case len(events) == 0 && !last.same(versions[existed-1]):
		t.Fatalf("record %s: its change was never told", id)
	case len(events) > 0 && !last.same(versions[told]):
		t.Fatalf("record %s: the last state was never told", id)
	}
}

// versionOf finds the version that e tells of, from the one told before on.
func (h *history) versionOf(id string, e schemas.Event, from int) int {
	for v := from; v < len(h.versions[id]); v++ {
		if bytes.Equal(e.Record, h.versions[id][v].record(id).Raw) {
			return v
		}
	}
	return -1
}

func fieldsChanged(a, b version) []string {
	var out []string
	if a.city != b.city {
		out = append(out, "city")
	}
	if a.name != b.name {
		out = append(out, "name")
	}
	return out
}
