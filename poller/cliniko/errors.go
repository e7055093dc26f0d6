package cliniko

import (
	"fmt"
	"time"
)

// A Kind is what became of a request that brought no page. None of them is ever an empty list.
type Kind int

// The kinds. Retry says which of them are worth asking again as they are.
const (
	Network      Kind = iota // no answer, or a cut one: refused, reset, timed out, ended early
	Server                   // 5xx
	RateLimited              // 429; Error.RetryAfter says when
	Unauthorized             // 401: the key is unknown, revoked, or of another shard
	Forbidden                // 403: this user may not see the list
	NotFound                 // 404: the account has no such list, or the record is gone or hidden
	Refused                  // 400: a filter or a sort that the list does not take
	Unexpected               // any other status, a redirect among them
	BadBody                  // status 200 with something other than the list: HTML, an empty object, broken JSON
	TooLarge                 // a body past the limit
)

// An Error is a request that brought no page. Its text has the path, the status and the kind; it never has the key,
// a query's id, or anything of the body.
type Error struct {
	Kind       Kind
	Path       string        // "/appointments"
	Status     int           // 0 if there was none
	RetryAfter time.Duration // with RateLimited: how long the account has to wait
	Reason     string        // a constant text or the text of a network error; "" if the status says it all
	Err        error         // what caused it, may be nil
}

func (e *Error) Unwrap() error { return e.Err }

// Retry says whether the same request may succeed later without anybody's doing.
func (k Kind) Retry() bool {
	switch k {
	case Network, Server, RateLimited, BadBody, TooLarge, Unexpected:
		return true
	default:
		return false
	}
}

var kindNames = [...]string{
	Network: "network", Server: "server", RateLimited: "rate_limited", Unauthorized: "unauthorized",
	Forbidden: "forbidden", NotFound: "not_found", Refused: "refused", Unexpected: "unexpected",
	BadBody: "bad_body", TooLarge: "too_large",
}

// String is the kind as a metric's label has it: "rate_limited".
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

func (e *Error) Error() string {
	text := fmt.Sprintf("GET %s: ", e.Path)
	switch {
	case e.Status != 0 && e.Reason != "":
		return text + fmt.Sprintf("%d: %s", e.Status, e.Reason)
	case e.Status != 0:
		return text + fmt.Sprintf("%d", e.Status)
	default:
		return text + e.Reason
	}
}
