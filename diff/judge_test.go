package diff_test

import (
	"bytes"
	"context"
	"slices"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// judge compares what was told of a history with what happened in it.
func (h *history) judge(t *rapid.T) {
	byRecord := make(map[string][]schemas.Event)
	ids := make(map[string]bool)
	since := make(map[string]bool) // the last renewal, something was told of them
	for i, m := range h.stream.messages {
		if ids[m.event.ID] {
			t.Fatalf("the id %s stands twice in the stream", m.event.ID)
		}
		ids[m.event.ID] = true
		id := string(m.event.RecordID)
		byRecord[id] = append(byRecord[id], m.event)
		since[id] = since[id] || i >= h.renewed
	}
	shown, hidden, err := h.differ.Known(context.Background(), patients)
	known := slices.Concat(shown, hidden)
	if err != nil {
		t.Fatal(err)
	}
	for id, versions := range h.versions {
		h.judgeRecord(t, id, versions, byRecord[id])
		gone := h.last(id).gone
		if slices.Contains(known, schemas.ID(id)) == gone {
			t.Fatalf("record %s: gone: %v, and the bridge knows of %v", id, gone, known)
		}
		if h.snapshot && h.renewed >= 0 && !gone && !since[id] {
			t.Fatalf("record %s: no snapshot of the renewed baseline", id)
		}
	}
}

func (h *history) judgeRecord(t *rapid.T, id string, versions []version, events []schemas.Event) {
	existed := h.opened[id]
	hidden := existed > 0 && versions[existed-1].gone // at the first look: nobody knows since when it is there
	// Whether a record of the opening's own second was there at the opening, only the store knew.
	blur := h.lost && at(versions[0].created).Equal(h.began)
	told, sequence, snapshots := existed-1, uint64(0), 0
	content := version{} // that was told last
	deleted := false     // it was, last
	for i, e := range events {
		if e.Sequence <= sequence {
			t.Fatalf("record %s: sequence %d behind %d", id, e.Sequence, sequence)
		}
		sequence = e.Sequence
		if (e.Verb == schemas.Created) != (i == 0 && existed == 0) && !blur && !hidden {
			t.Fatalf("record %s: event %d is %s, versions before the bridge: %d", id, i, e.Verb, existed)
		}
		if (e.Verb == schemas.Restored) != deleted {
			t.Fatalf("record %s: event %d is %s, and was it deleted before: %v", id, i, e.Verb, deleted)
		}
		if deleted = e.Verb == schemas.Deleted; deleted {
			if told = removal(versions, told+1); told < 0 || e.Record != nil || e.Changed != nil {
				t.Fatalf("record %s: event %d tells of a deletion that was none", id, i)
			}
			continue
		}
		v := h.versionOf(id, e, max(told, 0))
		if v < 0 {
			t.Fatalf("record %s: event %d tells of no version behind %d", id, i, told)
		}
		same := versions[v].same(content)
		if i > 0 && content.name != "" {
			h.judgeChange(t, id, i, e, same, versions[v].updated > content.updated)
			if want := fieldsChanged(content, versions[v]); e.Changed != nil && !slices.Equal(e.Changed, want) {
				t.Fatalf("record %s: event %d: changed is %v, want %v", id, i, e.Changed, want)
			}
		}
		if e.Verb == schemas.Snapshot {
			snapshots++
		}
		told, content = v, versions[v]
	}
	if snapshots > 0 && !h.snapshot || snapshots > 1+h.renewals {
		t.Fatalf("record %s: %d snapshots, renewed %d times", id, snapshots, h.renewals)
	}
	last := versions[len(versions)-1]
	switch {
	case last.gone && len(events) == 0: // it may not have been met at all; that it is not known is judged above
	case last.gone != deleted:
		t.Fatalf("record %s: gone: %v, told as deleted: %v", id, last.gone, deleted)
	case last.gone:
	case len(events) == 0 && removal(versions, 0) >= 0 && (blur || h.lost && existed > 0):
		// It changed, went before we looked, and came back when the store was new.
	case len(events) == 0 && existed == 0:
		t.Fatalf("record %s: never told", id)
	case len(events) == 0 && !last.same(versions[existed-1]):
		t.Fatalf("record %s: its change was never told", id)
	case len(events) > 0 && !last.same(content):
		t.Fatalf("record %s: the last state was never told", id)
	}
}

// judgeChange judges whether event i may tell of a version that is the same as the one told before, or not.
func (h *history) judgeChange(t *rapid.T, id string, i int, e schemas.Event, same, moved bool) {
	switch {
	case e.Verb == schemas.Restored:
	case e.Verb == schemas.Snapshot && !same:
		t.Fatalf("record %s: event %d is a snapshot of a change", id, i)
	case h.rekeyed && moved && e.Changed == nil: // it was touched while nothing could be compared
	case e.Verb == schemas.Updated && same:
		t.Fatalf("record %s: event %d tells of no change", id, i)
	}
}

// removal is the first version from there on in which the record is gone, -1 if there is none.
func removal(versions []version, from int) int {
	for v := from; v < len(versions); v++ {
		if versions[v].gone {
			return v
		}
	}
	return -1
}

// versionOf finds the version that e tells of, from the one told before on.
func (h *history) versionOf(id string, e schemas.Event, from int) int {
	for v := from; v < len(h.versions[id]); v++ {
		if !h.versions[id][v].gone && bytes.Equal(e.Record, h.versions[id][v].record(id).Raw) {
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
