package publisher

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// OldestServer is the oldest nats-server that can be used: the first that knows the header
// Nats-Expected-Last-Subject-Sequence-Subject (nats.go pull request 1920, read 2026-11-23). An older one passes over it
// in silence, so that Publish's condition would be another one.
const OldestServer = "2.11.0"

// An UnfitError says in a sentence, with its remedy, why the server or the stream cannot be used as it is. Waiting does not
// mend that.
type UnfitError struct {
	Reason string
	cause  error
}

func (e *UnfitError) Error() string {
	if e.cause == nil {
		return e.Reason
	}
	return e.Reason + ": " + e.cause.Error()
}

func (e *UnfitError) Unwrap() error { return e.cause }

// Fit returns an UnfitError if the server that nc is connected to is too old. A version that cannot be read passes.
func Fit(nc *nats.Conn) error {
	version := nc.ConnectedServerVersion()
	if !older(version, OldestServer) {
		return nil
	}
	return &UnfitError{Reason: fmt.Sprintf("nats-server %s is too old; install %s or later", version, strings.TrimSuffix(OldestServer, ".0"))}
}

// older compares two versions by their first two numbers.
func older(version, than string) bool {
	number := func(s string, i int) (int, error) {
		parts := strings.Split(s, ".")
		if len(parts) <= i {
			return 0, strconv.ErrSyntax
		}
		return strconv.Atoi(parts[i])
	}
	for i := range 2 {
		got, err := number(version, i)
		want, _ := number(than, i) // it is ours
		if err != nil || got > want {
			return false
		}
		if got < want {
			return true
		}
	}
	return false
}

// The server's error codes for what keeps a stream from taking events, and one from being made (nats-server 2.15,
// errors.json). The library has no names for them.
const (
	codeAccountResources jetstream.ErrorCode = 10002 // resource limits exceeded for account
	codeNoResources      jetstream.ErrorCode = 10023 // insufficient resources
	codeNoMemory         jetstream.ErrorCode = 10028 // insufficient memory
	codeNoStorage        jetstream.ErrorCode = 10047 // insufficient storage resources available
	codeNotCreated       jetstream.ErrorCode = 10049 // error creating store for stream
	codeOtherStream      jetstream.ErrorCode = 10060 // expected stream does not match
	codeNotClustered     jetstream.ErrorCode = 10074 // replicas > 1 not supported in non-clustered mode
	codeStoreFailed      jetstream.ErrorCode = 10077 // "maximum bytes exceeded" and the like
	codeSealed           jetstream.ErrorCode = 10109 // invalid operation on sealed stream
)

// Refusal says in a sentence, with its remedy, why stream took no events or gave none back when Publish or ReadBack
// returned err. It is "" if that was no doing of the server: the caller gave up, the events could not be sent, or the stream
// is ahead, which mends itself. The connection tells of itself, too, when it is down.
func Refusal(stream string, err error) string {
	var api *jetstream.APIError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, schemas.ErrStreamAhead),
		errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrReconnectBufExceeded):
		return ""
	case errors.As(err, &api):
		return fmt.Sprintf("the stream %s takes no events: %s; %s", stream, api.Description, remedy(api.ErrorCode))
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return fmt.Sprintf("nobody answers for the stream %s: its leader is gone, or JetStream is switched off, as on a full disk; "+
			"look at the NATS server's log", stream)
	case errors.Is(err, nats.ErrTimeout), errors.Is(err, jetstream.ErrAsyncPublishTimeout), errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("the stream %s does not answer in time: too few of its replicas run, or the NATS server has too much to do", stream)
	}
	return ""
}

func remedy(code jetstream.ErrorCode) string {
	switch code {
	case codeStoreFailed:
		return "raise the stream's limits, or set its discard policy to old"
	case codeAccountResources:
		return "raise the NATS account's limits of JetStream"
	case codeNoResources, codeNoMemory, codeNoStorage:
		return "raise the NATS server's max_file_store (or max_memory_store), or make room on its disk"
	case codeSealed:
		return "choose another stream: nothing opens a sealed one"
	case codeOtherStream:
		return "its subjects are another stream's now; give nats.stream that name, or choose another nats.subject"
	default:
		return "look at the stream and at the NATS server's log"
	}
}
