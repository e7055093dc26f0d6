// Package certtest makes certificates for tests of TLS: an [Authority], and what it signs.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An Authority signs certificates. Its own is in File, in PEM, as long as the test runs.
type Authority struct {
	File string

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// A Pair is a certificate and its private key, in two PEM files that go with the test.
type Pair struct{ CertFile, KeyFile string }

// Options are what a test may want otherwise. The zero value is valid for an hour, for 127.0.0.1, as a server's and as a
// client's.
type Options struct {
	Name    string // its common name; "" means test
	Host    string // a name in place of 127.0.0.1
	Expired bool   // since an hour
}

// NewAuthority makes an authority that nobody trusts yet.
func NewAuthority(tb testing.TB) *Authority {
	tb.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a := &Authority{key: newKey(tb)}
	a.cert = sign(tb, template, template, a.key, a.key)
	a.File = write(tb, tb.TempDir(), "ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

// Issue makes a certificate.
func (a *Authority) Issue(tb testing.TB, o Options) Pair {
	tb.Helper()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: o.Name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if o.Name == "" {
		template.Subject.CommonName = "test"
	}
	if o.Expired {
		template.NotAfter = time.Now().Add(-time.Hour)
	}
	if o.Host == "" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	} else {
		template.DNSNames = []string{o.Host}
	}
	key := newKey(tb)
	cert := sign(tb, template, a.cert, key, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	return Pair{
		CertFile: write(tb, dir, "cert.pem", "CERTIFICATE", cert.Raw),
		KeyFile:  write(tb, dir, "key.pem", "PRIVATE KEY", der),
	}
}

// Put replaces the files of other by those of p.
func (p Pair) Put(tb testing.TB, other Pair) {
	tb.Helper()
	for from, to := range map[string]string{p.CertFile: other.CertFile, p.KeyFile: other.KeyFile} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, data, 0o600)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func sign(tb testing.TB, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	tb.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return cert
}

func write(tb testing.TB, dir, name, kind string, der []byte) string {
	tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
