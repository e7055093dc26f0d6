package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/live"
)

// A fakeLive speaks GET /live as the contract of package live says, from what a test gives it.
type fakeLive struct {
	url string

	mu       sync.Mutex // guards what follows
	overview live.Overview
	details  map[string]live.Detail
	told     []live.Told
	points   []live.Point
	conns    map[*fakeConn]bool
	refusing bool
	silent   bool     // nothing is sent, not even that there is nothing
	asked    []string // the account of each connection there was
	password string   // that came with the last
}

type fakeConn struct {
	frames  chan []byte
	cut     chan struct{}
	account string
}

// serveLive starts the admin server's handler, as it is on loopback, with a fake behind /live.
func serveLive(tb testing.TB, overview live.Overview, details ...live.Detail) *fakeLive {
	tb.Helper()
	return serveLiveWith(tb, "127.0.0.1:0", Deps{}, overview, details...)
}

// serveLiveWith does it as on addr, with deps.
func serveLiveWith(tb testing.TB, addr string, deps Deps, overview live.Overview, details ...live.Detail) *fakeLive {
	tb.Helper()
	f := &fakeLive{overview: overview, details: map[string]live.Detail{}, conns: map[*fakeConn]bool{}}
	for _, detail := range details {
		f.details[detail.Name] = detail
	}
	admin := New(addr, deps)
	pages, stream := admin.Handler(), admin.shown(f.serve)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/live" {
			stream(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}))
	tb.Cleanup(func() { f.refuse(true); server.Close() })
	f.url = server.URL
	return f
}

func (f *fakeLive) serve(w http.ResponseWriter, r *http.Request) {
	c := &fakeConn{frames: make(chan []byte, 64), cut: make(chan struct{}), account: r.URL.Query().Get("account")}
	f.mu.Lock()
	f.asked = append(f.asked, c.account)
	_, f.password, _ = r.BasicAuth()
	detail, known := f.details[c.account]
	if f.refusing || c.account != "" && !known {
		refusing := f.refusing
		f.mu.Unlock()
		if refusing {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		} else {
			http.Error(w, "no such account", http.StatusNotFound)
		}
		return
	}
	first := [][]byte{frame("overview", f.overview)}
	if known {
		first = append(first, frame("account", detail))
	}
	first = append(first, frame("told", f.told[max(0, len(f.told)-200):]), frame("points", f.points))
	f.conns[c] = true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.conns, c)
	}()

	w.Header().Set("Content-Type", "text/event-stream")
	for _, body := range first {
		_, _ = w.Write(body)
	}
	// A bridge sends something every two seconds. This is nothing new, and says no time.
	beat := time.NewTicker(2 * time.Second)
	defer beat.Stop()
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case <-beat.C:
			if !f.isSilent() {
				_, _ = w.Write(frame("points", []live.Point{}))
			}
		case body := <-c.frames:
			_, _ = w.Write(body)
		case <-c.cut:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (f *fakeLive) isSilent() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.silent
}

func frame(kind string, data any) []byte {
	body, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", kind, body)
}

// send gives a frame to all connections that account suits; "" suits all. f.mu is held.
func (f *fakeLive) send(account, kind string, data any) {
	body := frame(kind, data)
	for c := range f.conns {
		if account == "" || c.account == account {
			c.frames <- body
		}
	}
}

// look sends the overview, changed by change, with the lines of changed alone.
func (f *fakeLive) look(change func(*live.Overview), changed ...live.Line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.overview)
	for _, line := range changed {
		for i := range f.overview.Accounts {
			if f.overview.Accounts[i].Name == line.Name {
				f.overview.Accounts[i] = line
			}
		}
	}
	next := f.overview
	next.Accounts = changed
	f.send("", "overview", next)
}

// open sends details to whoever asked for their account.
func (f *fakeLive) open(detail live.Detail) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.details[detail.Name] = detail
	f.send(detail.Name, "account", detail)
}

// tell sends events.
func (f *fakeLive) tell(events ...live.Told) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, events...)
	f.told = f.told[max(0, len(f.told)-200):]
	f.send("", "told", events)
}

// refuse makes every attempt fail, or lets them pass again; what is connected is cut off.
func (f *fakeLive) refuse(refusing bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusing = refusing
	if refusing {
		for c := range f.conns {
			close(c.cut)
			delete(f.conns, c)
		}
	}
}
