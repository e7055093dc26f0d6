package live

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Whenever a page reads, it has the events in their order, each once or among those that are said to be skipped, and never
// more at once than it can follow.
func TestATailIsReadInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events tail
		next, cursor, told := 0, uint64(0), 0
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "tell") {
				n := rapid.SampledFrom([]int{0, 1, 3, 100, 250}).Draw(t, "events")
				list := make([]diff.Told, n)
				for i := range list {
					list[i] = diff.Told{Sequence: uint64(told), Verb: schemas.Updated}
					told++
				}
				events.add(list)
				continue
			}
			text, end, more := events.frame(cursor)
			if more != (end < uint64(told)) || (text == nil) != (cursor == uint64(told)) {
				t.Fatalf("from %d of %d: up to %d, more %v", cursor, told, end, more)
			}
			cursor = end
			if text == nil {
				continue
			}
			list := decodeIn[[]Told](t, dataOf(text))
			if len(list) > toldAtOnce {
				t.Fatalf("%d at once", len(list))
			}
			for i, one := range list {
				if next += one.Skipped; one.Sequence != uint64(next) || i > 0 && one.Skipped > 0 {
					t.Fatalf("got %d with %d skipped, want %d", one.Sequence, one.Skipped, next)
				}
				next++
			}
		}
		if next != int(cursor) {
			t.Fatalf("it is at %d and has read up to %d", cursor, next)
		}
	})
}

// A record with thousands of fields, or with one of a name without end, does not fill the page.
func TestNamesOfFieldsAreCutOff(t *testing.T) {
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("field_%d", i))
	}
	if got := shown(many); len(got) != namesShown+1 || got[namesShown] != "… and 960 more" || got[0] != "field_0" {
		t.Errorf("got %d: %v", len(got), got)
	}
	if got := shown([]string{strings.Repeat("ä", 1000)}); len(got[0]) > nameShown+3 {
		t.Errorf("got %d bytes", len(got[0]))
	}
	if shown(nil) != nil || shown([]string{}) == nil {
		t.Error("not known and none are not the same")
	}
}
