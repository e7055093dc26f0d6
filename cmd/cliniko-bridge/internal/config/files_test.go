package config

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/cliniko-bridge/cliniko-bridge/publisher/certtest"
)

// withRealFiles works in a copy of testdata in which the certificates and credentials are real.
func withRealFiles(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "testdata"), os.DirFS("testdata")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	cert, key := pair(t)
	for name, content := range map[string]string{"ca.pem": cert, "cert.pem": cert, "key.pem": key, "nats.creds": creds(t)} {
		if err := os.WriteFile(filepath.Join("testdata/config/files", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// pair is a certificate and its private key, in PEM.
func pair(t *testing.T) (cert, key string) {
	t.Helper()
	files := certtest.NewAuthority(t).Issue(t, certtest.Options{})
	var texts [2]string
	for i, file := range []string{files.CertFile, files.KeyFile} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(data)
	}
	return texts[0], texts[1]
}

// userSeed is the seed of a NATS user.
func userSeed(t *testing.T) string {
	t.Helper()
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(seed)
}

// creds has the form of NATS credentials; nobody has signed them.
func creds(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("-----BEGIN NATS USER JWT-----\neyJ0eXAiOiJKV1QifQ.e30.sig\n------END NATS USER JWT------\n\n"+
		"-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", userSeed(t))
}

// A file that is there and holds something else is a fault of the configuration, and is not quoted.
func TestWhatIsInAFileIsLookedAt(t *testing.T) {
	cert, key := pair(t)
	_, other := pair(t)
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	accountSeed, err := account.Seed()
	if err != nil {
		t.Fatal(err)
	}
	const noPair = "f.yml:5: nats.tls.key_file: is no PEM file with the private key of the certificate in cert_file, without a password"
	for name, row := range map[string]struct {
		section string
		files   map[string]string
		want    string
	}{
		"a seed":                 {"nkey_file: a", map[string]string{"a": userSeed(t) + "\n"}, ""},
		"a seed in a frame":      {"nkey_file: a", map[string]string{"a": creds(t)}, ""},
		"an account's seed":      {"nkey_file: a", map[string]string{"a": string(accountSeed)}, "f.yml:5: nats.nkey_file: the file holds no seed of a NATS user, SU…; nk -gen user makes one"},
		"credentials":            {"creds_file: a", map[string]string{"a": creds(t)}, ""},
		"a seed as credentials":  {"creds_file: a", map[string]string{"a": userSeed(t)}, "f.yml:5: nats.creds_file: the file holds no NATS credentials, a user's JWT and seed; nsc generate creds makes one"},
		"both":                   {"creds_file: a, nkey_file: a", map[string]string{"a": creds(t)}, "f.yml:5: nats.nkey_file: is given beside nats.creds_file; keep one of them"},
		"a certificate":          {"tls: {ca_file: a}", map[string]string{"a": cert}, ""},
		"a key as certificate":   {"tls: {ca_file: a}", map[string]string{"a": key}, "f.yml:5: nats.tls.ca_file: the file holds no certificate in PEM: -----BEGIN CERTIFICATE-----"},
		"a pair":                 {"tls: {cert_file: a, key_file: b}", map[string]string{"a": cert, "b": key}, ""},
		"another key":            {"tls: {cert_file: a, key_file: b}", map[string]string{"a": cert, "b": other}, noPair},
		"the wrong way round":    {"tls: {cert_file: a, key_file: b}", map[string]string{"a": key, "b": cert}, noPair},
		"a file that is missing": {"nkey_file: a", nil, "f.yml:5: nats.nkey_file: the file cannot be read: no such file; look at its name and its folder"},
	} {
		text := "accounts:\n  - api_key: some-key-au1\n    user_agent: Northside Bridge (ops@northside.example)\n" +
			"nats:\n  {url: nats://nats.example, " + row.section + "}\n"
		_, err := parse("f.yml", []byte(text), getenv, func(path string) ([]byte, error) {
			if content, ok := row.files[path]; ok {
				return []byte(content), nil
			}
			return readFile(filepath.Join(t.TempDir(), "missing"))
		})
		if got := errorText(err); got != row.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, row.want)
		}
	}
}
