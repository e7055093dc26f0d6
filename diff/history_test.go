package diff_test

import (
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
	strict   bool // no record has two versions of one second; only then may the fingerprint key change
	rekeyed  bool // it has
	renewals int  // how often the baseline was renewed, or tried to be
	renewed  int  // how many events there were when it was last renewed, if the store was not lost since; -1 else
}

type version struct {
	created, updated int
	name, city       string
	gone             bool // the clinic has removed the record
}

func (v version) record(id string) schemas.Record {
	raw := fmt.Sprintf(`{"id":%q,"created_at":%q,"updated_at":%q,"name":%q,"city":%q}`,
		id, schemas.FormatStamp(at(v.created)), schemas.FormatStamp(at(v.updated)), v.name, v.city)
	return schemas.Record{ID: schemas.ID(id), CreatedAt: at(v.created), UpdatedAt: at(v.updated), Stamp: at(v.updated), Raw: []byte(raw)}
}

func (v version) same(w version) bool { return v.name == w.name && v.city == w.city }

func (h *history) last(id string) version { return h.versions[id][len(h.versions[id])-1] }

// pick names one of the records that are gone, or that are not, nearly always the same few; "" if there is none.
func (h *history) pick(gone bool) string {
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(h.versions)), func(id string) bool { return h.last(id).gone != gone })
	if len(ids) == 0 {
		return ""
	}
	return rapid.SampledFrom(ids).Draw(h.T, "id")
}

func (h *history) tick() { h.now += rapid.SampledFrom([]int{0, 0, 1, 30}).Draw(h.T, "seconds") }

func (h *history) create() {
	h.tick()
	h.versions[strconv.Itoa(len(h.versions)+1)] = []version{{created: h.now, updated: h.now, name: "A", city: "Geelong"}}
}

// edit gives a record another version: few values, so that it comes back to one it had.
func (h *history) edit() {
	if id := h.pick(false); id != "" {
		h.change(id, h.last(id))
	}
}

func (h *history) change(id string, v version) {
	h.tick()
	if h.strict {
		h.now = max(h.now, v.updated+1)
	}
	v.updated = h.now
	if !rapid.Bool().Draw(h.T, "touch only") {
		v.name = rapid.SampledFrom([]string{"A", "B", "C"}).Draw(h.T, "name")
		if rapid.Bool().Draw(h.T, "move") {
			v.city = rapid.SampledFrom([]string{"Geelong", "Torquay"}).Draw(h.T, "city")
		}
	}
	h.versions[id] = append(h.versions[id], v)
}

// remove takes a record away, and tells nobody.
func (h *history) remove() {
	if id := h.pick(false); id != "" {
		v := h.last(id)
		v.gone = true
		h.versions[id] = append(h.versions[id], v)
	}
}

// bring brings back a record that was removed: as it was, or edited meanwhile.
func (h *history) bring() {
	id := h.pick(true)
	if id == "" {
		return
	}
	v := h.last(id)
	v.gone = false
	if rapid.Bool().Draw(h.T, "as it was") {
		h.versions[id] = append(h.versions[id], v)
	} else {
		h.change(id, v)
	}
}

// list is what the API would give: the records stamped in the range, oldest first.
func (h *history) list(from, to time.Time) []schemas.Record {
	var out []schemas.Record
	for _, id := range slices.Sorted(maps.Keys(h.versions)) {
		rec := h.last(id).record(id)
		if !h.last(id).gone && !rec.UpdatedAt.Before(from) && !rec.UpdatedAt.After(to) {
			out = append(out, rec)
		}
	}
	slices.SortStableFunc(out, func(a, b schemas.Record) int { return a.UpdatedAt.Compare(b.UpdatedAt) })
	return out
}

// poll reads as the poller does: the opening look, the baseline at some time, the changes since the cursor in pages. In the
// end it looks for what is gone or was missed, at some time.
func (h *history) poll(ctx context.Context, atLast bool) error {
	st, err := h.differ.Standing(ctx, patients)
	if err != nil {
		return err
	}
	all := h.list(at(-1000), at(h.now))
	if !st.Opened {
		page := opening(0, all...)
		page.Began, page.Mark, page.Date = time.Time{}, schemas.Mark{}, at(h.now)
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
		if _, err = h.differ.Accept(ctx, page); err != nil {
			h.lost = true // its snapshots may be there, and the store is made from them
		}
		return err
	}
	if !st.Marks[schemas.Baseline].Done && (atLast || rapid.Bool().Draw(h.T, "baseline first")) {
		page := schemas.Page{Resource: patients, Feed: schemas.Live, Baseline: true, Records: h.list(at(-1000), st.Marks[schemas.Live].Horizon), Mark: schemas.Mark{Done: true}}
		if _, err := h.differ.Accept(ctx, page); err != nil {
			return err
		}
	}
	cursor := st.Marks[schemas.Live].Cursor
	rows := h.list(cursor.Add(-5*time.Second), at(h.now))
	size := rapid.IntRange(1, 4).Draw(h.T, "page")
	left := len(rows)
	for chunk := range slices.Chunk(rows, size) {
		if last := chunk[len(chunk)-1].UpdatedAt; last.After(cursor) {
			cursor = last
		}
		page := schemas.Page{Resource: patients, Feed: schemas.Live, Records: chunk, Mark: schemas.Mark{Cursor: cursor}, Total: left, Date: at(h.now)}
		left -= len(chunk)
		if _, err := h.differ.Accept(ctx, page); err != nil {
			return err
		}
	}
	if atLast || rapid.IntRange(0, 3).Draw(h.T, "sweep") == 0 {
		return h.sweep(ctx, schemas.Mark{Cursor: cursor})
	}
	return nil
}

// sweep compares what the bridge knows with what there is.
func (h *history) sweep(ctx context.Context, mark schemas.Mark) error {
	page := schemas.Page{
		Resource: patients, Feed: schemas.Live, Swept: true, Mark: mark, ReadAt: at(h.now + 1_000_000),
		Records: h.list(at(-1000), at(h.now)),
	}
	shown, hidden, err := h.differ.Known(ctx, patients)
	if err != nil {
		return err
	}
	known := slices.Concat(shown, hidden)
	slices.Sort(known)
	for _, id := range known {
		if h.last(string(id)).gone {
			page.Gone = append(page.Gone, id)
		}
	}
	_, err = h.differ.Accept(ctx, page)
	return err
}

// renew begins the baseline anew. After an error it is not known whether it is.
func (h *history) renew(ctx context.Context) {
	h.renewals++
	h.renewed = -1
	if h.differ.Renew(ctx, patients) == nil {
		h.renewed = len(h.stream.messages)
	}
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

// For any history of a clinic and any faults, kills, and stores put back or lost, records removed and brought back,
// baselines renewed and keys changed: the events of each record, replayed, give its last state; none is told twice, none
// goes back in time, and `changed` is what changed.
func TestAnyHistoryIsToldOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{T: rt, bench: &bench{store: difftest.NewMemory(), stream: &stream{}}, versions: map[string][]version{}, renewed: -1}
		h.snapshot = rapid.Bool().Draw(rt, "snapshots")
		h.strict = rapid.Bool().Draw(rt, "strict")
		h.every = rapid.SampledFrom([]time.Duration{1, time.Hour}).Draw(rt, "between checkpoints")
		h.restart(rt)
		for range rapid.IntRange(0, 3).Draw(rt, "before") {
			h.create()
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			h.step(t)
		}
		for range 3 {
			if err := h.poll(t.Context(), true); err != nil {
				rt.Fatalf("a poll without a fault: %v", err)
			}
		}
		h.judge(rt)
	})
}

func (h *history) step(t *testing.T) {
	t.Helper()
	switch rapid.IntRange(0, 17).Draw(h.T, "step") {
	case 0:
		h.create()
	case 1, 2, 3:
		h.edit()
	case 4:
		h.remove()
	case 5:
		h.bring()
	case 6:
		h.restart(h.T)
	case 7:
		image := h.store.Snapshot()
		h.backup = &image
	case 8:
		if h.backup != nil {
			h.lost, h.renewed = true, -1
			h.store.Restore(*h.backup)
			h.takeOver(h.T)
		}
	case 9:
		if len(h.stream.messages)+len(h.stream.checkpoints) > 0 { // else it is a new bridge, that knows of no yesterday
			h.store.Flush()
			h.lost, h.renewed = true, -1
			h.backup = nil
			h.restart(h.T)
		}
	case 10:
		h.fault()
		h.renew(t.Context())
	case 11:
		if h.strict {
			h.rekeyed = true
			h.secret = rapid.SampledFrom([]string{"k", "q"}).Draw(h.T, "key")
			h.restart(h.T)
		}
	default:
		h.fault()
		_ = h.poll(t.Context(), false) // it may fail: that is the point
	}
	h.store.OnLoad, h.store.OnCommit, h.stream.onPublish = nil, nil, nil
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
