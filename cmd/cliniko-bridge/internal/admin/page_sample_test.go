package admin

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/live"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// sampleNow is what the bridge's clock says in the samples: far from the browser's, which must not matter.
var sampleNow = time.Date(2027, 3, 27, 10, 3, 57, 0, time.UTC)

// invented are names of accounts for pictures. Beyond them they are numbered.
var invented = []string{
	"northside", "harbour", "elm-street", "riverbend", "lakeview", "old-mill", "station-road", "westgate", "hillcrest", "kingfisher",
	"brookside", "st-aidan", "orchard", "greenway", "seaview", "mill-lane", "bluegum", "parkside", "copperfield", "lighthouse",
	"three-oaks", "southbank", "meadow", "glasshouse", "ferry-point", "banksia", "quayside", "fernhill", "saddlers", "moorings",
}

func accountName(i int) string {
	if i < len(invented) {
		return invented[i]
	}
	return fmt.Sprintf("clinic-%04d", i+1)
}

// sampleLine is one account that is well, with 40 resources. It is the same each time.
func sampleLine(i int) live.Line {
	r := rand.New(rand.NewPCG(7, uint64(i)))
	updated := 40 + r.IntN(900)
	return live.Line{
		Name: accountName(i), State: live.StateWell, Lag: 3 + float64(r.IntN(9)), Resources: 40, Tracked: 4000 + r.IntN(90000),
		Events: map[schemas.Verb]int{
			schemas.Updated: updated, schemas.Created: updated / 4, schemas.Cancelled: updated / 15, schemas.Archived: updated / 60, schemas.Deleted: r.IntN(3),
		},
		Budget: live.Budget{PerMinute: 180, Spent: map[string]int{"live": 44 + r.IntN(20), "side": 12 + r.IntN(9)}},
	}
}

// sampleDetail is an account with its resources, those of the newer edition and some more to be 40.
func sampleDetail(line live.Line) live.Detail {
	r := rand.New(rand.NewPCG(11, uint64(len(line.Name))))
	detail := live.Detail{Line: line}
	specs := schemas.Catalogue("2025")
	for i := range 40 {
		name := schemas.Resource(fmt.Sprintf("further_%02d", i))
		if i < len(specs) {
			name = specs[i].Resource
		}
		lag := r.IntN(14)
		row := live.Row{
			Resource: name, State: live.StateWell, Lag: float64(lag), LastPoll: stampAt(-lag), NextPoll: stampAt(1 + r.IntN(15)),
			Cursor: stampAt(-lag - r.IntN(900)), Tracked: r.IntN(24000), Events: map[schemas.Verb]int{}, Baseline: BaselineComplete,
			Sweep: "2 deleted, 0 missed",
		}
		if i%3 == 0 {
			row.Events[schemas.Updated], row.Events[schemas.Created] = 10+r.IntN(200), r.IntN(40)
		}
		detail.Rows = append(detail.Rows, row)
	}
	return detail
}

func stampAt(seconds int) string {
	return sampleNow.Add(time.Duration(seconds) * time.Second).Format(time.RFC3339)
}

// sampleOverview is a bridge that is well, with n accounts.
func sampleOverview(n int) live.Overview {
	o := live.Overview{
		Now: sampleNow, Started: sampleNow.Add(-27*time.Hour - 12*time.Minute), Version: "1.4.0", Holder: "bridge-0/4711/9f86d0",
		Totals: live.Totals{
			Accounts: n, Followed: n, Resources: 40 * n, Lag: 14, DelayMedian: 3.2, DelayMost: 11.8, Events: map[schemas.Verb]int{},
			Budget: live.Budget{Spent: map[string]int{}},
		},
	}
	for i := range n {
		line := sampleLine(i)
		o.Accounts = append(o.Accounts, line)
		o.Totals.Tracked += line.Tracked
		o.Totals.Budget.PerMinute += line.Budget.PerMinute
		for verb, count := range line.Events {
			o.Totals.Events[verb] += count
		}
		for lane, count := range line.Budget.Spent {
			o.Totals.Budget.Spent[lane] += count
		}
	}
	return o
}

// samplePoints are hours of points that end at sampleNow: a morning that grows busy, with a quiet quarter of an hour.
func samplePoints(hours, perMinute float64) []live.Point {
	r := rand.New(rand.NewPCG(3, 5))
	n := int(hours * 360)
	points := make([]live.Point, n)
	for i := range points {
		at := sampleNow.Add(time.Duration(i-n) * 10 * time.Second).Truncate(10 * time.Second)
		busy := perMinute / 6 * (0.35 + 0.65*math.Pow(float64(i)/float64(n), 1.4)) * (1 + 0.25*math.Sin(float64(i)/70))
		events := max(0, int(busy+(r.Float64()-0.5)*busy*1.2+r.Float64()))
		if i > n*5/9 && i < n*5/9+90 {
			events = 0
		}
		points[i] = live.Point{At: at, Events: events, Spent: map[string]int{"live": 9}}
		if events > 0 {
			points[i].DelayMedian = 2.4 + r.Float64()*1.6
			points[i].DelayMost = points[i].DelayMedian + 1.5 + r.ExpFloat64()*2.2
		}
	}
	return points
}

// sampleTold is the i-th event of a busy day, an account's among the first accounts.
func sampleTold(i, accounts int) live.Told {
	r := rand.New(rand.NewPCG(13, uint64(i)))
	kinds := []struct {
		resource schemas.Resource
		verb     schemas.Verb
		changed  []string
	}{
		{"individual_appointments", schemas.Updated, []string{"notes", "patient_arrived"}},
		{"individual_appointments", schemas.Updated, []string{"ends_at", "starts_at"}},
		{"individual_appointments", schemas.Cancelled, []string{"cancellation_note", "cancellation_reason", "cancelled_at"}},
		{"patients", schemas.Updated, []string{"email", "patient_phone_numbers"}},
		{"individual_appointments", schemas.Created, nil},
		{"invoices", schemas.Updated, []string{"closed_at", "status"}},
		{"treatment_notes", schemas.Updated, []string{"content", "draft"}},
		{"patients", schemas.Created, nil},
		{"attendees", schemas.Updated, []string{"arrived"}},
		{"contacts", schemas.Archived, []string{"archived_at"}},
		{"individual_appointments", schemas.Deleted, nil},
	}
	kind := kinds[r.IntN(len(kinds))]
	return live.Told{
		At: sampleNow.Add(time.Duration(i-400) * 700 * time.Millisecond), Account: accountName(r.IntN(accounts)), Resource: kind.resource,
		ID: schemas.ID(fmt.Sprint(1_000_000_000 + r.IntN(900_000_000))), Verb: kind.verb, Sequence: 1 + r.Uint64N(40), Changed: kind.changed,
		Delay: 1.5 + r.Float64()*4,
	}
}

func sampleTail(n, accounts int) []live.Told {
	told := make([]live.Told, n)
	for i := range told {
		told[i] = sampleTold(i+400-n, accounts)
	}
	return told
}
