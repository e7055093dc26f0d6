package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// ErrNoBridge says that nobody listens on the address: no bridge runs, or it runs elsewhere.
var ErrNoBridge = errors.New("no bridge answers")

// A RefusedError is an answer of a bridge that does not do what it was asked for.
type RefusedError struct {
	Code int    // the HTTP status
	Text string // the bridge's sentence
}

func (e *RefusedError) Error() string { return e.Text }

// A Client asks a running bridge, in its own words. It may be used by several goroutines, and keeps no connection open.
type Client struct {
	addr  string
	token config.Secret
	http  http.Client
}

// How long and how large an answer may be.
const (
	answerTimeout = 10 * time.Second
	largestAnswer = 64 << 20
	longestLine   = 500
)

// NewClient returns a client of the bridge on addr, host:port; see DialAddr. token goes with each request, unless it
// is empty.
func NewClient(addr string, token config.Secret) *Client {
	return &Client{addr: addr, token: token, http: http.Client{
		// Of its own, as the usual one may go through a proxy, and would hand it the token.
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       answerTimeout,
	}}
}

// DialAddr is the address to ask a server on that listens on listen, host:port: the same, or loopback if it listens on
// all addresses.
func DialAddr(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	switch {
	case err != nil || port == "":
		return "", fmt.Errorf("%q is not host:port, such as 127.0.0.1:8321", listen)
	case port == "0":
		return "", fmt.Errorf("%s is any free port, so that nobody knows which the bridge has", listen)
	case host == "" || net.ParseIP(host).Equal(net.IPv4zero):
		host = "127.0.0.1"
	case net.ParseIP(host).Equal(net.IPv6unspecified):
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}

// Addr is the address that is asked.
func (c *Client) Addr() string { return c.addr }

// Status returns what the bridge is doing. Its error is ErrNoBridge if nobody listens.
func (c *Client) Status(ctx context.Context) (Status, error) {
	body, err := c.do(ctx, http.MethodGet, "/status", nil)
	if err != nil {
		return Status{}, err
	}
	var s Status
	if json.Unmarshal(body, &s) != nil || s.Accounts == nil {
		return Status{}, c.stranger()
	}
	return s, nil
}

// Ready asks whether the bridge is ready, for which nobody needs the token. Its error is ErrNoBridge if nobody listens, and
// *RefusedError with the bridge's reasons in one line if it is not.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodGet, "/readyz", nil)
	return err
}

// Sweep has the bridge begin a sweep; see Deps.Sweep. Its error is ErrNoBridge if nobody listens, and *RefusedError if the
// bridge says no.
func (c *Client) Sweep(ctx context.Context, account string, resources []schemas.Resource, accept bool) error {
	return c.post(ctx, sweepPath, sweepWish{account, resources, accept})
}

// Baseline has the bridge begin a baseline anew; see Deps.Baseline. Its errors are as those of Sweep.
func (c *Client) Baseline(ctx context.Context, account string, resource schemas.Resource) error {
	return c.post(ctx, baselinePath, baselineWish{account, resource})
}

func (c *Client) post(ctx context.Context, path string, wish any) error {
	body, err := json.Marshal(wish)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, http.MethodPost, path, body)
	return err
}

// do returns the body of an answer that is 200 or 202.
func (c *Client) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.addr+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", c.addr, err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	if !c.token.IsZero() {
		r.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if dial := (*net.OpError)(nil); errors.As(err, &dial) && dial.Op == "dial" {
			return nil, fmt.Errorf("%w on %s", ErrNoBridge, c.addr)
		}
		if sending := (*url.Error)(nil); errors.As(err, &sending) {
			err = sending.Err // without the URL, which says nothing new
		}
		return nil, fmt.Errorf("ask the bridge on %s: %w", c.addr, err)
	}
	defer func() { _ = resp.Body.Close() }() // what was read counts
	answer, err := io.ReadAll(io.LimitReader(resp.Body, largestAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer of the bridge on %s: %w", c.addr, err)
	}
	switch {
	case resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusAccepted:
		return answer, nil
	case resp.StatusCode >= http.StatusBadRequest && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain"):
		return nil, &RefusedError{resp.StatusCode, sentence(answer)}
	default:
		return nil, c.stranger()
	}
}

func (c *Client) stranger() error { return fmt.Errorf("what answers on %s is no bridge", c.addr) }

// sentence is the first of what a server said that may not be ours, fit for a terminal.
func sentence(answer []byte) string {
	line := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, oneLine(string(answer[:min(len(answer), longestLine)])))
	if line == "" {
		return "no, it says, and not why"
	}
	return line
}
