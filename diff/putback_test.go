package diff_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// For any history of a clinic beside a stream that drops its oldest events, and a store that is lost, or put back to any earlier day,
// with any faults: no id stands twice among all events that ever were in the stream, the numbers of a record rise, no version of
// it is told after a newer one, or twice - unless a checkpoint stands at its very second, which may not have been read to its end -
// and none is created but by its first event, who came after the first look. Without faults, everybody's last state is told.
func TestAStoreThatIsPutBackFarInventsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{T: rt, bench: &bench{store: difftest.NewMemory(), stream: &stream{}}, versions: map[string][]version{}, strict: true, renewed: -1}
		h.thin = rapid.Bool().Draw(rt, "thin")
		h.restart(rt)
		for range rapid.IntRange(0, 3).Draw(rt, "before") {
			h.create()
		}
		faulty := rapid.Bool().Draw(rt, "faults")
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 10).Draw(rt, "step") {
			case 0:
				h.create()
			case 1, 2, 3:
				h.edit()
			case 4:
				_ = h.poll(t.Context(), false) // what is dropped is days old: it was committed once, and a checkpoint followed
				h.stream.drop(rapid.IntRange(1, 5).Draw(rt, "dropped"))
			case 5:
				if _, err := h.differ.Standing(t.Context(), patients); err == nil { // not in the middle of a rebuilding
					image := h.store.Snapshot()
					h.backup = &image
				}
			case 6:
				if h.backup != nil {
					h.store.Restore(*h.backup)
					h.takeOver(rt)
				}
			case 7:
				if len(h.stream.checkpoints) > 0 {
					h.store.Flush()
					h.restart(rt)
				}
			default:
				if faulty {
					h.fault()
				}
				_ = h.poll(t.Context(), false)
				h.store.OnLoad, h.store.OnCommit, h.stream.onPublish = nil, nil, nil
			}
		}
		h.restart(rt)
		for range 3 {
			if err := h.poll(t.Context(), true); err != nil {
				rt.Fatalf("a poll without a fault: %v", err)
			}
		}
		last := h.judgeEver(rt)
		for id, versions := range h.versions {
			told, known := last[id]
			if !known {
				told = h.opened[id] - 1
			}
			if !faulty && (told < 0 || !versions[told].same(h.last(id))) {
				rt.Fatalf("record %s: its last state was never told", id)
			}
		}
	})
}

// judgeEver judges all events that ever were in the stream, and returns which version of each record was told last.
func (h *history) judgeEver(t *rapid.T) map[string]int {
	ids := make(map[string]bool)
	sequence := make(map[string]uint64)
	last := make(map[string]int)
	for _, m := range slices.Concat(h.stream.dropped, h.stream.messages) {
		e, id := m.event, string(m.event.RecordID)
		before, told := last[id]
		if !told {
			before = h.opened[id] - 1
		}
		now := slices.IndexFunc(h.versions[id], func(v version) bool { return at(v.updated).Equal(e.Time) }) // they are strict
		switch {
		case ids[e.ID]:
			t.Fatalf("the id %s stands twice", e.ID)
		case e.Sequence <= sequence[id]:
			t.Fatalf("record %s: sequence %d behind %d", id, e.Sequence, sequence[id])
		case e.Verb == schemas.Created && (told || h.opened[id] > 0):
			t.Fatalf("record %s is created by an event that is not its first, or was there before", id)
		case now < before || told && now == before && (e.Changed != nil || !h.stream.stoodAt(e.Time)):
			t.Fatalf("record %s: version %d is told behind %d: %s %v", id, now, before, e.Verb, e.Changed)
		case e.Changed != nil && told && !slices.Equal(e.Changed, fieldsChanged(h.versions[id][before], h.versions[id][now])):
			t.Fatalf("record %s: changed is %v between versions %d and %d", id, e.Changed, before, now)
		}
		ids[e.ID], sequence[id], last[id] = true, e.Sequence, now
	}
	return last
}
