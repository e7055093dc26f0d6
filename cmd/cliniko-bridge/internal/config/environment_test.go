package config

import (
	"slices"
	"testing"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestLoadWithoutAFileReadsTheEnvironment(t *testing.T) {
	c, err := Load("", env(map[string]string{
		"CLINIKO_API_KEY":    "MS1rZXk-au1",
		"CLINIKO_USER_AGENT": "Not ${EXPANDED} (ops@northside.example)",
		"CLINIKO_BASE_URL":   "http://127.0.0.1:8300/v1/",
		"NATS_URL":           "nats://nats.example:4222",
		"REDIS_URL":          "redis://redis.example:6379/0",
		"FINGERPRINT_KEY":    "0123456789abcdef0123456789abcdef",
		"DATA_DIR":           "/var/lib/bridge",
		"ADMIN_LISTEN":       ":9000",
		"ADMIN_TOKEN":        "token-of-the-environment",
	}))
	if err != nil {
		t.Fatal(err)
	}
	a := c.Accounts[0]
	for _, row := range [][2]string{
		{a.Name, "default"},
		{a.APIKey.Reveal(), "MS1rZXk-au1"},
		{a.UserAgent, "Not ${EXPANDED} (ops@northside.example)"},
		{a.BaseURL, "http://127.0.0.1:8300/v1"},
		{string(a.API), "auto"},
		{c.NATS.URL.Reveal(), "nats://nats.example:4222"},
		{c.NATS.Listen, ""},
		{c.State.RedisURL.Reveal(), "redis://redis.example:6379/0"},
		{c.State.FingerprintKey.Reveal(), "0123456789abcdef0123456789abcdef"},
		{c.DataDir, "/var/lib/bridge"},
		{c.Admin.Listen, ":9000"},
		{c.Admin.Token.Reveal(), "token-of-the-environment"},
	} {
		if row[0] != row[1] {
			t.Errorf("got %q; want %q", row[0], row[1])
		}
	}
}

func TestTheEnvironmentNeedsAKeyAndAUserAgentAlone(t *testing.T) {
	c, err := Load("", env(map[string]string{
		"CLINIKO_API_KEY": "MS1rZXk-au1", "CLINIKO_USER_AGENT": "Northside Bridge (ops@northside.example)",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "data" || c.NATS.Listen != "127.0.0.1:4222" || !c.State.RedisURL.IsZero() {
		t.Errorf("got %+v; want the defaults", c)
	}
}

// Faults of the environment have the variable's name for a place, and no value.
func TestTheEnvironmentsFaults(t *testing.T) {
	for _, row := range []struct {
		env  map[string]string
		want string
	}{{
		env: nil,
		want: `CLINIKO_API_KEY: is not set; set it to the account's API key
CLINIKO_USER_AGENT: is not set; set it to NAME (EMAIL), such as Northside Bridge (ops@northside.example)`,
	}, {
		env: map[string]string{
			"CLINIKO_API_KEY": "MS1 a key", "CLINIKO_USER_AGENT": "MS1rZXk-au1", "CLINIKO_BASE_URL": "http://cliniko.example",
			"NATS_URL": "http://nats", "REDIS_URL": "redis://:pass@127.0.0.1", "ADMIN_LISTEN": "8321",
			"ADMIN_TOKEN": "two words of a token",
		},
		want: `CLINIKO_API_KEY: the value is not an API key; it is one word, such as …-au1
CLINIKO_USER_AGENT: the value is not NAME (EMAIL), such as Northside Bridge (ops@northside.example)
CLINIKO_BASE_URL: the value is not https; http is for a loopback address alone
NATS_URL: the value is not a URL such as nats://127.0.0.1:4222, or several with commas between; %-encode what is odd in a password
FINGERPRINT_KEY: is not set; set it to 32 characters or more, the same for every bridge on this Redis: ` +
			`openssl rand -hex 32 makes one
ADMIN_LISTEN: the value is not host:port, such as 127.0.0.1:8321
ADMIN_TOKEN: the value is not a token; it is one word of 16 to 512 characters: openssl rand -hex 32 makes one`,
	}, {
		env: map[string]string{
			"CLINIKO_API_KEY": "MS1rZXk-au1", "CLINIKO_USER_AGENT": "Northside Bridge (ops@northside.example)", "ADMIN_LISTEN": ":8321",
		},
		want: `ADMIN_LISTEN: is open to the network, where a token is needed; set admin.token (ADMIN_TOKEN), or listen on 127.0.0.1`,
	}} {
		if _, err := Load("", env(row.env)); errorText(err) != row.want {
			t.Errorf("got\n%s\nwant\n%s", errorText(err), row.want)
		}
	}
}

// Whoever only listens, or asks a bridge that runs, needs no account, and a wrong place is a fault still.
func TestPlacesNeedsNoAccount(t *testing.T) {
	c, err := Places(env(map[string]string{
		"NATS_URL": "nats://nats.example:4222", "DATA_DIR": "/var/lib/bridge",
		"ADMIN_LISTEN": ":9000", "ADMIN_TOKEN": "token-of-the-environment",
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.NATS.URL.Reveal(), c.DataDir, c.Admin.Listen, c.Admin.Token.Reveal()}
	want := []string{"nats://nats.example:4222", "/var/lib/bridge", ":9000", "token-of-the-environment"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
	for name, wrong := range map[string]string{"NATS_URL": "http://nats.example", "ADMIN_LISTEN": "9000", "ADMIN_TOKEN": "short"} {
		if _, err := Places(env(map[string]string{name: wrong})); err == nil {
			t.Errorf("got no error for the %s %s", name, wrong)
		}
	}
}
