package config

import (
	"crypto/tls"
	"crypto/x509"
	"strings"

	"github.com/nats-io/nkeys"
	"go.yaml.in/yaml/v3"
)

// What is in the files that a configuration names is looked at when it is loaded, so that a wrong one has its line in it.
// Nothing is said of what a file holds in place of what it should: that may be another secret.

func (r *reader) tls(t *TLS, n *yaml.Node, path string) {
	unseen := func([]byte) string { return "" } // they are looked at together, below
	r.section(
		n, path,
		key{name: "ca_file", holds: certificates, scalar: func(v value) { t.CAFile = v.text }},
		key{name: "cert_file", holds: unseen, scalar: func(v value) { t.CertFile = v.text }},
		key{name: "key_file", holds: unseen, scalar: func(v value) { t.KeyFile = v.text }},
	)
	if r.given(path+".cert_file") != r.given(path+".key_file") {
		r.fault(n.Line, path, "has one of cert_file and key_file; give both, or neither")
	}
	if t.CertFile == "" || t.KeyFile == "" {
		return
	}
	cert, _ := r.open(t.CertFile) // whether they can be read was told above
	private, _ := r.open(t.KeyFile)
	if _, err := tls.X509KeyPair(cert, private); err != nil {
		r.fault(r.lines[path+".key_file"], path+".key_file",
			"is no PEM file with the private key of the certificate in cert_file, without a password")
	}
}

func certificates(content []byte) string {
	if !x509.NewCertPool().AppendCertsFromPEM(content) {
		return "the file holds no certificate in PEM: -----BEGIN CERTIFICATE-----"
	}
	return ""
}

// credentials looks for the two parts of a credentials file: who the user is, and the seed that proves it.
func credentials(content []byte) string {
	jwt, err := nkeys.ParseDecoratedJWT(content)
	if err != nil || !strings.HasPrefix(jwt, "eyJ") || seed(content) != "" {
		return "the file holds no NATS credentials, a user's JWT and seed; nsc generate creds makes one"
	}
	return ""
}

func seed(content []byte) string {
	user, err := nkeys.ParseDecoratedUserNKey(content)
	if err != nil {
		return "the file holds no seed of a NATS user, SU…; nk -gen user makes one"
	}
	user.Wipe()
	return ""
}
