package mock

import (
	"net/http"
	"strconv"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A Fault is the body of POST /_mock/faults. It strikes requests for the API that are let in.
type Fault struct {
	// Kind is what happens:
	//
	//	500 502 503 504  the status, as it comes in bursts
	//	429              too many requests; X-RateLimit-Reset is Seconds away
	//	403              the user of the key may not see it
	//	404              it is not there
	//	slow             the answer comes Seconds later
	//	cut              the connection breaks in the middle of the answer
	//	html             a web page with status 200
	//	empty            a list without records, whatever there is
	//	down             nobody answers: every connection breaks, for every resource, until DELETE /_mock/faults
	Kind string `json:"kind"`
	// Resource is the one that it strikes. "": all.
	Resource schemas.Resource `json:"resource"`
	// Count is how many requests it strikes. 0: all, until DELETE /_mock/faults.
	Count int `json:"count"`
	// Chance is the share of requests that it strikes, above 0 to 1. 0: all.
	Chance float64 `json:"chance"`
	// Seconds are those of 429 and slow. 0: 10 and 5.
	Seconds float64 `json:"seconds"`
}

// inject puts f to work.
func (m *Mock) inject(f Fault) error {
	switch {
	case f.Kind == "down":
		m.down.Store(true)
		return nil
	case f.Resource != "" && m.known(f.Resource, "") != nil:
		return m.known(f.Resource, "")
	case f.Count < 0 || f.Chance < 0 || f.Chance > 1 || f.Seconds < 0 || f.Seconds > 3600:
		return refuse(http.StatusUnprocessableEntity, "count is 0 or more, chance 0 to 1, seconds 0 to 3600")
	}
	fault, ok := f.fault(m.clinic.Now())
	if !ok {
		return refuse(http.StatusUnprocessableEntity,
			"there is no kind %q; it is one of 500, 502, 503, 504, 429, 403, 404, slow, cut, html, empty, down", f.Kind)
	}
	m.api.Inject(clinikotest.Rule{Fault: fault, Resource: f.Resource, Next: f.Count, Chance: f.Chance})
	return nil
}

// heal ends all faults.
func (m *Mock) heal() {
	m.down.Store(false)
	m.api.Heal()
}

func (f *Fault) fault(now time.Time) (clinikotest.Fault, bool) {
	switch f.Kind {
	case "500", "502", "503", "504":
		status, _ := strconv.Atoi(f.Kind) // a number, as the line above says
		return clinikotest.Status(status), true
	case "429":
		return clinikotest.RateLimited(now.Add(f.lasting(10 * time.Second))), true
	case "403":
		return clinikotest.Forbidden(), true
	case "404":
		return clinikotest.NotFound(), true
	case "slow":
		return clinikotest.Slow(f.lasting(5 * time.Second)), true
	case "cut":
		return clinikotest.Cut(), true
	case "html":
		return clinikotest.HTML(), true
	case "empty":
		return clinikotest.EmptyList(), true
	}
	return clinikotest.Fault{}, false
}

func (f *Fault) lasting(usual time.Duration) time.Duration {
	if f.Seconds == 0 {
		return usual
	}
	return time.Duration(f.Seconds * float64(time.Second))
}
