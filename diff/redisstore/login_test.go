package redisstore_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/certtest"
)

// secureRedis is a Redis that also speaks TLS, with a certificate of its own, and the URL for that.
func secureRedis(t *testing.T, own certtest.Pair, args ...string) (url string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	difftest.StartRedis(t, append([]string{
		"--tls-port", strconv.Itoa(port), "--tls-cert-file", own.CertFile, "--tls-key-file", own.KeyFile,
	}, args...)...)
	return "rediss://127.0.0.1:" + strconv.Itoa(port) + "/0"
}

// opens says what became of opening a store: "" if it was opened, and the error if it was refused. It tries on like the
// bridge: a server that closes the connection may do so before its reason has come through.
func opens(t *testing.T, cfg redisstore.Config) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		s, err := redisstore.Open(t.Context(), cfg)
		switch {
		case err == nil:
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			return ""
		case errors.Is(err, redisstore.ErrRefused):
			return err.Error()
		case time.Now().After(deadline):
			t.Errorf("got %v, want that it is refused", err)
			return err.Error()
		}
	}
}

func says(t *testing.T, what, got, want string) {
	t.Helper()
	if (got == "") != (want == "") || !strings.Contains(got, want) || strings.Contains(got, "zzsecret") {
		t.Errorf("%s: got %q; want %q", what, got, want)
	}
}

// With TLS, each side finds out who the other is, and what is wrong with a certificate is told with the key of the configuration.
func TestTLS(t *testing.T) {
	ours, theirs := certtest.NewAuthority(t), certtest.NewAuthority(t)
	t.Run("Redis's certificate", func(t *testing.T) {
		url := secureRedis(t, ours.Issue(t, certtest.Options{}), "--tls-auth-clients", "no")
		says(t, "its authority", opens(t, redisstore.Config{URL: url, CAFile: ours.File}), "")
		says(t, "another", opens(t, redisstore.Config{URL: url, CAFile: theirs.File}), "set state.tls.ca_file")
		says(t, "the system's", opens(t, redisstore.Config{URL: url}), "set state.tls.ca_file")
		says(t, "no file", opens(t, redisstore.Config{URL: url, CAFile: "/missing.pem"}), "state.tls.ca_file: open /missing.pem")
		says(t, "another name", opens(t, redisstore.Config{URL: strings.Replace(url, "127.0.0.1", "localhost", 1), CAFile: ours.File}),
			"give state.redis_url a name that is in it")
		expired := secureRedis(t, ours.Issue(t, certtest.Options{Expired: true}), "--tls-auth-clients", "no")
		says(t, "expired", opens(t, redisstore.Config{URL: expired, CAFile: ours.File}), "has expired or is not valid yet")
	})
	t.Run("our certificate", func(t *testing.T) {
		url := secureRedis(t, ours.Issue(t, certtest.Options{}), "--tls-ca-cert-file", ours.File)
		with := func(p certtest.Pair) redisstore.Config {
			return redisstore.Config{URL: url, CAFile: ours.File, CertFile: p.CertFile, KeyFile: p.KeyFile}
		}
		own := ours.Issue(t, certtest.Options{})
		says(t, "right", opens(t, with(own)), "")
		says(t, "none", opens(t, redisstore.Config{URL: url, CAFile: ours.File}), "set state.tls.cert_file")
		says(t, "of another authority", opens(t, with(theirs.Issue(t, certtest.Options{}))), "see that state.tls.cert_file")
		says(t, "expired", opens(t, with(ours.Issue(t, certtest.Options{Expired: true}))), "see that state.tls.cert_file")
		says(t, "no file", opens(t, with(certtest.Pair{CertFile: "/missing.pem", KeyFile: "/missing.pem"})), "state.tls: cert_file and key_file")
	})
}

// A certificate that is replaced is used for the next connection, without a restart.
func TestACertificateIsReadAgainForEachConnection(t *testing.T) {
	ca, other := certtest.NewAuthority(t), certtest.NewAuthority(t)
	url := secureRedis(t, ca.Issue(t, certtest.Options{}), "--tls-ca-cert-file", ca.File)
	own := ca.Issue(t, certtest.Options{})
	s, err := redisstore.Open(t.Context(), redisstore.Config{
		URL: url + "?max_idle_conns=0&conn_max_lifetime=1ns", CAFile: ca.File, CertFile: own.CertFile, KeyFile: own.KeyFile,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is at stake
	other.Issue(t, certtest.Options{}).Put(t, own)
	if err := s.Ping(t.Context()); err == nil {
		t.Error("a new connection was made with the old certificate")
	}
	ca.Issue(t, certtest.Options{}).Put(t, own)
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// Whom Redis does not know it refuses, and the error says what to look at.
func TestUsers(t *testing.T) {
	r := difftest.StartRedis(t)
	do(t, raw(t, r), "ACL", "SETUSER", "bridge", "on", ">zzsecret", "~cliniko:*", "+@all")
	do(t, raw(t, r), "ACL", "SETUSER", "poor", "on", ">zzsecret", "~cliniko:*", "-@all")
	as := func(user string) redisstore.Config {
		return redisstore.Config{URL: strings.Replace(r.URL, "://", "://"+user+"@", 1)}
	}
	const wrong = "Redis does not take the user and password in state.redis_url"
	says(t, "right", opens(t, as("bridge:zzsecret")), "")
	says(t, "wrong password", opens(t, as("bridge:zzsecret2")), wrong)
	says(t, "unknown user", opens(t, as("stranger:zzsecret")), wrong)
	says(t, "no rights", opens(t, as("poor:zzsecret")), "lacks a right; deploy/redis-users.acl")
	locked := difftest.StartRedis(t, "--requirepass", "zzsecret")
	says(t, "nobody", opens(t, redisstore.Config{URL: locked.URL}), "Redis asks who we are; put a user and password into state.redis_url")
}
