package live

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// maxPages is how many pages may be open at once.
	maxPages = 64
	// heartbeat is how long a page hears nothing at the most.
	heartbeat = 15 * time.Second
	// patience is how long a page may take for what it is sent.
	patience = 30 * time.Second
)

// A page is one that is open, and how far it has read.
type page struct {
	account string // of which it shows the detail; "" for none

	begun   bool
	look    int // numbers of the last that it was told
	version int
	beat    int
	event   uint64
	point   uint64

	conn *http.ResponseController
	mu   sync.Mutex // guards over, and that nothing is put off behind it
	over bool
}

// ServeHTTP serves one page until it goes away or the feed ends. It answers 404 to an account that there is not, and 503 if
// too many pages are open, or the bridge is stopping.
func (f *Feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p := &page{account: r.URL.Query().Get("account"), conn: http.NewResponseController(w)}
	if p.account != "" {
		if _, ok := f.cfg.Source.Account(p.account); !ok {
			http.Error(w, "there is no such account in the configuration", http.StatusNotFound)
			return
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // a proxy hands on each frame as it comes
	if r.Method == http.MethodHead {
		return
	}
	if no := f.enter(p); no != "" {
		h.Set("Retry-After", "10")
		http.Error(w, no, http.StatusServiceUnavailable)
		return
	}
	defer f.leave(p)
	f.serve(r.Context(), w, p)
}

// serve writes what is new, as it comes.
func (f *Feed) serve(ctx context.Context, w http.ResponseWriter, p *page) {
	f.look(context.WithoutCancel(ctx), lookEvery) // which is for all pages, whatever becomes of this one
	if p.account != "" {
		f.detail(p.account)
	}
	quiet := time.NewTimer(heartbeat)
	defer quiet.Stop()
	frames := [][]byte{again}
	for {
		news, beats, ended := f.awaited() // before what is new is asked for, so that nothing is between
		if ended {
			return
		}
		frames = f.fresh(p, frames, beats)
		if len(frames) > 0 {
			if p.write(w, frames) != nil {
				return
			}
			quiet.Reset(heartbeat)
		}
		frames = frames[:0]
		select {
		case <-ctx.Done():
			return
		case <-news:
		case <-quiet.C:
			frames = append(frames, beat)
		}
	}
}

// fresh appends what the page has not been told. At first that is all there is.
func (f *Feed) fresh(p *page, frames [][]byte, beats int) [][]byte {
	put := func(text []byte) {
		if text != nil {
			frames = append(frames, text)
		}
	}
	var text []byte
	text, p.look = f.board.overview(p.look)
	put(text)
	if p.account != "" {
		text, p.version = f.board.detail(p.account, p.version)
		put(text)
	}
	switch {
	case !p.begun:
		text, p.event = f.tail.all()
		put(text)
		text, p.point = f.points.all()
		put(text)
		p.begun, p.beat = true, beats
		return frames
	case p.beat != beats:
		more := false
		text, p.event, more = f.tail.frame(p.event)
		put(text)
		if p.beat = beats; more {
			f.remind()
		}
	}
	text, p.point = f.points.frame(p.point)
	put(text)
	return frames
}

// detail finds out how an account is, for a page that has just come.
func (f *Feed) detail(account string) {
	if a, ok := f.cfg.Source.Account(account); ok {
		now := time.Now().UTC()
		line, _ := lineOf(&a, now)
		d := detailOf(&a, line, now)
		f.board.putDetail(&d)
	}
}

// enter counts the page among those that are open, or says why it cannot be.
func (f *Feed) enter(p *page) (no string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.ended:
		return "the bridge is stopping"
	case len(f.pages) >= maxPages:
		return "64 pages are open already, which is as many as there may be; close one and try again"
	}
	f.pages[p] = struct{}{}
	if p.account != "" {
		f.board.want(p.account, 1)
	}
	return ""
}

func (f *Feed) leave(p *page) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.pages, p)
	if p.account != "" {
		f.board.want(p.account, -1)
	}
}

// write sends the frames. The server's deadline for an answer is put off for this one alone, each time anew, so that a reader
// that is gone without a word is noticed.
func (p *page) write(w http.ResponseWriter, frames [][]byte) error {
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		return context.Canceled
	}
	_ = p.conn.SetWriteDeadline(time.Now().Add(patience)) // where there is none to put off, none is needed
	p.mu.Unlock()
	for _, text := range frames {
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return p.conn.Flush()
}

// cut ends a write that is under way, and lets none begin.
func (p *page) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	_ = p.conn.SetWriteDeadline(time.Now())
}
