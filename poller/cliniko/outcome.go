package cliniko

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// judge says what a status means, nil for 200. The body is never asked: an error of any status may come with JSON,
// with an HTML page or with nothing.
func (c *Client) judge(path string, resp *http.Response) *Error {
	e := &Error{Path: path, Status: resp.StatusCode}
	switch status := resp.StatusCode; {
	case status == http.StatusOK:
		return nil
	case status == http.StatusTooManyRequests:
		now := time.Now()
		e.Kind = RateLimited
		e.RetryAfter = retryAfter(resp.Header, now)
		e.Reason = fmt.Sprintf("wait for %s", e.RetryAfter)
		c.budget.Pause(now.Add(e.RetryAfter)) // it is the user's limit: every request of the account would be refused
	case status >= 500:
		e.Kind = Server
	case status == http.StatusUnauthorized:
		e.Kind = Unauthorized
	case status == http.StatusForbidden:
		e.Kind = Forbidden
	case status == http.StatusNotFound:
		e.Kind = NotFound
	case status == http.StatusBadRequest:
		e.Kind = Refused
	case status >= 300 && status < 400:
		e.Kind = Unexpected
		e.Reason = "a redirect, which is not followed"
	default:
		e.Kind = Unexpected
	}
	return e
}

const (
	minRetryAfter     = time.Second
	maxRetryAfter     = 10 * time.Minute
	defaultRetryAfter = time.Minute
)

// retryAfter is how long a 429 asks to wait, within bounds. X-RateLimit-Reset is the Unix second at which to go on
// (docs.api.cliniko.com, read 2026-11), on the server's clock: it is compared with the answer's own Date, and with our
// clock only if there is none. Retry-After, in seconds, has been seen by some clients.
func retryAfter(h http.Header, now time.Time) time.Duration {
	wait := defaultRetryAfter
	if reset, ok := seconds(h.Get("X-RateLimit-Reset")); ok {
		if date := dateOf(h); !date.IsZero() {
			now = date
		}
		wait = time.Unix(reset, 0).Sub(now)
	} else if after, ok := seconds(h.Get("Retry-After")); ok {
		wait = time.Duration(min(after, int64(maxRetryAfter/time.Second))) * time.Second
	}
	return max(minRetryAfter, min(wait, maxRetryAfter))
}

// seconds reads a header that is a whole number, not negative.
func seconds(text string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n, err == nil && n >= 0
}

// dateOf is the Date header, zero if there is none that can be read.
func dateOf(h http.Header) time.Time {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return date.UTC()
}

func badBody(a answer, err error) *Error {
	return &Error{Kind: BadBody, Path: a.path, Status: http.StatusOK, Reason: err.Error()}
}

// networkError is what became of a request that had no whole answer. Only texts that are known to quote nothing are
// used: package net/http quotes the URL in some errors, and in others what the server sent instead of HTTP.
func networkError(path string, err error) *Error {
	var (
		inURL  *url.Error
		op     *net.OpError
		dns    *net.DNSError
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		timed  net.Error
	)
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	e := &Error{Kind: Network, Path: path, Err: err}
	switch {
	case errors.As(err, &op): // "dial tcp 127.0.0.1:443: connect: connection refused"
		e.Reason = op.Error()
	case errors.As(err, &dns):
		e.Reason = dns.Error()
	case errors.As(err, &verify):
		e.Reason = verify.Error()
	case errors.As(err, &record):
		e.Reason = "tls: " + record.Msg
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Reason = "the answer was cut short"
	case errors.As(err, &timed) && timed.Timeout():
		e.Reason = "timed out"
	default:
		e.Reason, e.Err = fmt.Sprintf("no usable answer (%T)", err), nil
	}
	return e
}
