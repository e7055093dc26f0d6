package check

import (
	"context"
	"net"
	"net/url"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/embedded"
)

// dialTimeout is for somebody on this machine.
const dialTimeout = time.Second

// embedded says what will become of the embedded NATS server. It returns the URL of one that runs, "" if none does.
func (r *Report) embedded(ctx context.Context, cfg *config.Config) string {
	listen := cfg.NATS.Listen
	if url, err := embedded.FindURL(bridge.NATSDir(cfg)); err == nil && answers(ctx, hostOf(url)) {
		return url
	}
	switch err := free(ctx, listen); {
	case err != nil && cfg.Given("nats.listen"):
		r.bad("NATS", "something else listens on nats.listen %s; stop that, or give nats.listen another port (%s)", listen, err)
	case err != nil:
		r.warn("NATS", "`run` starts a server inside; something else has %s, so it will take another port (%s)", listen, err)
	case !loopback(listen):
		r.warn("NATS", "`run` starts a server inside, on %s, which asks nobody for a password and is open to the network", listen)
	default:
		r.ok("NATS", "`run` starts a server inside, on %s, and makes stream %s", listen, cfg.NATS.Stream)
	}
	return ""
}

// operators looks whether the HTTP server for operators can have its address.
func operators(ctx context.Context, cfg *config.Config) Report {
	var out Report
	switch err := free(ctx, cfg.Admin.Listen); {
	case err == nil:
		out.ok("admin.listen", "%s is free", cfg.Admin.Listen)
	case bridgeAt(ctx, cfg.Admin.Listen):
		out.ok("admin.listen", "a bridge is running on %s", cfg.Admin.Listen)
	default:
		out.bad("admin.listen", "%s", err)
	}
	return out
}

// free returns nil if a server of ours could listen on addr, and otherwise why not.
func free(ctx context.Context, addr string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// answers says whether anybody listens on addr.
func answers(ctx context.Context, addr string) bool {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was written
	return true
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}

func loopback(addr string) bool {
	host, _, _ := net.SplitHostPort(addr) // it was checked with the configuration
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
