package clinikotest

import (
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// prefix is the path of the base URL.
const prefix = "/v1"

// A Handler serves a clinic over HTTP as Cliniko's API does, GET alone. It asks for the key and for a User-Agent, it limits the rate, and it fails as its faults tell it to.
type Handler struct {
	// OnRequest, if it is set, is called with each request after it was logged and before it is answered. It must
	// be set before the first request.
	OnRequest func(Request)

	clinic *Clinic

	mu       sync.Mutex // guards the rest
	role     *Role
	rules    []*rule
	rng      *rand.Rand // which requests a fault of some probability hits
	requests []Request
	minute   int64 // of the clinic's clock, since 1970
	count    int   // requests in it
}

// NewHandler is a handler of clinic. A clinic may have several; the rate limit and the faults are each handler's own.
func NewHandler(clinic *Clinic) *Handler {
	return &Handler{clinic: clinic, role: clinic.opts.Role, rng: rand.New(rand.NewPCG(clinic.opts.Seed, 3))}
}

// Clinic is the clinic that h serves.
func (h *Handler) Clinic() *Clinic { return h.clinic }

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.clinic.bind("http://" + r.Host + prefix) // the first request decides, if no server has
	entry := Request{
		At: time.Now(), ClinicTime: h.clinic.Now(), Path: r.URL.Path, Query: r.URL.RawQuery, UserAgent: r.UserAgent(),
	}
	a := h.answer(r, &entry)
	if a != nil {
		entry.Status = a.status
	}
	h.log(entry)
	if h.OnRequest != nil {
		h.OnRequest(entry)
	}
	if a == nil {
		panic(http.ErrAbortHandler) // the client went away while it was kept waiting
	}
	a.header.Set("Date", entry.ClinicTime.Format(http.TimeFormat))
	a.write(w)
}

// answer decides what to say, or nil if the client did not wait for it.
func (h *Handler) answer(r *http.Request, entry *Request) *answer {
	if err := h.admit(r); err != nil {
		return failure(err)
	}
	if wait, limited := h.limited(entry.ClinicTime); limited {
		a := failure(&refusal{http.StatusTooManyRequests, "Too many requests."})
		a.header.Set("X-RateLimit-Reset", strconv.FormatInt(wait, 10))
		return a
	}
	rt, ok := h.clinic.route(r.URL.Path)
	if !ok || slices.Contains(h.clinic.opts.Lacks, rt.resource) {
		return notFound()
	}
	if r.Method != http.MethodGet {
		return failure(&refusal{http.StatusMethodNotAllowed, "Only GET is served here."})
	}
	role := h.asks()
	if role.forbids(rt) {
		return forbidden()
	}
	faults := h.struck(r.URL.Path, rt)
	for _, f := range faults {
		entry.Faults = append(entry.Faults, f.name)
		if !f.begin(r.Context(), h.clinic) {
			return nil
		}
	}
	a := h.serve(r, rt, role, faults)
	for _, f := range faults {
		if f.answer != nil {
			f.answer(a)
		}
	}
	return a
}

var (
	shard   = regexp.MustCompile(`-[a-z]{2}[0-9]{1,2}$`)
	contact = regexp.MustCompile(`\([^()\s]+@[^()\s]+\)`)
)

// admit checks who asks. Which status the API gives to a client that does not name itself is not stated ("requests
// are refused"); here it is 403.
func (h *Handler) admit(r *http.Request) error {
	if !contact.MatchString(r.UserAgent()) {
		return &refusal{http.StatusForbidden, "A User-Agent with a name and an email in parentheses is required."}
	}
	user, password, _ := r.BasicAuth()
	if whole(user) != whole(h.clinic.Key()) || password != "" {
		return &refusal{http.StatusUnauthorized, "Unauthorized"}
	}
	return nil
}

// whole is a key with its shard: the suffix may be left out of a user name. A key that has none is of au1.
func whole(key string) string {
	if shard.MatchString(key) {
		return key
	}
	return key + "-au1"
}

// Spend uses up n requests of the minute, as another program with the same key does.
func (h *Handler) Spend(n int) {
	now := h.clinic.Now()
	for range n {
		h.limited(now)
	}
}

// limited counts a request. If it is one too many, reset is the Unix second of the clinic's clock at which to go on.
// The minutes are those of the clock on the wall; whether the API counts so is not stated.
func (h *Handler) limited(now time.Time) (reset int64, limited bool) {
	limit := h.clinic.opts.RequestsPerMinute
	h.mu.Lock()
	defer h.mu.Unlock()
	if m := now.Unix() / 60; m != h.minute {
		h.minute, h.count = m, 0
	}
	if limit >= 0 && h.count >= limit {
		return (h.minute + 1) * 60, true
	}
	h.count++
	return 0, false
}

// serve answers a request that is let in.
func (h *Handler) serve(r *http.Request, rt route, role *Role, faults []Fault) *answer {
	switch rt.kind {
	case itemOf, theUser:
		raw, err := h.clinic.item(rt, r.URL.Query(), role)
		if err != nil {
			return failure(err)
		}
		return good(raw)
	case nextTimeOf:
		return h.nextTime(r, rt)
	default:
		return h.list(r, rt, role, faults)
	}
}

// list answers with a page.
func (h *Handler) list(r *http.Request, rt route, role *Role, faults []Fault) *answer {
	p, asked, err := h.page(r, rt, role, faults)
	if err != nil {
		return failure(err)
	}
	p.link(asked, addressOf(r))
	for _, f := range faults {
		if f.list != nil {
			f.list(asked, &p)
		}
	}
	if p.status != 0 {
		return newAnswer(p.status, "text/plain; charset=utf-8", []byte(http.StatusText(p.status)+"\n"))
	}
	return good(p.encode())
}

// page is the page that a request asks for, and the query as it was asked, before a fault spoilt it.
func (h *Handler) page(r *http.Request, rt route, role *Role, faults []Fault) (page, query, error) {
	q, err := h.clinic.parse(rt, r.URL.Query())
	if err != nil {
		return page{}, q, err
	}
	q.role = role
	asked := q
	for _, f := range faults {
		if f.refuse != nil {
			if err := f.refuse(asked); err != nil {
				return page{}, q, err
			}
		}
		if f.query != nil {
			f.query(&q)
		}
	}
	p, err := h.clinic.answerTo(rt, q)
	return p, asked, err
}

// nextTime is the first free start within four weeks.
func (h *Handler) nextTime(r *http.Request, rt route) *answer {
	y, m, d := h.clinic.Now().In(accountZone).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, accountZone)
	starts, ok := h.clinic.available(rt.diary, today, today.AddDate(0, 0, 28))
	if !ok || len(starts) == 0 {
		return notFound()
	}
	links, _ := json.Marshal(map[string]string{"self": addressOf(r)}) // strings always encode
	return good([]byte(`{"appointment_start":"` + stamp(starts[0].Unix()) + `","links":` + string(links) + `}`))
}

// addressOf is that of a request, without its query.
func addressOf(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + r.URL.Path
}

// An answer is a response before it is written.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	padding int  // so many spaces go before the body: JSON still, but long
	cut     bool // the connection breaks halfway
}

func newAnswer(status int, contentType string, body []byte) *answer {
	return &answer{status: status, header: http.Header{"Content-Type": {contentType}}, body: body}
}

func good(body []byte) *answer {
	return newAnswer(http.StatusOK, "application/json; charset=utf-8", body)
}

func failure(err error) *answer {
	e := &refusal{http.StatusInternalServerError, err.Error()}
	_ = errors.As(err, &e)
	if e.status == http.StatusNotFound {
		return notFound()
	}
	body, _ := json.Marshal(map[string]string{"message": e.message}) // a string always encodes
	return newAnswer(e.status, "application/json; charset=utf-8", body)
}

func notFound() *answer {
	return newAnswer(http.StatusNotFound, "application/json; charset=utf-8", []byte(`{"status":"404","error":"Not Found"}`))
}

// write sends a. A client that goes away meanwhile is no concern of ours.
func (a *answer) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(a.padding+len(a.body)))
	w.WriteHeader(a.status)
	blank := []byte(strings.Repeat(" ", 32<<10))
	for left := a.padding; left > 0; left -= len(blank) {
		if _, err := w.Write(blank[:min(left, len(blank))]); err != nil {
			return
		}
	}
	if a.cut {
		_, _ = w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // what net/http wants for breaking off
	}
	_, _ = w.Write(a.body)
}
