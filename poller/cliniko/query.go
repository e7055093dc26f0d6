package cliniko

import (
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Query asks for one page of a list.
type Query struct {
	Path    string   // relative to the base URL: "/appointments"
	Key     string   // the key of the array in the response: "appointments"
	Stamp   string   // the field that fills Record.Stamp: "updated_at"; "" if rows have none
	Filters []Filter // all of them must hold
	// Parameters are sent as they are: "from" and "to" of available times.
	Parameters []Parameter
	Sort       string // a field, or "" for the API's default, created_at
	Desc       bool   // newest first
	Page       int    // from 1; 0 means 1
	PerPage    int    // at most 100; 0 means 100
	Lane       Lane   // whose share of the budget pays
	Paid       bool   // Reserve has paid for it already
}

// A Filter is one condition, sent as q[]=Field:OpValue. The API's operators on a datetime are >=, >, <= and <.
type Filter struct {
	Field, Op, Value string
}

// A Parameter is one parameter of a request.
type Parameter struct {
	Name, Value string
}

// At is a filter that compares a datetime field with t, in the only spelling that every edition takes: UTC, whole
// seconds, a final Z (a client of 2026 saw "+00:00" and a bare date refused with 400).
func At(field, op string, t time.Time) Filter {
	return Filter{Field: field, Op: op, Value: schemas.FormatStamp(t)}
}

// A Page is one answer to a Query.
type Page struct {
	Records []schemas.Record
	// Bad are the rows that are no record: no id, no stamp, no object. The others do not suffer for them.
	Bad []schemas.BadRow
	// Total is total_entries, -1 if the answer has none.
	Total int
	// Next says that the answer links to a further page.
	Next bool
	// Date is the answer's Date header, zero if it has none.
	Date time.Time
}

// Rows is how many rows the page had, bad ones included.
func (p *Page) Rows() int { return len(p.Records) + len(p.Bad) }

// A Lane is a class of requests. The higher lanes are served first; a lane that asks for nothing leaves its share
// to the others.
type Lane int

// The lanes, the most urgent first.
const (
	LaneLive     Lane = iota // following what changes
	LaneSide                 // lists of what is hidden
	LaneSweep                // looking for what is gone
	LaneBaseline             // the first look
	laneCount
)

var laneNames = [laneCount]string{"live", "side", "sweep", "baseline"}

func (l Lane) String() string {
	if l < 0 || l >= laneCount {
		return "unknown"
	}
	return laneNames[l]
}
