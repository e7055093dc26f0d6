package publisher_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/certtest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// secretWord is in every password and token of these tests, and may be in no error and no log line.
const secretWord = "zzsecret"

// connectTo connects, and returns the text of the error: "" if there is none.
func connectTo(t *testing.T, cfg publisher.ConnectConfig) string {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	// Nobody waits as long: a server that refuses is told at once.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	nc, err := publisher.Connect(ctx, cfg, zap.New(core))
	text := ""
	if err != nil {
		text = err.Error()
	} else {
		if err := nc.FlushTimeout(time.Minute); err != nil {
			t.Error(err)
		}
		nc.Close()
	}
	if said := text + fmt.Sprint(logs.All()); strings.Contains(said, secretWord) {
		t.Errorf("a secret is shown: %s", said)
	}
	return text
}

// says compares an error's text with what it is to hold; "" is no error.
func says(t *testing.T, what, got, want string) {
	t.Helper()
	if (got == "") != (want == "") || !strings.Contains(got, want) {
		t.Errorf("%s: got %q; want %q", what, got, want)
	}
}

func seedFile(t *testing.T, user nkeys.KeyPair) string {
	t.Helper()
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "user.nk")
	if err := os.WriteFile(path, append(seed, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newKeys makes a pair of keys, and returns the public one beside it.
func newKeys(t *testing.T, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return pair, public
}

// A signer has the keys of an operator and of one account, and signs credentials of its users.
type signer struct {
	conf    string // of a server that knows the account
	account nkeys.KeyPair
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	operator, operatorKey := newKeys(t, nkeys.CreateOperator)
	account, accountKey := newKeys(t, nkeys.CreateAccount)
	operatorJWT, err := jwt.NewOperatorClaims(operatorKey).Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	accountJWT, err := jwt.NewAccountClaims(accountKey).Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{
		conf:    fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: {%s: %s}\n", operatorJWT, accountKey, accountJWT),
		account: account,
	}
}

// write puts the credentials of a new user into path, and returns the user's public key.
func (s *signer) write(t *testing.T, path string, expires time.Time) string {
	t.Helper()
	user, public := newKeys(t, nkeys.CreateUser)
	claims := jwt.NewUserClaims(public)
	if !expires.IsZero() {
		claims.Expires = expires.Unix()
	}
	token, err := claims.Encode(s.account)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	content, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return public
}

// Whoever the server knows is let in, by each of the ways to say who one is, and whoever it does not know is told at
// once which key of the configuration to look at.
func TestWaysToLogIn(t *testing.T) {
	at := func(s *publishertest.Server, user string) string {
		return strings.Replace(s.URL(), "://", "://"+user+"@", 1)
	}
	const inURL = "the server does not take the user and password, or the token, in nats.url; "
	nobody := "the server asks who we are; "

	t.Run("user and password", func(t *testing.T) {
		s := publishertest.Start(t, publishertest.Options{Config: "authorization {user: bridge, password: zzsecret1}"})
		says(t, "right", connectTo(t, publisher.ConnectConfig{URL: at(s, "bridge:zzsecret1")}), "")
		says(t, "wrong", connectTo(t, publisher.ConnectConfig{URL: at(s, "bridge:zzsecret2")}), inURL)
		says(t, "none", connectTo(t, publisher.ConnectConfig{URL: s.URL()}), nobody)
	})
	t.Run("token", func(t *testing.T) {
		s := publishertest.Start(t, publishertest.Options{Config: "authorization {token: zzsecret1}"})
		says(t, "right", connectTo(t, publisher.ConnectConfig{URL: at(s, "zzsecret1")}), "")
		says(t, "wrong", connectTo(t, publisher.ConnectConfig{URL: at(s, "zzsecret2")}), inURL)
		says(t, "none", connectTo(t, publisher.ConnectConfig{URL: s.URL()}), nobody)
	})
	t.Run("nkey", func(t *testing.T) {
		user, public := newKeys(t, nkeys.CreateUser)
		stranger, _ := newKeys(t, nkeys.CreateUser)
		s := publishertest.Start(t, publishertest.Options{Config: "authorization {users: [{nkey: " + public + "}]}"})
		says(t, "right", connectTo(t, publisher.ConnectConfig{URL: s.URL(), NKeyFile: seedFile(t, user)}), "")
		says(t, "wrong", connectTo(t, publisher.ConnectConfig{URL: s.URL(), NKeyFile: seedFile(t, stranger)}),
			"the server does not take the user of nats.nkey_file; ")
		says(t, "missing", connectTo(t, publisher.ConnectConfig{URL: s.URL(), NKeyFile: "/missing.nk"}), "nats.nkey_file: ")
		says(t, "none", connectTo(t, publisher.ConnectConfig{URL: s.URL()}), nobody)
		open := publishertest.Start(t, publishertest.Options{NoJetStream: true})
		says(t, "nobody asks", connectTo(t, publisher.ConnectConfig{URL: open.URL(), NKeyFile: seedFile(t, user)}),
			"the server does not take the user of nats.nkey_file; ")
	})
	t.Run("credentials", func(t *testing.T) {
		known, other := newSigner(t), newSigner(t)
		s := publishertest.Start(t, publishertest.Options{Config: known.conf})
		file := filepath.Join(t.TempDir(), "bridge.creds")
		with := publisher.ConnectConfig{URL: s.URL(), CredsFile: file}
		const refused = "the server does not take the user of nats.creds_file; "
		known.write(t, file, time.Time{})
		says(t, "right", connectTo(t, with), "")
		known.write(t, file, time.Now().Add(-time.Hour))
		says(t, "expired", connectTo(t, with), refused)
		other.write(t, file, time.Time{})
		says(t, "of another operator", connectTo(t, with), refused)
		says(t, "none", connectTo(t, publisher.ConnectConfig{URL: s.URL()}), nobody)
		with.CredsFile = "/missing.creds"
		says(t, "missing", connectTo(t, with), "nats.creds_file: ")
	})
}

// With TLS, each side finds out who the other is. What is wrong with a certificate is told at once, with the key.
func TestTLS(t *testing.T) {
	ours, theirs := certtest.NewAuthority(t), certtest.NewAuthority(t)
	tlsServer := func(t *testing.T, cert certtest.Pair, more string) string {
		t.Helper()
		s := publishertest.Start(t, publishertest.Options{Config: fmt.Sprintf(
			"tls {cert_file: %q, key_file: %q, %s}", cert.CertFile, cert.KeyFile, more)})
		_, port, _ := strings.Cut(strings.TrimPrefix(s.NS.Addr().String(), "127.0.0.1"), ":")
		return "nats://127.0.0.1:" + port
	}
	t.Run("the server's certificate", func(t *testing.T) {
		url := tlsServer(t, ours.Issue(t, certtest.Options{}), "")
		says(t, "its authority", connectTo(t, publisher.ConnectConfig{URL: url, CAFile: ours.File}), "")
		says(t, "tls in the URL", connectTo(t, publisher.ConnectConfig{URL: "tls" + url[4:], CAFile: ours.File}), "")
		says(t, "another authority", connectTo(t, publisher.ConnectConfig{URL: url, CAFile: theirs.File}),
			"is of an authority that is not trusted here; set nats.tls.ca_file")
		says(t, "the system's", connectTo(t, publisher.ConnectConfig{URL: url}), "set nats.tls.ca_file")
		says(t, "no file", connectTo(t, publisher.ConnectConfig{URL: url, CAFile: "/missing.pem"}), "nats.tls.ca_file: ")
		expired := tlsServer(t, ours.Issue(t, certtest.Options{Expired: true}), "")
		says(t, "expired", connectTo(t, publisher.ConnectConfig{URL: expired, CAFile: ours.File}), "has expired or is not valid yet")
		named := tlsServer(t, ours.Issue(t, certtest.Options{Host: "nats.example"}), "")
		says(t, "another name", connectTo(t, publisher.ConnectConfig{URL: named, CAFile: ours.File}), "give nats.url a name that is in it")
		plain := publishertest.Start(t, publishertest.Options{NoJetStream: true})
		says(t, "no TLS", connectTo(t, publisher.ConnectConfig{URL: plain.URL(), CAFile: ours.File}), "the server speaks no TLS; ")
	})
	t.Run("our certificate", func(t *testing.T) {
		url := tlsServer(t, ours.Issue(t, certtest.Options{}), fmt.Sprintf("ca_file: %q, verify: true", ours.File))
		with := func(p certtest.Pair) publisher.ConnectConfig {
			return publisher.ConnectConfig{URL: url, CAFile: ours.File, CertFile: p.CertFile, KeyFile: p.KeyFile}
		}
		const refused = "the server does not take our certificate; see that nats.tls.cert_file"
		says(t, "right", connectTo(t, with(ours.Issue(t, certtest.Options{}))), "")
		says(t, "none", connectTo(t, publisher.ConnectConfig{URL: url, CAFile: ours.File}), "set nats.tls.cert_file and nats.tls.key_file")
		says(t, "of another authority", connectTo(t, with(theirs.Issue(t, certtest.Options{}))), refused)
		says(t, "expired", connectTo(t, with(ours.Issue(t, certtest.Options{Expired: true}))), refused)
		says(t, "no file", connectTo(t, with(certtest.Pair{CertFile: "/missing.pem", KeyFile: "/missing.pem"})), "nats.tls: ")
	})
}

// userOf is who the server takes its one client for.
func userOf(t *testing.T, s *publishertest.Server) (id uint64, user string) {
	t.Helper()
	conns, err := s.NS.Connz(&server.ConnzOptions{Username: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(conns.Conns) != 1 {
		return 0, ""
	}
	return conns.Conns[0].Cid, conns.Conns[0].AuthorizedUser
}

// logIn connects, and returns what has the server close the connection and waits until it is back.
func logIn(t *testing.T, s *publishertest.Server, cfg publisher.ConnectConfig) (again func()) {
	t.Helper()
	wrote := make(chan struct{}, 100)
	core, logs := observer.New(zap.InfoLevel)
	nc, err := publisher.Connect(t.Context(), cfg, zap.New(&hook{Core: core, wrote: wrote}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return func() {
		id, _ := userOf(t, s)
		if err := s.NS.DisconnectClientByID(id); err != nil {
			t.Fatal(err)
		}
		for logs.FilterMessage("nats connection is back").Len() == 0 {
			<-wrote
		}
	}
}

// Credentials and certificates that are replaced are used for the next connection, without a restart.
func TestFilesAreReadAgainForEachConnection(t *testing.T) {
	t.Run("credentials", func(t *testing.T) {
		known := newSigner(t)
		s := publishertest.Start(t, publishertest.Options{Config: known.conf})
		file := filepath.Join(t.TempDir(), "bridge.creds")
		first := known.write(t, file, time.Time{})
		again := logIn(t, s, publisher.ConnectConfig{URL: s.URL(), CredsFile: file})
		if _, got := userOf(t, s); got != first {
			t.Errorf("got the user %s, want %s", got, first)
		}
		second := known.write(t, file, time.Time{})
		again()
		if _, got := userOf(t, s); got != second {
			t.Errorf("got the user %s, want %s", got, second)
		}
	})
	t.Run("a certificate", func(t *testing.T) {
		ca := certtest.NewAuthority(t)
		cert := ca.Issue(t, certtest.Options{})
		s := publishertest.Start(t, publishertest.Options{Config: fmt.Sprintf(`
			tls {cert_file: %q, key_file: %q, ca_file: %q, verify_and_map: true}
			authorization {users: [{user: "CN=one"}, {user: "CN=two"}]}`, cert.CertFile, cert.KeyFile, ca.File)})
		own := ca.Issue(t, certtest.Options{Name: "one"})
		again := logIn(t, s, publisher.ConnectConfig{
			URL: "tls://" + s.NS.Addr().String(), CAFile: ca.File, CertFile: own.CertFile, KeyFile: own.KeyFile,
		})
		if _, got := userOf(t, s); got != "CN=one" {
			t.Errorf("got the user %s, want CN=one", got)
		}
		ca.Issue(t, certtest.Options{Name: "two"}).Put(t, own)
		again()
		if _, got := userOf(t, s); got != "CN=two" {
			t.Errorf("got the user %s, want CN=two", got)
		}
	})
}

// Once connected, a refusal ends nothing: it is said once, and waited out, as it may be mended on either side.
func TestALaterRefusalIsWaitedOut(t *testing.T) {
	known, other := newSigner(t), newSigner(t)
	s := publishertest.Start(t, publishertest.Options{Config: known.conf})
	file := filepath.Join(t.TempDir(), "bridge.creds")
	known.write(t, file, time.Time{})
	wrote := make(chan struct{}, 1000)
	core, logs := observer.New(zap.DebugLevel)
	nc, err := publisher.Connect(t.Context(), publisher.ConnectConfig{URL: s.URL(), CredsFile: file}, zap.New(&hook{Core: core, wrote: wrote}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	// until waits for a line; the test ends with its own time limit if it does not come.
	until := func(message string) {
		for logs.FilterMessage(message).Len() == 0 {
			<-wrote
		}
	}
	other.write(t, file, time.Time{})
	id, _ := userOf(t, s)
	if err := s.NS.DisconnectClientByID(id); err != nil {
		t.Fatal(err)
	}
	const refused = "nats refuses the connection; trying on"
	until(refused)
	until("nats refuses the connection still")
	known.write(t, file, time.Time{})
	until("nats connection is back")
	lines := logs.FilterMessage(refused).All()
	if len(lines) != 1 || !strings.Contains(fmt.Sprint(lines[0].ContextMap()["error"]), "nats.creds_file") {
		t.Errorf("got %v, want one line that names nats.creds_file", lines)
	}
	if n := logs.FilterMessage("nats reports an error").Len(); n > 0 {
		t.Errorf("it is said %d times more", n)
	}
}
