package publishertest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// A Fault is something that goes wrong between a client and its server.
type Fault int

// The faults. Each counts the publishes to a stream (messages with a reply subject, other than API requests) or
// their acknowledgements.
const (
	// CutBeforePublish closes the connection in place of the next publish: it is not stored.
	CutBeforePublish Fault = iota + 1
	// CutBeforeAck closes the connection in place of the next acknowledgement: the message is stored.
	CutBeforeAck
	// SwallowAcks lets every acknowledgement from the next on vanish, and all else pass.
	SwallowAcks
)

// A Proxy stands between NATS clients and their server, and breaks when it is told to. It ends with the test.
type Proxy struct {
	server string // host:port
	l      net.Listener
	wg     sync.WaitGroup

	mu     sync.Mutex // guards what follows
	conns  map[net.Conn]bool
	fault  Fault
	left   int           // how many more of what fault counts pass unharmed
	struck chan struct{} // closed when the fault happens
	down   bool
}

// StartProxy starts a proxy in front of the server at serverURL.
func StartProxy(tb testing.TB, serverURL string) *Proxy {
	tb.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{server: u.Host, l: l, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		p.Cut()
		p.wg.Wait()
	})
	return p
}

// URL is what clients connect to.
func (p *Proxy) URL() string { return "nats://" + p.l.Addr().String() }

// Arm lets fault happen once, after n more of what it counts have passed. The channel is closed when it happens.
// SwallowAcks goes on until Heal.
func (p *Proxy) Arm(fault Fault, n int) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.left, p.struck = fault, n, make(chan struct{})
	return p.struck
}

// Cut closes all connections. Clients may connect again.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Down cuts, and lets nobody connect until Heal.
func (p *Proxy) Down() {
	p.mu.Lock()
	p.down = true
	p.mu.Unlock()
	p.Cut()
}

// Heal takes every fault away.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.down = 0, false
}

func (p *Proxy) accept() {
	for {
		client, err := p.l.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.server)
		if err != nil || !p.hold(client, server) {
			_ = client.Close()
			if err == nil {
				_ = server.Close()
			}
			continue
		}
		p.wg.Go(func() { p.pass(client, server, p.onPublish) })
		p.wg.Go(func() { p.pass(server, client, p.onAck) })
	}
}

// hold remembers a pair of connections, unless the proxy is down.
func (p *Proxy) hold(client, server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return false
	}
	p.conns[client], p.conns[server] = true, true
	return true
}

// verdict is what becomes of one protocol frame.
type verdict int

const (
	forward verdict = iota
	swallow
	cut
)

// pass copies frames of the NATS protocol until either side closes, and closes both.
func (p *Proxy) pass(from, to net.Conn, judge func(line, payload []byte) verdict) {
	defer func() {
		_ = from.Close()
		_ = to.Close()
		p.mu.Lock()
		delete(p.conns, from)
		delete(p.conns, to)
		p.mu.Unlock()
	}()
	r := bufio.NewReaderSize(from, 64<<10)
	w := bufio.NewWriterSize(to, 64<<10)
	for {
		line, payload, err := readFrame(r)
		if err != nil {
			return
		}
		switch judge(line, payload) {
		case forward:
			_, _ = w.Write(line)
			_, err = w.Write(payload)
		case swallow:
		case cut:
			_ = w.Flush()
			return
		}
		if err == nil && r.Buffered() == 0 {
			err = w.Flush()
		}
		if err != nil {
			return
		}
	}
}

// readFrame reads one protocol line and, if it announces one, the payload behind it, each with its line end.
func readFrame(r *bufio.Reader) (line, payload []byte, err error) {
	line, err = r.ReadBytes('\n')
	if err != nil {
		return nil, nil, err
	}
	switch verb, _, _ := bytes.Cut(line, []byte(" ")); string(verb) {
	case "PUB", "HPUB", "MSG", "HMSG":
		fields := bytes.Fields(line)
		size, err := strconv.Atoi(string(fields[len(fields)-1]))
		if err != nil {
			return nil, nil, fmt.Errorf("no size in %q", line)
		}
		payload = make([]byte, size+len("\r\n"))
		_, err = io.ReadFull(r, payload)
		return line, payload, err
	}
	return line, nil, nil
}

// onPublish judges what a client sends. A publish to a stream is "HPUB <subject> <reply> <header size> <size>".
func (p *Proxy) onPublish(line, _ []byte) verdict {
	fields := bytes.Fields(line)
	if len(fields) != 5 || string(fields[0]) != "HPUB" || bytes.HasPrefix(fields[1], []byte("$JS.")) {
		return forward
	}
	return p.strike(CutBeforePublish)
}

// onAck judges what a server sends. An acknowledgement is {"stream":"…","seq":…} and no more.
func (p *Proxy) onAck(_, payload []byte) verdict {
	if !bytes.HasPrefix(payload, []byte(`{"stream":`)) {
		return forward
	}
	return p.strike(CutBeforeAck, SwallowAcks)
}

// strike counts one frame that is of concern to faults.
func (p *Proxy) strike(faults ...Fault) verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(faults, p.fault) {
		return forward
	}
	if p.left > 0 {
		p.left--
		return forward
	}
	if p.struck != nil {
		close(p.struck)
		p.struck = nil
	}
	if p.fault == SwallowAcks {
		return swallow
	}
	p.fault = 0
	return cut
}
