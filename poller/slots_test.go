package poller

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// office is a tree with two services of business 1: type 3 by practitioners 21 and 22, type 4 by 21, whose diary is not
// bookable online. Its slots are answered by slots, given the day.
func office(slots func(from, to string, page int) (string, error)) *tree {
	src := newTree()
	src.at("/businesses").create(1)
	link := func(resource string, id int) string {
		return fmt.Sprintf(`{"links":{"self":"https://api.au1.cliniko.com/v1/%s/%d"}}`, resource, id)
	}
	src.objects["/services"] = fmt.Sprintf(`{"services":[{"business":%s,"appointment_type":%s,"practitioners":[%s,%s]},`+
		`{"business":%s,"appointment_type":%s,"practitioners":[%s]}],"total_entries":2}`,
		link("businesses", 1), link("appointment_types", 3), link("practitioners", 22), link("practitioners", 21),
		link("businesses", 1), link("appointment_types", 4), link("practitioners", 21))
	src.objects["/settings"] = `{"account":{"time_zone":"Brisbane"}}`
	src.answer = func(q cliniko.Query) (string, error) {
		var from, to string
		page := 1
		for _, p := range q.Parameters {
			switch p.Name {
			case "from":
				from = p.Value
			case "to":
				to = p.Value
			case "page":
				_, _ = fmt.Sscan(p.Value, &page)
			}
		}
		if !strings.HasSuffix(q.Path, "/available_times") || strings.Contains(q.Path, "/appointment_types/4/") {
			return "", nil
		}
		return slots(from, to, page)
	}
	return src
}

func slotList(total int, starts ...time.Time) string {
	var rows []string
	for _, at := range starts {
		rows = append(rows, fmt.Sprintf(`{"appointment_start":%q}`, schemas.FormatStamp(at)))
	}
	return fmt.Sprintf(`{"available_times":[%s],"total_entries":%d,"links":{}}`, strings.Join(rows, ","), total)
}

// Each diary that the services list is read from today on, in the account's zone, and is known by its three ids. What
// cannot be booked online is no record.
func TestFreeSlotsAreReadForEachDiary(t *testing.T) {
	var asked []string
	src := office(func(from, to string, _ int) (string, error) {
		asked = append(asked, from+" "+to)
		return slotList(1, at(7200)), nil
	})
	s := newSink(t)
	r := walker(src, s, "available_times", zap.NewNop())
	r.days = 3
	r.firstWalks(t)
	want := fmt.Sprintf(`{"available_times":[{"appointment_start":%q}]}`, schemas.FormatStamp(at(7200)))
	if len(s.seen) != 2 || s.seen["1-21-3"] != want || s.seen["1-22-3"] != want || r.status().Baseline != "complete" {
		t.Fatalf("got %v; %+v", s.seen, r.status())
	}
	// 2027-01-15T08:00Z is six in the evening in Brisbane, on the same day.
	if got := slices.Compact(asked); !slices.Equal(got, []string{"2027-01-15 2027-01-17"}) {
		t.Errorf("asked for %q", got)
	}
	for _, p := range s.pages {
		for _, rec := range p.Records {
			if w := rec.Window; w == nil || !w.From.Equal(at(0)) || w.Lead >= 0 || !w.Until.Equal(time.Date(2027, 1, 17, 14, 0, 0, 0, time.UTC)) {
				t.Errorf("%s: the window is %+v", rec.ID, w)
			}
		}
	}
}

// A day that the API says is over is asked for no more, but the next one.
func TestADayThatIsOverIsLeftOut(t *testing.T) {
	src := office(func(from, _ string, _ int) (string, error) {
		if from == "2027-01-15" {
			return "", &cliniko.Error{Kind: cliniko.Refused, Status: 400}
		}
		return slotList(1, at(90_000)), nil
	})
	s := newSink(t)
	r := walker(src, s, "available_times", zap.NewNop())
	r.firstWalks(t)
	if len(s.seen) != 2 || r.status().LastError != "" {
		t.Fatalf("%d records; %+v", len(s.seen), r.status())
	}
	for _, p := range s.pages {
		for _, rec := range p.Records {
			if want := time.Date(2027, 1, 22, 14, 0, 0, 0, time.UTC); !rec.Window.Until.Equal(want) {
				t.Errorf("the window ends at %s, want %s", rec.Window.Until, want)
			}
		}
	}
}

// Slots come in pages; a paging that has no end is an error and no endless loop.
func TestPagesOfFreeSlots(t *testing.T) {
	var all []time.Time
	for i := range 250 {
		all = append(all, at(60*i))
	}
	src := office(func(_, _ string, page int) (string, error) {
		from := min((page-1)*100, 250)
		return slotList(250, all[from:min(from+100, 250)]...), nil
	})
	s := newSink(t)
	r := walker(src, s, "available_times", zap.NewNop())
	r.firstWalks(t)
	var got struct {
		Rows []json.RawMessage `json:"available_times"`
	}
	if err := json.Unmarshal([]byte(s.seen["1-21-3"]), &got); err != nil || len(got.Rows) != 250 {
		t.Fatalf("%d slots, %v", len(got.Rows), err)
	}

	src = office(func(string, string, int) (string, error) { return slotList(1_000_000, all[:100]...), nil })
	s = newSink(t)
	r = walker(src, s, "available_times", zap.NewNop())
	r.firstWalks(t)
	if st := r.status(); len(s.seen) != 0 || !strings.Contains(st.LastError, "have no end") {
		t.Errorf("%d records; %+v", len(s.seen), st)
	}
}

// Nor is one whose pages are enormous read to its fiftieth: all of them are held at once.
func TestEnormousPagesOfFreeSlots(t *testing.T) {
	asked := 0
	src := office(func(string, string, int) (string, error) {
		asked++
		return `{"total_entries":1000000,"available_times":["` + strings.Repeat("x", 1<<20) + `"]}`, nil
	})
	r := walker(src, newSink(t), "available_times", zap.NewNop())
	if _, _, err := r.pages(t.Context(), t.Context(), cliniko.LaneSide, "/available_times", "available_times", nil); err == nil || asked > 10 {
		t.Errorf("%d pages were read, %v", asked, err)
	}
}

// An account whose zone nobody tells is read by UTC, which is said once.
func TestAnUnknownZoneIsUTC(t *testing.T) {
	for name, settings := range map[string]string{"no name": `{"account":{}}`, "another name": `{"account":{"time_zone":"Atlantis"}}`, "no settings": ""} {
		core, logs := observer.New(zap.WarnLevel)
		src := office(func(string, string, int) (string, error) { return slotList(0), nil })
		src.objects["/settings"] = settings
		r := walker(src, newSink(t), "available_times", zap.New(core))
		r.firstWalks(t)
		r.poll(t.Context(), t.Context())
		if n := logs.FilterMessageSnippet("time zone").Len(); n != 1 || r.status().LastError != "" {
			t.Errorf("%s: it was said %d times; %+v", name, n, r.status())
		}
	}
}

func TestZoneNames(t *testing.T) {
	for name, want := range map[string]string{
		"Melbourne": "Australia/Melbourne", "Australia/Perth": "Australia/Perth", "Auckland": "Pacific/Auckland",
		"London": "Europe/London", "Pacific Time (US & Canada)": "America/Los_Angeles", "UTC": "UTC",
		"Mexico City": "America/Mexico_City", "": "", "Atlantis": "", "../../etc/passwd": "", "Local": "",
	} {
		got := ""
		if zone := zoneOf(name); zone != nil {
			got = zone.String()
		}
		if got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}
