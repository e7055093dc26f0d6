package cliniko

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// NewTransport makes connections as a bridge of many accounts needs them: one transport for all of its clients, so that
// they share connections (a new TLS connection for each poll was measured to cost about ten times what the rest of the
// poll costs). It decompresses gzip by itself; the client bounds what comes out.
//
// It uses the proxy of the environment, if there is one. To an https host a proxy sees no more than the host's name,
// and loopback hosts are never asked by proxy.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          512, // over all shards
		MaxIdleConnsPerHost:   128, // net/http's own is 2, and then nearly every poll would connect anew
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: 33 * time.Second, // Cliniko's own 504 comes after about 30 s
		// Cliniko's headers have about 1 KiB; net/http's own limit is 10 MiB.
		MaxResponseHeaderBytes: 64 << 10,
		// With HTTP/2 all accounts of a shard may share one connection. If it dies without a word (a firewall that
		// forgot it), a ping finds out, and not a thousand timeouts.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}
