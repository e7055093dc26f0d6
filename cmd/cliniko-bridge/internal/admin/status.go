package admin

import (
	"encoding/json"
	"time"

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
	// Tracked is how many records are known.
	Tracked int `json:"tracked"`
	// Cursor is how far the resource's own list was read: the API's clock.
	Cursor Time `json:"cursor"`
	// LastPoll and NextPoll are by the bridge's clock.
	LastPoll Time `json:"last_poll"`
	NextPoll Time `json:"next_poll"`
	// LastError is why the last poll failed, "" if it did not.
	LastError string `json:"last_error"`
	// Events counts what was published since the process began, by verb.
	Events map[schemas.Verb]int `json:"events"`
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
