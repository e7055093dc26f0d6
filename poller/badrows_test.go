package poller

import (
	"slices"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// idsOf are the ids of the rows of pages that are no records, each once.
func idsOf(pages []schemas.Page) []schemas.ID {
	var ids []schemas.ID
	for i := range pages {
		for _, row := range pages[i].Bad {
			ids = append(ids, row.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Rows that are no records go to the sink with their page, wherever they are met: the sink keeps the list of them.
func TestTheSinkIsToldOfRowsThatAreNoRecords(t *testing.T) {
	l, s := newList(), newSink(t)
	b := &badList{l, map[schemas.ID]bool{"7": true, "210": true, "390": true, "555": true}}
	l.create(150) // the baseline's
	l.now = 5000
	l.create(250) // the second of the opening look, 151 to 400
	r := newReader(b, s)
	r.mustFollow(t)
	if got, want := idsOf(s.pages[:1]), []schemas.ID{"210", "390"}; !s.pages[0].Opening || !slices.Equal(got, want) {
		t.Errorf("the opening look: got %v, want %v", got, want)
	}
	r.mustBaseline(t)
	l.now = 5060
	l.create(200) // 401 to 600, a second that is read by ids
	l.now = 5070
	l.create(1)
	r.mustFollow(t)
	if got, want := idsOf(s.pages), []schemas.ID{"210", "390", "555", "7"}; !slices.Equal(got, want) {
		t.Errorf("in the end: got %v, want %v", got, want)
	}
}

// So they do from the sweep's pages, even if there is nothing else on one that is news to it.
func TestTheSweepHandsOnRowsThatAreNoRecords(t *testing.T) {
	l, s := newList(), newSink(t)
	l.create(1)
	r := newReader(l, s)
	r.mustFollow(t)
	page := &cliniko.Page{Bad: []schemas.BadRow{{ID: "9", Reason: "no updated_at"}}}
	if _, err := (&sweep{resource: r.resource}).hand(t.Context(), r, page); err != nil {
		t.Fatal(err)
	}
	if got := idsOf(s.pages); !slices.Equal(got, []schemas.ID{"9"}) {
		t.Errorf("got %v, want the row handed on", got)
	}
}
