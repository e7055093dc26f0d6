package diff_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const free = schemas.Resource("available_times")

// slotsAt is a reading of free slots, at some minutes of the clinic's day: read at `from`, up to `until`, lead minutes ahead.
func slotsAt(opening bool, from, until, lead int, minutes ...int) schemas.Page {
	var rows []string
	for _, m := range minutes {
		rows = append(rows, fmt.Sprintf(`{"appointment_start":%q}`, schemas.FormatStamp(at(60*m))))
	}
	p := schemas.Page{
		Resource: free, Feed: schemas.Live, Opening: opening, First: opening, Began: at(60 * from), ReadAt: at(60 * from),
		Mark: schemas.Mark{Horizon: at(0)},
		Records: []schemas.Record{{
			ID: "1-2-3", Raw: []byte(`{"available_times":[` + strings.Join(rows, ",") + `]}`),
			Window: &schemas.Window{From: at(60 * from), Until: at(60 * until), Lead: time.Duration(lead) * time.Minute},
		}},
	}
	return p
}

// Between a first reading at minute 0 up to minute 10,000 and a second one, which slots that came or went are a change.
func TestFreeSlots(t *testing.T) {
	const changed = "updated 1-2-3#1 available_times"
	for name, c := range map[string]struct {
		lead   int
		before []int
		from   int
		until  int
		after  []int
		want   string
	}{
		"nothing":                                  {120, []int{200, 230}, 5, 10_000, []int{200, 230}, ""},
		"one is booked":                            {120, []int{200, 230, 260}, 5, 10_000, []int{200, 260}, changed},
		"the first is booked":                      {120, []int{200, 230, 260}, 5, 10_000, []int{230, 260}, changed},
		"the last is booked":                       {120, []int{200, 230, 260}, 5, 10_000, []int{200, 230}, changed},
		"all are booked":                           {120, []int{200, 230}, 5, 10_000, nil, changed},
		"one is freed":                             {120, []int{200, 260}, 5, 10_000, []int{200, 230, 260}, changed},
		"the first of all is freed":                {120, nil, 5, 10_000, []int{200}, changed},
		"one passes":                               {120, []int{200, 230}, 80, 10_000, []int{230}, ""},
		"all pass":                                 {120, []int{200, 230}, 300, 10_000, nil, ""},
		"one passes, another is booked":            {120, []int{200, 230, 260}, 80, 10_000, []int{260}, changed},
		"one comes into sight":                     {120, []int{200}, 5, 11_440, []int{200, 10_000, 10_500}, ""},
		"one comes into sight, another is freed":   {120, []int{200}, 5, 11_440, []int{200, 9_999, 10_500}, changed},
		"the lead time is not known, one passes":   {-1, []int{200, 230}, 80, 10_000, []int{230}, ""},
		"not known, and one in between is booked":  {-1, []int{200, 230, 260}, 80, 10_000, []int{200, 260}, changed},
		"not known, and the first of tomorrow is":  {-1, []int{2_000, 2_030}, 5, 10_000, []int{2_030}, changed},
		"not known, and the first of today is not": {-1, []int{200, 2_030}, 5, 10_000, []int{2_030}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.accept(t, slotsAt(true, 0, 10_000, c.lead, c.before...), slotsAt(false, c.from, c.until, c.lead, c.after...))
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			b.wantTold(t, want...)
			// Whatever was told or not, the same reading again is no news, in another process either.
			b.restart(t)
			b.accept(t, slotsAt(false, c.from, c.until, c.lead, c.after...))
			b.wantTold(t, want...)
		})
	}
}

// What passed in silence is forgotten: should it be seen again, it was freed.
func TestASlotThatPassedAndComesBackIsFreed(t *testing.T) {
	b := newBench(t)
	b.accept(t, slotsAt(true, 0, 10_000, 120, 200, 230), slotsAt(false, 100, 10_000, 120, 230), slotsAt(false, 101, 10_000, 0, 200, 230))
	b.wantTold(t, "updated 1-2-3#1 available_times")
}

// A lost store takes the slots from the last event; what it cannot know of their window is no news.
func TestFreeSlotsOfALostStore(t *testing.T) {
	for _, thin := range []bool{false, true} {
		b := newBench(t)
		b.thin = thin
		b.restart(t)
		b.accept(t, slotsAt(true, 0, 10_000, 120, 200, 230, 260), slotsAt(false, 5, 10_000, 120, 200, 260))
		b.store.Flush()
		b.restart(t)
		b.accept(t, slotsAt(false, 6, 10_000, 120, 200, 260), slotsAt(false, 7, 10_000, 120, 260))
		b.wantTold(t, "updated 1-2-3#1 available_times", "updated 1-2-3#2 available_times")
	}
}

// A record whose slots cannot be read is set aside.
func TestSlotsThatCannotBeRead(t *testing.T) {
	for _, raw := range []string{`{"available_times":[{"start":1}]}`, `{"available_times":null}`, `{"other":1}`} {
		b := newBench(t)
		b.accept(t, slotsAt(true, 0, 10_000, 120, 200))
		page := slotsAt(false, 5, 10_000, 120)
		page.Records[0].Raw = []byte(raw)
		out, err := b.give(t.Context(), page)
		if err != nil || out.SetAside != 1 {
			t.Errorf("%s: %+v, %v", raw, out, err)
		}
	}
}

// An API's clock or a store that is years off is searched no further than a month: each minute of two thousand years would take
// most of one. What is missing in that month is found.
func TestAClockThatIsYearsOffIsNotSearched(t *testing.T) {
	b := newBench(t)
	years := slotsAt(false, 5, 10_000, 120, 200)
	years.Records[0].Window.From = time.Time{}
	b.accept(t, slotsAt(true, 0, 10_000, 120, 200, 230))
	began := time.Now()
	b.accept(t, years)
	b.wantTold(t, "updated 1-2-3#1 available_times")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}
