package main

import (
	"context"
	"net"
	"sync"
	"testing"
)

// A wire is a TCP connection's way between one bridge and a server: it can be cut, and what goes one way can be held
// back for a while and then delivered. Bytes that are held when a connection ends go with it.
type wire struct {
	to string // host:port of the server
	l  net.Listener
	wg sync.WaitGroup

	mu    sync.Mutex // guards what follows
	links map[*link]bool
	open  [2]chan struct{} // by direction: closed while bytes may pass
	dead  bool             // nobody connects, and nothing passes
}

// direction is a way that bytes go.
type direction int

const (
	requests direction = iota // from the bridge to the server
	answers
)

// A link is one connection of the bridge, and the one that was made to the server for it.
type link struct {
	client, server net.Conn
	ended          chan struct{}
	end            func()
}

// startWire starts a wire to the server at to. It ends with the test.
func startWire(tb testing.TB, to string) *wire {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	passing := make(chan struct{})
	close(passing)
	w := &wire{to: to, l: l, links: make(map[*link]bool), open: [2]chan struct{}{passing, passing}}
	w.wg.Go(w.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		w.cut()
		w.wg.Wait()
	})
	return w
}

func (w *wire) addr() string { return w.l.Addr().String() }

// cut ends all connections. The bridge may connect again.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.links {
		l.end()
	}
}

// hold keeps back what goes in direction d until release is called, and then delivers it.
func (w *wire) hold(d direction) (release func()) {
	held := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[d] = held
	return sync.OnceFunc(func() { close(held) })
}

// sever cuts, and lets nobody connect until mend is called.
func (w *wire) sever() (mend func()) {
	w.set(true)
	w.cut()
	return func() { w.set(false) }
}

func (w *wire) set(dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = dead
}

func (w *wire) accept() {
	for {
		client, err := w.l.Accept()
		if err != nil {
			return
		}
		w.wg.Go(func() { w.connect(client) })
	}
}

func (w *wire) connect(client net.Conn) {
	server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", w.to)
	if err != nil {
		_ = client.Close()
		return
	}
	l := &link{client: client, server: server, ended: make(chan struct{})}
	l.end = sync.OnceFunc(func() {
		close(l.ended)
		_ = client.Close()
		_ = server.Close()
	})
	w.mu.Lock()
	w.links[l] = true
	if w.dead {
		l.end()
	}
	w.mu.Unlock()
	w.wg.Go(func() { w.pass(l, client, server, requests) })
	w.wg.Go(func() { w.pass(l, server, client, answers) })
}

// pass copies what goes one way until either side closes.
func (w *wire) pass(l *link, from, to net.Conn, d direction) {
	defer func() {
		l.end()
		w.mu.Lock()
		delete(w.links, l)
		w.mu.Unlock()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		w.mu.Lock()
		open := w.open[d]
		w.mu.Unlock()
		select {
		case <-open:
		case <-l.ended:
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
