package admin

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Status is what a bridge is doing: the body of /status, which is public interface. It holds names, counts and times,
// and nothing of a record.
type Status struct {
	Accounts []Account `json:"accounts"`
}

// An Account is one account of a Status.
type Account struct {
	Name string `json:"name"`
	// Leader says that this process holds the account's lease and polls it.
	Leader bool `json:"leader"`
	// Holder names the process that has the account, this one or another, as host/pid/mark; "" if that is not known.
	Holder string `json:"holder,omitempty"`
	// RequestsPerMinute is the budget; RequestsLastMinute is what was spent of it in the last 60 s.
	RequestsPerMinute  int        `json:"requests_per_minute"`
	RequestsLastMinute int        `json:"requests_last_minute"`
	Resources          []Resource `json:"resources"`
}

// A Resource is one resource of an Account.
type Resource struct {
	Name schemas.Resource `json:"name"`
	// Baseline is BaselinePending, BaselineRunning or BaselineComplete.
	Baseline string `json:"baseline"`
	// BaselineLeft is how many records the baseline has still to read, and BaselineSecondsLeft how long that takes, about.
	// Both are 0 if it is complete, or not known.
	BaselineLeft        int `json:"baseline_left,omitempty"`
	BaselineSecondsLeft int `json:"baseline_seconds_left,omitempty"`
	// Tracked is how many records are known.
	Tracked int `json:"tracked"`
	// Cursor is how far the resource's own list was read: the API's clock.
	Cursor Time `json:"cursor"`
	// LastPoll and NextPoll are by the bridge's clock.
	LastPoll Time `json:"last_poll"`
	NextPoll Time `json:"next_poll"`
	// LastError is why the last poll failed, "" if it did not.
	LastError string `json:"last_error"`
	// Notes are sentences about what else is set aside, or read in another way than usual. They go when that is over.
	Notes []string `json:"notes,omitempty"`
	// SetAsideCount is how many records cannot be handled as they are now, about; nothing is told of them. SetAside are
	// the newest of them, a hundred at most.
	SetAsideCount int             `json:"set_aside_count,omitempty"`
	SetAside      []diff.SetAside `json:"set_aside,omitempty"`
	// Events counts what was published since the process began, by verb.
	Events map[schemas.Verb]int `json:"events"`
	// Sweep is the search for what is gone or was missed; nil if there never was one.
	Sweep *Sweep `json:"sweep,omitempty"`
}

// A Sweep is the search of one resource for what is gone or was missed. While it is running the counts are those so far.
type Sweep struct {
	// Running says that it is under way, or asked for and not begun.
	Running bool `json:"running"`
	// Last is when the last one was done, by the bridge's clock.
	Last Time `json:"last"`
	// Deleted is how many records were told as deleted, and Missed how many were found that nobody had been told of.
	Deleted int `json:"deleted"`
	Missed  int `json:"missed"`
	// Held is how many records are gone of which nothing is told, since they are more than the limit allows: an operator
	// must find out why, and accept it.
	Held int `json:"held"`
	// Trouble is why the last one could not be done, "" if it could.
	Trouble string `json:"trouble"`
}

// String says it all in one line: "running, 3 deleted, 0 missed". The time of the last one is left out.
func (s Sweep) String() string {
	var parts []string
	if s.Running {
		parts = append(parts, "running")
	}
	if s.Running || !s.Last.IsZero() {
		parts = append(parts, fmt.Sprintf("%d deleted, %d missed", s.Deleted, s.Missed))
	}
	if s.Held > 0 {
		parts = append(parts, fmt.Sprintf("%d held", s.Held))
	}
	if s.Trouble != "" {
		parts = append(parts, s.Trouble)
	}
	return strings.Join(parts, ", ")
}

// The values of Resource.Baseline.
const (
	BaselinePending  = "pending"
	BaselineRunning  = "running"
	BaselineComplete = "complete"
)

// A Time is a time in a Status: RFC 3339, UTC, whole seconds in JSON; "" if it is zero, which means never.
type Time struct{ time.Time }

func (t Time) String() string {
	if t.IsZero() {
		return ""
	}
	return schemas.FormatStamp(t.Time)
}

// MarshalJSON writes a time as String does.
func (t Time) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (t *Time) UnmarshalJSON(data []byte) error {
	*t = Time{}
	if string(data) == `""` {
		return nil
	}
	return t.Time.UnmarshalJSON(data)
}

// filled replaces what is nil, so that a program meets [] and {} and never null.
func (s Status) filled() Status {
	accounts := make([]Account, len(s.Accounts))
	for i, a := range s.Accounts {
		resources := make([]Resource, len(a.Resources))
		for j, r := range a.Resources {
			if r.Events == nil {
				r.Events = map[schemas.Verb]int{}
			}
			resources[j] = r
		}
		a.Resources = resources
		accounts[i] = a
	}
	return Status{Accounts: accounts}
}
