package publisher

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// dialFunc is a nats.CustomDialer.
type dialFunc func(network, address string) (net.Conn, error)

func (f dialFunc) Dial(network, address string) (net.Conn, error) { return f(network, address) }

// connectWithin is opts.Connect, which ends with ctx, too. By itself nats.go waits for each server of a list in turn, be it
// for its name, its connection or its first word. A connection that was made outlives ctx, and is made again when it is lost.
func connectWithin(ctx context.Context, opts nats.Options) (*nats.Conn, error) {
	attempt, abort := context.WithCancel(context.WithoutCancel(ctx))
	var connecting atomic.Bool
	connecting.Store(true)
	plain := net.Dialer{Timeout: dialTimeout}
	opts.SkipHostLookup = true // the dialer does it, within the attempt
	opts.CustomDialer = dialFunc(func(network, address string) (net.Conn, error) {
		conn, err := plain.DialContext(attempt, network, address)
		if err == nil && connecting.Load() {
			context.AfterFunc(attempt, func() { _ = conn.Close() }) // nats.go may be waiting for it to speak
		}
		return conn, err
	})
	defer connecting.Store(false)
	defer context.AfterFunc(ctx, abort)()
	return opts.Connect()
}
