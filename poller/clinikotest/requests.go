package clinikotest

import (
	"slices"
	"time"
)

// maxLog is how many requests a handler remembers at least. It forgets the oldest.
const maxLog = 100_000

// A Request is one request as the handler saw it.
type Request struct {
	At         time.Time // when it arrived: the machine's clock
	ClinicTime time.Time // the same, on the clinic's clock: UTC, whole seconds
	Path       string    // "/v1/patients"
	Query      string    // as it was sent, with its escapes
	UserAgent  string    // as it was sent
	Status     int       // of the answer; 0 if the client went away before there was one
	Faults     []string  // the names of the faults that struck it
}

// Requests are the latest 100,000 requests or more, in the order in which they were answered.
func (h *Handler) Requests() []Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.requests)
}

func (h *Handler) log(r Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.requests) >= 2*maxLog {
		h.requests = slices.Clone(h.requests[maxLog:])
	}
	h.requests = append(h.requests, r)
}

// MostWithin is the greatest number of requests that arrived within any stretch of the machine's time of length d,
// its end left out.
func MostWithin(d time.Duration, requests []Request) int {
	times := make([]time.Time, len(requests))
	for i, r := range requests {
		times[i] = r.At
	}
	slices.SortFunc(times, time.Time.Compare)
	most, first := 0, 0
	for i, at := range times {
		for at.Sub(times[first]) >= d {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
