package publisher

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"

	"github.com/nats-io/nats.go"
)

// hopeless tells whether an attempt to connect failed for a reason that waiting does not mend: the server refuses us,
// we refuse it, or a file is not there.
func hopeless(err error) bool {
	var certificate *tls.CertificateVerificationError
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) ||
		errors.Is(err, nats.ErrAuthRevoked) || errors.Is(err, nats.ErrNkeysNotSupported) ||
		errors.Is(err, nats.ErrSecureConnRequired) || errors.Is(err, nats.ErrSecureConnWanted) ||
		errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) ||
		errors.As(err, &certificate) || alert(err)
}

// alert says whether the server ended the TLS handshake: nearly always because of our certificate.
func alert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error" // what crypto/tls calls an alert of the other side
}

// advise adds to an error that is hopeless which key of the configuration to look at, and what to do.
func (c ConnectConfig) advise(err error) error {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		advice    string
	)
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked),
		errors.Is(err, nats.ErrNkeysNotSupported):
		advice = c.refusedUser()
	case errors.Is(err, nats.ErrSecureConnWanted):
		advice = "the server speaks no TLS; write nats:// in nats.url and leave nats.tls out, or give the server a certificate"
	case errors.As(err, &authority):
		advice = "the server's certificate is of an authority that is not trusted here; set nats.tls.ca_file to that authority's certificate"
	case errors.As(err, &name):
		advice = "the server's certificate is for another name; give nats.url a name that is in it"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		advice = "the server's certificate, or nats.tls.ca_file, has expired or is not valid yet; renew it, or set the clock right"
	case alert(err) && c.CertFile == "":
		advice = "the server asks for a certificate of ours; set nats.tls.cert_file and nats.tls.key_file"
	case alert(err):
		advice = "the server does not take our certificate; see that nats.tls.cert_file has not expired and is of an authority that it trusts"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, advice)
}

// refusedUser says what to do if the server does not take the user that c has.
func (c ConnectConfig) refusedUser() string {
	switch {
	case c.CredsFile != "":
		return "the server does not take the user of nats.creds_file; see that its account is one of the server's, and that it has neither expired nor been revoked"
	case c.NKeyFile != "":
		return "the server does not take the user of nats.nkey_file; add its public key to the server's users, or give the seed of one that it has"
	case strings.Contains(c.URL, "@"):
		return "the server does not take the user and password, or the token, in nats.url; correct them there, or in the server"
	default:
		return "the server asks who we are; put a user and password, or a token, into nats.url, or set nats.creds_file or nats.nkey_file"
	}
}

// disconnected is err in plainer words if it says that the connection is down: to nats.go that is a buffer which is full,
// because we have none (see Connect).
func disconnected(err error) error {
	if errors.Is(err, nats.ErrReconnectBufExceeded) {
		return nats.ErrDisconnected
	}
	return err
}
