package clinikotest

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Fault spoils the answers that a Rule gives it. The functions of this file make them.
type Fault struct {
	name string
	// What the fault does, by the step at which it does it; nil is nothing.
	wait   time.Duration              // first
	drift  func(*Clinic)              // before the rows are selected
	refuse func(asked query) error    // instead of the selection; lists alone
	query  func(*query)               // to the selection; lists alone
	list   func(asked query, p *page) // to the page; lists alone
	answer func(*answer)              // to the response
}

// begin does what comes before the rows are selected. It says false if the client did not wait.
func (f *Fault) begin(ctx context.Context, c *Clinic) bool {
	if f.wait > 0 {
		t := time.NewTimer(f.wait)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
		}
	}
	if f.drift != nil {
		f.drift(c)
	}
	return true
}

// Slow keeps the client waiting for d of the machine's time, or until it goes away.
func Slow(d time.Duration) Fault { return Fault{name: "slow", wait: d} }

// Drift calls change before the rows of the answer are selected: what it does happens while the list is being read.
func Drift(change func(*Clinic)) Fault { return Fault{name: "drift", drift: change} }

// Status answers with status and a short text: 500, 502, 503, 504 as they come in bursts.
func Status(status int) Fault {
	return replace("status "+strconv.Itoa(status), func() *answer {
		return newAnswer(status, "text/plain; charset=utf-8", []byte(http.StatusText(status)+"\n"))
	})
}

// RateLimited answers 429, and says in X-RateLimit-Reset that requests are let in again from reset on.
func RateLimited(reset time.Time) Fault {
	return replace("rate limited", func() *answer {
		a := failure(&refusal{http.StatusTooManyRequests, "Too many requests."})
		a.header.Set("X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
		return a
	})
}

// Forbidden answers 403 with an empty body.
func Forbidden() Fault {
	return replace("forbidden", func() *answer { return newAnswer(http.StatusForbidden, "text/html", nil) })
}

// NotFound answers 404 as the API does for what is not there. Give it Of: Lists to leave single records alone.
func NotFound() Fault { return replace("not found", notFound) }

// HTML answers with a web page and status 200.
func HTML() Fault {
	return replace("html", func() *answer {
		return newAnswer(http.StatusOK, "text/html; charset=utf-8",
			[]byte("<!doctype html><title>Back soon</title><p>We are having a short rest.\n"))
	})
}

// EmptyObject answers with {} and status 200.
func EmptyObject() Fault {
	return replace("empty object", func() *answer { return good([]byte("{}")) })
}

// EmptyBody answers with nothing and status 200.
func EmptyBody() Fault { return replace("empty body", func() *answer { return good(nil) }) }

// Redirect answers 302 with location.
func Redirect(location string) Fault {
	return replace("redirect", func() *answer {
		a := newAnswer(http.StatusFound, "text/html; charset=utf-8", nil)
		a.header.Set("Location", location)
		return a
	})
}

func replace(name string, with func() *answer) Fault {
	return Fault{name: name, answer: func(a *answer) { *a = *with() }}
}

// Cut breaks the connection in the middle of the body.
func Cut() Fault { return Fault{name: "cut", answer: func(a *answer) { a.cut = true }} }

// Truncate leaves out the second half of the body; the Content-Length fits what is left.
func Truncate() Fault {
	return Fault{name: "truncate", answer: func(a *answer) { a.body = a.body[:len(a.body)/2] }}
}

// Huge puts size bytes of white space before the body.
func Huge(size int) Fault { return Fault{name: "huge", answer: func(a *answer) { a.padding += size }} }

// IgnoreFilters selects as if no filter had been asked for.
func IgnoreFilters() Fault {
	return Fault{name: "ignore filters", query: func(q *query) { q.filters = nil }}
}

// IgnoreSort sorts by created_at, ascending, whatever was asked for.
func IgnoreSort() Fault {
	return Fault{name: "ignore sort", query: func(q *query) { q.sort = []sortKey{{column: "created_at"}} }}
}

// RepeatPages gives the first page under every number, and always a link to a next one.
func RepeatPages() Fault {
	return Fault{
		name:  "repeat pages",
		query: func(q *query) { q.page = 1 },
		list: func(asked query, p *page) {
			address, _, _ := strings.Cut(p.links["self"], "?")
			p.links["next"] = asked.link(address, asked.page+1)
		},
	}
}

// WrongKey puts the rows under another key than the resource's.
func WrongKey() Fault {
	return Fault{name: "wrong key", list: func(_ query, p *page) { p.key = "records" }}
}

// EmptyList gives a list without rows, and a total of 0, whatever there is.
func EmptyList() Fault {
	return Fault{name: "empty list", list: func(_ query, p *page) {
		p.rows, p.ids, p.total = nil, nil, 0
		delete(p.links, "next")
	}}
}

// NoTotal leaves total_entries out.
func NoTotal() Fault { return Fault{name: "no total", list: func(_ query, p *page) { p.total = -1 }} }

// ForeignLinks makes the links of a list point to another host: "other.example", or "127.0.0.1:PORT" where a test
// waits to see whether anybody comes.
func ForeignLinks(host string) Fault {
	return links("foreign links", func(scheme, _, path string) string { return scheme + "://" + host + path })
}

// OtherSchemeLinks makes the links of a list https instead of http, or the other way round.
func OtherSchemeLinks() Fault {
	return links("other scheme links", func(scheme, host, path string) string {
		if scheme == "http" {
			return "https://" + host + path
		}
		return "http://" + host + path
	})
}

// InternalLinks puts a segment /internal/ into the links of a list.
func InternalLinks() Fault {
	return links("internal links", func(scheme, host, path string) string {
		return scheme + "://" + host + "/internal" + path
	})
}

// BareLinks leaves scheme and host out of the links of a list.
func BareLinks() Fault {
	return links("bare links", func(_, _, path string) string { return path })
}

// links rewrites every link of a list, of which respell gets the parts: "http", "127.0.0.1:80", "/v1/patients?page=1".
func links(name string, respell func(scheme, host, path string) string) Fault {
	return Fault{name: name, list: func(_ query, p *page) {
		for rel, link := range p.links {
			scheme, rest, _ := strings.Cut(link, "://")
			host, path, _ := strings.Cut(rest, "/")
			p.links[rel] = respell(scheme, host, "/"+path)
		}
	}}
}

// NullID gives the row at place, counted from 0 within the page, an id that is null. A negative place counts from
// the end, -1 being the last; one that the page does not have spoils nothing. So for the other faults of one row.
func NullID(place int) Fault {
	return spoil("null id", place, func(raw []byte) []byte { return setMember(raw, "id", "null") })
}

// NoUpdatedAt takes the updated_at from the row at place.
func NoUpdatedAt(place int) Fault {
	return spoil("no updated_at", place, func(raw []byte) []byte { return setMember(raw, "updated_at", "") })
}

// NotAnObject puts a string where the row at place should be.
func NotAnObject(place int) Fault {
	return spoil("not an object", place, func([]byte) []byte { return []byte(`"see attached"`) })
}

// DuplicateKey gives the row at place its created_at twice, null the second time.
func DuplicateKey(place int) Fault {
	return spoil("duplicate key", place, func(raw []byte) []byte {
		end := bytes.LastIndexByte(raw, '}')
		return append(bytes.Clone(raw[:end]), `,"created_at":null}`...)
	})
}

// RepeatRow puts the row at place into the page a second time, at its end.
func RepeatRow(place int) Fault {
	return Fault{name: "repeat row", list: func(_ query, p *page) {
		if i, ok := p.at(place); ok {
			p.rows, p.ids = append(p.rows, p.rows[i]), append(p.ids, p.ids[i])
		}
	}}
}

func spoil(name string, place int, how func(raw []byte) []byte) Fault {
	return Fault{name: name, list: func(_ query, p *page) {
		if i, ok := p.at(place); ok {
			p.rows[i] = how(p.rows[i])
		}
	}}
}

func (p *page) at(place int) (int, bool) {
	if place < 0 {
		place += len(p.rows)
	}
	return place, place >= 0 && place < len(p.rows)
}
