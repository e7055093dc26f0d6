// Package publishertest gives tests a real JetStream server, in this process ([Start]) or in one that can be killed
// ([StartProcess]), a network that can break between them ([Proxy]), and a look at what is stored ([Collect]).
package publishertest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// readyWithin bounds the start of a server, which takes some milliseconds.
const readyWithin = 30 * time.Second

// Options are what a test may want otherwise. The zero value is a server with JetStream that does not sync.
type Options struct {
	SyncAlways  bool
	NoJetStream bool
	MaxPayload  int32  // bytes; 0 means NATS's own default, 1 MiB
	Dir         string // where the messages are; "" means a directory that goes with the test
	User        string // if set, the server asks for this user and Password
	Password    string
	// Config is the text of a configuration file of nats-server, for what is not above. Dir, SyncAlways and MaxPayload count beside
	// it; JetStream is off unless the text turns it on.
	Config string
}

// A Server is a NATS server on a free loopback port. It stops with the test.
type Server struct {
	// NS is the server itself, for a connection without a network and for what only a server can tell.
	NS  *server.Server
	url string
}

// Start starts a server in this process.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	opts := &server.Options{JetStream: !o.NoJetStream, Username: o.User, Password: o.Password}
	if o.Config != "" {
		path := filepath.Join(tb.TempDir(), "nats.conf")
		if err := os.WriteFile(path, []byte(o.Config), 0o600); err != nil {
			tb.Fatal(err)
		}
		var err error
		if opts, err = server.ProcessConfigFile(path); err != nil {
			tb.Fatalf("nats-server: %v", err)
		}
	}
	opts.StoreDir, opts.SyncAlways, opts.MaxPayload = o.Dir, o.SyncAlways, o.MaxPayload
	if opts.StoreDir == "" {
		opts.StoreDir = tb.TempDir()
	}
	return StartWith(tb, opts)
}

// StartWith starts a server with whatever options nats-server has, on a free loopback port and without a log.
func StartWith(tb testing.TB, opts *server.Options) *Server {
	tb.Helper()
	opts.Host, opts.Port, opts.NoLog, opts.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	ns, err := server.NewServer(opts)
	if err != nil {
		tb.Fatalf("nats-server: %v", err)
	}
	ns.Start()
	s := &Server{NS: ns}
	tb.Cleanup(s.Shutdown)
	if !ns.ReadyForConnections(readyWithin) {
		tb.Fatalf("nats-server is not ready after %s", readyWithin)
	}
	s.url = ns.ClientURL()
	return s
}

// URL is where the server listens.
func (s *Server) URL() string { return s.url }

// Shutdown stops the server before the test ends. It may be called twice.
func (s *Server) Shutdown() {
	s.NS.Shutdown()
	s.NS.WaitForShutdown()
}

// Conn connects to the server over TCP. The connection closes with the test.
func (s *Server) Conn(tb testing.TB) *nats.Conn {
	tb.Helper()
	return Connect(tb, s.url)
}

// JetStream is JetStream on a connection of its own.
func (s *Server) JetStream(tb testing.TB) jetstream.JetStream {
	tb.Helper()
	return JetStream(tb, s.Conn(tb))
}

// Connect connects to url, reconnects for ever as the bridge does, and closes with the test.
func Connect(tb testing.TB, url string, opts ...nats.Option) *nats.Conn {
	tb.Helper()
	opts = append([]nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(10 * time.Millisecond), nats.ReconnectJitter(0, 0),
	}, opts...)
	nc, err := nats.Connect(url, opts...)
	if err != nil {
		tb.Fatalf("connect to nats: %v", err)
	}
	tb.Cleanup(nc.Close)
	return nc
}

// JetStream is JetStream on nc.
func JetStream(tb testing.TB, nc *nats.Conn) jetstream.JetStream {
	tb.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		tb.Fatal(err)
	}
	return js
}

// A Message is a stored message.
type Message struct {
	Sequence uint64 // in the stream
	Subject  string
	ID       string // the header Nats-Msg-Id
	Header   nats.Header
	Body     []byte
}

// Collect returns all messages of stream that match filter, in the order of the stream. "" matches all.
func Collect(tb testing.TB, js jetstream.JetStream, stream, filter string) []Message {
	tb.Helper()
	ctx := tb.Context()
	if filter == "" {
		filter = ">"
	}
	s, err := js.Stream(ctx, stream)
	if err != nil {
		tb.Fatalf("collect %s: %v", stream, err)
	}
	var got []Message
	state := s.CachedInfo().State
	for seq := state.FirstSeq; seq <= state.LastSeq && state.Msgs > 0; {
		m, err := s.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(filter)) // the first at seq or behind it
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			tb.Fatalf("collect %s: message %d: %v", stream, seq, err)
		}
		got = append(got, Message{m.Sequence, m.Subject, m.Header.Get(jetstream.MsgIDHeader), m.Header, m.Data})
		seq = m.Sequence + 1
	}
	return got
}
