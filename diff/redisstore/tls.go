package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"
)

// secure makes every connection by what is in the files of cfg at that moment, so that a certificate can be replaced while
// the store is open. Without files the client library does it by itself.
func (to *target) secure(cfg Config) {
	if cfg.CAFile == "" && cfg.CertFile == "" {
		return
	}
	dial := func(base *tls.Config, timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
		if base == nil {
			base = &tls.Config{MinVersion: tls.VersionTLS12} // files without rediss: TLS is wanted all the same
		}
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			config, err := cfg.read(base)
			if err != nil {
				return nil, err
			}
			d := tls.Dialer{NetDialer: &net.Dialer{Timeout: timeout}, Config: config}
			return d.DialContext(ctx, network, addr)
		}
	}
	switch {
	case to.single != nil:
		to.single.Dialer = dial(to.single.TLSConfig, to.single.DialTimeout)
	case to.cluster != nil:
		to.cluster.Dialer = dial(to.cluster.TLSConfig, to.cluster.DialTimeout)
	default:
		to.sentinel.Dialer = dial(to.sentinel.TLSConfig, to.sentinel.DialTimeout)
	}
}

// read is base with what the files hold. Its errors name the key of the configuration.
func (c Config) read(base *tls.Config) (*tls.Config, error) {
	config := base.Clone()
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("state.tls.ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("state.tls.ca_file: %s holds no certificate in PEM", c.CAFile)
		}
	}
	if c.CertFile != "" {
		own, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("state.tls: cert_file and key_file: %w", err)
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}
