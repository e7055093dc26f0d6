package redisstore

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
)

// ErrRefused is in an error of Open that waiting does not mend: Redis does not take our user or certificate, we do not
// take its certificate, or a file is not there. The error says what to do.
var ErrRefused = errors.New("refused")

// advise adds to an error of the first contact which key of the configuration to look at, and ErrRefused. An error that may
// go by itself it leaves alone.
func (c Config) advise(err error) error {
	advice := c.advice(err)
	if advice == "" {
		return err
	}
	return fmt.Errorf("%w: %w: %s", ErrRefused, err, advice)
}

func (c Config) advice(err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		op        *net.OpError
	)
	text := err.Error()
	switch {
	case strings.Contains(text, "NOAUTH"):
		return "Redis asks who we are; put a user and password into state.redis_url: redis://USER:PASSWORD@HOST"
	case strings.Contains(text, "WRONGPASS"):
		return "Redis does not take the user and password in state.redis_url; correct them there, or in Redis"
	case strings.Contains(text, "NOPERM"):
		return "the user in state.redis_url lacks a right; deploy/redis-users.acl has all that a bridge needs"
	case errors.As(err, &authority):
		return "Redis's certificate is of an authority that is not trusted here; set state.tls.ca_file to that authority's certificate"
	case errors.As(err, &name):
		return "Redis's certificate is for another name; give state.redis_url a name that is in it"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "Redis's certificate, or state.tls.ca_file, has expired or is not valid yet; renew it, or set the clock right"
	case errors.As(err, &op) && op.Op == "remote error" && c.CertFile == "": // an alert of the other side
		return "Redis asks for a certificate of ours; set state.tls.cert_file and state.tls.key_file"
	case errors.As(err, &op) && op.Op == "remote error":
		return "Redis does not take our certificate; see that state.tls.cert_file has not expired and is of an authority that it trusts"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return "it must be there, and readable for the bridge"
	}
	return ""
}
