package cliniko

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A Client asks Cliniko with one API key. It is safe for use by many goroutines at once.
type Client struct {
	base      *url.URL // no slash at its end
	userAgent string
	// authorize puts the key into a request. It is a func and not the key, since package fmt would print a key in an
	// unexported field.
	authorize func(*http.Request)
	transport http.RoundTripper
	timeout   time.Duration
	maxBytes  int64
	budget    *Budget
}

// New returns the client of one account, or all that is wrong with cfg, see Config.Validate. It sends nothing.
//
// transport is what the account's connections come from: share one NewTransport among all accounts; nil makes one of
// its own. It must not follow redirects, and no *http.Transport does. ledger is where the budget remembers over
// restarts what was spent; nil means that it does not. A process that gets an account back, which another had in the
// meantime, makes a new client: the old one's budget does not know what the other spent.
func New(cfg Config, transport http.RoundTripper, ledger Ledger) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	base, _ := parseBase(cfg.BaseURL)
	if transport == nil {
		transport = NewTransport()
	}
	key := cfg.CurrentKey
	if key == nil {
		fixed := cfg.APIKey
		key = func() Secret { return fixed }
	}
	return &Client{
		base:      base,
		userAgent: cfg.UserAgent,
		authorize: func(r *http.Request) { r.SetBasicAuth(key().Reveal(), "") },
		transport: transport,
		timeout:   cfg.Timeout,
		maxBytes:  cfg.MaxBytes,
		budget:    NewBudget(cfg.RequestsPerMinute, ledger),
	}, nil
}

// BaseURL is the address that every request goes below, without a slash at its end.
func (c *Client) BaseURL() string { return c.base.String() }

// Budget is the budget that all requests of the client share.
func (c *Client) Budget() *Budget { return c.budget }

// List asks for one page of a list, once q.Lane's turn in the budget has come.
//
// A request that brought no page is an *Error. Other errors are ctx's, wrapped (whatever had come by then is
// forgotten), and ErrPath if q.Path is no plain path. The page's records share one array of bytes.
func (c *Client) List(ctx context.Context, q Query) (Page, error) {
	if !q.Paid {
		if err := c.pay(ctx, q.Path, q.Lane); err != nil {
			return Page{}, err
		}
	}
	a, err := c.get(ctx, q.Path, q.encode())
	if err != nil {
		return Page{}, err
	}
	page, err := decodePage(a.body, q.Key, q.Stamp)
	if err != nil {
		return Page{}, badBody(a, err)
	}
	page.Date = a.date
	return page, nil
}

// Get asks for one object: a record by its own address, or a resource that is one object. Of q it takes Path, Filters,
// Parameters, Lane and Paid. It returns the object's bytes as they came and the answer's Date, zero if it has none. Errors are those
// of List; an empty object is a BadBody.
func (c *Client) Get(ctx context.Context, q Query) ([]byte, time.Time, error) {
	if !q.Paid {
		if err := c.pay(ctx, q.Path, q.Lane); err != nil {
			return nil, time.Time{}, err
		}
	}
	a, err := c.get(ctx, q.Path, string(q.appendFilters(nil)))
	if err != nil {
		return nil, time.Time{}, err
	}
	object, err := decodeObject(a.body)
	if err != nil {
		return nil, time.Time{}, badBody(a, err)
	}
	return object, a.date, nil
}

// encode is the query of a list as the API takes it. Filters keep their order, so that equal queries are equal URLs.
func (q Query) encode() string {
	b := q.appendFilters(nil)
	if q.Sort != "" {
		b = appendParameter(b, "sort", q.Sort)
	}
	if q.Desc {
		b = appendParameter(b, "order", "desc")
	}
	if q.Page > 1 {
		b = appendParameter(b, "page", strconv.Itoa(q.Page))
	}
	perPage := q.PerPage
	if perPage <= 0 || perPage > maxPerPage {
		perPage = maxPerPage
	}
	return string(appendParameter(b, "per_page", strconv.Itoa(perPage)))
}

func (q Query) appendFilters(b []byte) []byte {
	for _, f := range q.Filters {
		b = appendParameter(b, "q[]", f.Field+":"+f.Op+f.Value)
	}
	for _, p := range q.Parameters {
		b = appendParameter(b, p.Name, p.Value)
	}
	return b
}

func appendParameter(b []byte, key, value string) []byte {
	if len(b) > 0 {
		b = append(b, '&')
	}
	b = append(b, url.QueryEscape(key)...)
	b = append(b, '=')
	return append(b, url.QueryEscape(value)...)
}

const maxPerPage = 100

// An answer is a response with status 200, read to its end.
type answer struct {
	path string
	body []byte
	date time.Time
}

// Reserve pays for one request of lane, as soon as it is its turn. A query that is Paid uses it. So a caller can wait
// for its turn before it takes what others wait for. Its errors are those of List.
func (c *Client) Reserve(ctx context.Context, lane Lane) error { return c.pay(ctx, "/", lane) }

// pay waits until the budget has room for a request to path.
func (c *Client) pay(ctx context.Context, path string, lane Lane) error {
	if !plainPath(path) && path != "/" {
		return ErrPath
	}
	err := c.budget.Wait(ctx, lane)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("GET %s: %w", path, err)
	default:
		return &Error{Kind: Network, Path: path, Reason: "not sent: " + err.Error(), Err: err}
	}
}

// get sends one request, which is paid for, and reads its answer. Everything that is sent goes through here.
func (c *Client) get(ctx context.Context, path, query string) (answer, error) {
	if !plainPath(path) {
		return answer{}, ErrPath
	}
	u := *c.base
	u.Path += path
	u.RawQuery = query

	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	a, err := c.roundTrip(limited, path, &u)
	var known *Error
	switch {
	case err == nil || errors.As(err, &known):
		return a, err
	case ctx.Err() != nil:
		return answer{}, fmt.Errorf("GET %s: %w", path, ctx.Err())
	case limited.Err() != nil:
		return answer{}, &Error{Kind: Network, Path: path, Reason: fmt.Sprintf("no answer within %s", c.timeout), Err: limited.Err()}
	default:
		return answer{}, networkError(path, err)
	}
}

// roundTrip returns an *Error if the server's answer says what is wrong, and any other error as it came.
//
// It calls the transport itself: an http.Client would add only what is not wanted here, redirects first of all. The
// transport repeats a request on its own if a kept connection turns out to be closed; that second one is not in the
// budget, and is too rare to matter.
func (c *Client) roundTrip(ctx context.Context, path string, u *url.URL) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", c.userAgent)
	c.authorize(r)
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if e := c.judge(path, resp); e != nil {
		// What is left of a short body is read, so that the connection can be used again; nobody looks at it.
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
		return answer{}, e
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, c.maxBytes+1))
	if err != nil {
		return answer{}, err
	}
	if int64(len(body)) > c.maxBytes {
		return answer{}, &Error{Kind: TooLarge, Path: path, Status: resp.StatusCode, Reason: fmt.Sprintf("a body of more than %d bytes", c.maxBytes)}
	}
	return answer{path: path, body: body, date: dateOf(resp.Header)}, nil
}
