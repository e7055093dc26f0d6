package diff_test

import "testing"

// A checkpoint that cannot be read stops nothing as long as the store has the resource, and the next one takes its place.
func TestACheckpointThatCannotBeReadStopsALostStoreAlone(t *testing.T) {
	for name, spoil := range map[string]func(s *stream){
		"it is damaged": func(s *stream) { s.checkpoints["northside/patients"] = []byte("{") },
		"nobody has it": func(s *stream) { s.hidesCheckpoints = true },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.accept(t, opening(0, row("1", -500, 0, "A")), baseline(true))
			spoil(b.stream)
			b.restart(t)
			b.accept(t, live(5, row("1", -500, 5, "B")))
			b.stream.hidesCheckpoints = false
			b.store.Flush()
			b.restart(t)
			b.accept(t, live(7, row("1", -500, 7, "C")))
			b.wantTold(t, "updated 1#1 name", "updated 1#2 name")

			spoil(b.stream)
			b.store.Flush()
			b.restart(t)
			if _, err := b.differ.Standing(t.Context(), patients); err == nil {
				t.Error("a lost store was taken for a new one")
			}
		})
	}
}
