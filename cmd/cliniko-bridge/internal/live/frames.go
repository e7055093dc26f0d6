// Package live is what the operators' page shows while it is open: the frames that go to it by server-sent events, the
// events that were told last, and the figures of the last hours for the plots. It holds ids, names of fields, counts and
// times, and never a value of a record's field.
//
// The stream is GET /live, or GET /live?account=NAME for the page of one account. It begins with a frame of each kind,
// which hold all there is; those that follow hold what is new:
//
//	event: overview   Overview   every two seconds, Accounts only those that are not as they were told last; of those where
//	                             nothing but lag, budget and time left has moved, a hundred a frame, in turn
//	event: account    Detail     the account that was asked for, every two seconds if it has changed
//	event: told       []Told     what was told just now, oldest first, at most four times a second; at first the last 200
//	event: points     []Point    at first all of the last hours, oldest first; then each that is complete
//
// A page that comes back after it lost the connection begins anew with whole frames.
package live

import (
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// An Overview answers in one look: is it well, how fresh is it, what is it doing, what is wrong.
type Overview struct {
	Now     time.Time `json:"now"` // the bridge's clock, UTC; ages are counted from it and not from the browser's
	Started time.Time `json:"started"`
	Version string    `json:"version"`
	Holder  string    `json:"holder"` // names this process, as host/pid/mark
	// Ready holds one sentence for each reason why the bridge is not ready, none if it is.
	Ready []string `json:"ready"`
	// Faults are the worst 100 of what is wrong or set aside; FaultCount is how many there are.
	Faults     []Fault `json:"faults"`
	FaultCount int     `json:"fault_count"`
	Totals     Totals  `json:"totals"`
	// Accounts are all, by name, in a connection's first frame, and then those that have changed since the frame before.
	Accounts []Line `json:"accounts"`
}

// Totals are over all accounts that this process follows.
type Totals struct {
	Accounts  int                  `json:"accounts"` // of the configuration
	Followed  int                  `json:"followed"` // by this process
	Resources int                  `json:"resources"`
	Tracked   int                  `json:"tracked"` // records known
	Events    map[schemas.Verb]int `json:"events"`  // since the process began
	Budget    Budget               `json:"budget"`
	// Lag is the oldest of what is known of any resource, see Line.
	Lag float64 `json:"lag_seconds"`
	// DelayMedian and DelayMost are of the events of the last five minutes, in seconds from a record's updated_at to its
	// event being committed; 0 if there were none.
	DelayMedian float64 `json:"delay_median_seconds"`
	DelayMost   float64 `json:"delay_most_seconds"`
}

// A Budget is how many requests were sent in the last 60 seconds, by lane, of how many that may be.
type Budget struct {
	PerMinute int            `json:"per_minute"`
	Spent     map[string]int `json:"spent"` // lane → requests: "live", "side", "sweep", "baseline", and "earlier", a process's before this
}

// A State says in one word how an account or a resource is.
type State string

// The states, from well to worse.
const (
	StateWell      State = "well"
	StateBaseline  State = "baseline"  // the first look at what exists is under way; changes are told meanwhile
	StateElsewhere State = "elsewhere" // another process follows the account
	StateNotice    State = "notice"    // it goes on, and something waits for an operator: set aside, held, read in another way
	StateLate      State = "late"      // the last poll that came through is longer ago than three of the schedule's intervals and a minute
	StateFailing   State = "failing"   // the last poll did not come through, or the account cannot be followed
)

// A Line is one account in the overview.
type Line struct {
	Name   string `json:"name"`
	State  State  `json:"state"` // the worst of its resources
	Holder string `json:"holder,omitempty"`
	// Lag is how many seconds ago the last poll came through, of the resource where that is longest beyond its schedule; -1 if
	// not known.
	Lag       float64              `json:"lag_seconds"`
	Resources int                  `json:"resources"`
	Tracked   int                  `json:"tracked"`
	Events    map[schemas.Verb]int `json:"events"`
	Budget    Budget               `json:"budget"`
	// BaselineLeft is how many records the baselines have still to read, BaselineSeconds how long that takes; 0 if
	// complete or not known.
	BaselineLeft    int `json:"baseline_left,omitempty"`
	BaselineSeconds int `json:"baseline_seconds_left,omitempty"`
	Faults          int `json:"faults,omitempty"`
}

// A Detail is one account with all its resources.
type Detail struct {
	Line
	Rows []Row `json:"rows"`
}

// A Row is one resource of an account. Times are UTC, to the second; "" means never.
type Row struct {
	Resource        schemas.Resource     `json:"resource"`
	State           State                `json:"state"`
	Lag             float64              `json:"lag_seconds"` // since the last poll that came through; -1 if there was none
	LastPoll        string               `json:"last_poll"`
	NextPoll        string               `json:"next_poll"`
	Cursor          string               `json:"cursor"`
	Tracked         int                  `json:"tracked"`
	Events          map[schemas.Verb]int `json:"events"`
	Baseline        string               `json:"baseline"` // "pending", "running" or "complete"
	BaselineLeft    int                  `json:"baseline_left,omitempty"`
	BaselineSeconds int                  `json:"baseline_seconds_left,omitempty"`
	Sweep           string               `json:"sweep,omitempty"` // a sentence; "" if there never was one
	Sweeping        bool                 `json:"sweeping,omitempty"`
	Faults          []Fault              `json:"faults,omitempty"`
}

// A Fault is what is wrong in plain words, and what an operator does about it.
type Fault struct {
	Account  string           `json:"account,omitempty"`
	Resource schemas.Resource `json:"resource,omitempty"`
	State    State            `json:"state"` // how bad: StateNotice, StateLate or StateFailing
	Text     string           `json:"text"`
	Remedy   string           `json:"remedy"`
}

// A Told is one event that is in the stream.
type Told struct {
	At       time.Time        `json:"at"` // when it was committed, by our clock
	Account  string           `json:"account"`
	Resource schemas.Resource `json:"resource"`
	ID       schemas.ID       `json:"id"`
	Verb     schemas.Verb     `json:"verb"`
	Sequence uint64           `json:"sequence"`
	Changed  []string         `json:"changed"`       // names of fields, 40 at most and then how many more there are; null if not known
	Delay    float64          `json:"delay_seconds"` // from the record's updated_at; 0 for a snapshot, which tells no change
	// Skipped is how many events before this one are not shown, since there were more than a page can follow.
	Skipped int `json:"skipped,omitempty"`
}

// A Point is what happened in ten seconds.
type Point struct {
	At     time.Time      `json:"at"` // when they began
	Events int            `json:"events"`
	Spent  map[string]int `json:"spent"` // lane → requests
	// DelayMedian and DelayMost are of the events of these ten seconds; 0 if there were none.
	DelayMedian float64 `json:"delay_median_seconds"`
	DelayMost   float64 `json:"delay_most_seconds"`
}
