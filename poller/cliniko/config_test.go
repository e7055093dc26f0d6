package cliniko

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const (
	testKey   = "MS0xMjM0-notakey-uk2"
	testAgent = "Northside Bridge (ops@northside.example)"
)

func TestTheShardIsWhatFollowsTheLastHyphen(t *testing.T) {
	for _, tt := range []struct{ key, want string }{
		{"MS0xMjM0-au1", "au1"},
		{"MS0xMjM0-uk2", "uk2"},
		{"MS0xMjM0-eu12", "eu12"},
		{"MS0x-ca1-au4", "au4"},
		{"MS0xMjM0", "au1"},
		{"MS0xMjM0-", "au1"},
		{"MS0xMjM0-au", "au1"},
		{"MS0xMjM0-au123", "au1"},
		{"MS0xMjM0-AU3", "au1"},
		{"MS0xMjM0-au3x", "au1"},
		{"MS0xMjM0-x.evil.example/uk1", "au1"},
		{"au3", "au1"},
	} {
		if got := Secret(tt.key).Shard(); got != tt.want {
			t.Errorf("Shard of %q: got %q, want %q", tt.key, got, tt.want)
		}
	}
}

func TestTheBaseURLFollowsTheShardUnlessItIsGiven(t *testing.T) {
	for _, tt := range []struct{ given, want string }{
		{"", "https://api.uk2.cliniko.com/v1"},
		{"https://api.au3.cliniko.com/v1", "https://api.au3.cliniko.com/v1"},
		{"https://api.au3.cliniko.com/v1/", "https://api.au3.cliniko.com/v1"},
		{"https://gateway.northside.example:8443", "https://gateway.northside.example:8443"},
		{"http://localhost:8080/v1", "http://localhost:8080/v1"},
		{"http://127.8.9.1/v1/", "http://127.8.9.1/v1"},
		{"http://[::1]:9/v1", "http://[::1]:9/v1"},
	} {
		c, err := New(Config{APIKey: testKey, UserAgent: testAgent, BaseURL: tt.given}, NewTransport(), nil)
		if err != nil {
			t.Errorf("%q: %v", tt.given, err)
			continue
		}
		if got := c.BaseURL(); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.given, got, tt.want)
		}
	}
}

// Each value is refused for its own fault, which names the key and never the value.
func TestEachFaultNamesItsKeyAndNotTheValue(t *testing.T) {
	good := Config{APIKey: testKey, UserAgent: testAgent}
	for _, tt := range []struct {
		key, value string
		set        func(c *Config, value string)
	}{
		{"api_key", "", setKey},
		{"api_key", "MS0xMjM0 MS0xMjM0", setKey},
		{"api_key", "MS0xMjM0-au1\n", setKey},
		{"api_key", "MS0xMjM0:secret", setKey},
		{"api_key", "MS0xMjM0é", setKey},
		{"user_agent", "", setAgent},
		{"user_agent", "Westside Bridge", setAgent},
		{"user_agent", "ops@westside.example", setAgent},
		{"user_agent", "(ops@westside.example)", setAgent},
		{"user_agent", " (ops@westside.example)", setAgent},
		{"user_agent", "Northside (ops)", setAgent},
		{"user_agent", "Northside (ops@northside.example", setAgent},
		{"user_agent", "Northside\r\nX-Evil: 1 (ops@northside.example)", setAgent},
		{"base_url", "api.au1.cliniko.com/v1", setBase},
		{"base_url", "ftp://api.au1.cliniko.com/v1", setBase},
		{"base_url", "https:///v1", setBase},
		{"base_url", "https:v1", setBase},
		{"base_url", "https://%zz/v1", setBase},
		{"base_url", "http://api.au1.cliniko.com/v1", setBase},
		{"base_url", "http://localhost.evil.example/v1", setBase},
		{"base_url", "http://128.0.0.1/v1", setBase},
		{"base_url", "https://user:pass@api.au1.cliniko.com/v1", setBase},
		{"base_url", "https://api.au1.cliniko.com/v1?x=1", setBase},
		{"base_url", "https://api.au1.cliniko.com/v1?", setBase},
		{"base_url", "https://api.au1.cliniko.com/v1#x", setBase},
		{"base_url", "https://api.au1.cliniko.com/v1/../v2", setBase},
		{"base_url", "https://api.au1.cliniko.com/v1//", setBase},
	} {
		cfg := good
		tt.set(&cfg, tt.value)
		_, err := New(cfg, NewTransport(), nil)
		var fault *ConfigError
		if !errors.As(err, &fault) || fault.Key != tt.key || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %q: got %v, want one fault of %s", tt.key, tt.value, err, tt.key)
			continue
		}
		if tt.value != "" && strings.Contains(err.Error(), tt.value) {
			t.Errorf("%s %q: the value is in the error: %v", tt.key, tt.value, err)
		}
	}
}

func setKey(c *Config, value string)   { c.APIKey = Secret(value) }
func setAgent(c *Config, value string) { c.UserAgent = value }
func setBase(c *Config, value string)  { c.BaseURL = value }

func TestUserAgentsThatAreFine(t *testing.T) {
	for _, agent := range []string{testAgent, "B (a@b)", "Café Bridge/1.2 (ops+x@northside.example)", "Bridge (Perth) (ops@northside.example)"} {
		if err := (Config{APIKey: testKey, UserAgent: agent}).Validate(); err != nil {
			t.Errorf("%q: %v", agent, err)
		}
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	err := Config{BaseURL: "http://x/", RequestsPerMinute: 201, Timeout: -time.Second, MaxBytes: -1}.Validate()
	want := []string{"api_key: ", "user_agent: ", "base_url: ", "requests_per_minute: 201", "timeout: ", "max_bytes: "}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d faults, want %d: %v", len(lines), len(want), err)
	}
	for i, prefix := range want {
		if !strings.HasPrefix(lines[i], prefix) {
			t.Errorf("fault %d: got %q, want it to begin with %q", i, lines[i], prefix)
		}
	}
}

// However a key, or what holds one, is printed or encoded, the key does not show.
func TestTheKeyIsHidden(t *testing.T) {
	cfg := Config{APIKey: testKey, UserAgent: testAgent}
	client, err := New(cfg, NewTransport(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for _, v := range []any{cfg.APIKey, &cfg.APIKey, cfg, &cfg, client, *client, []Secret{testKey}, map[Secret]int{testKey: 1}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		fmt.Fprintln(&shown, v)
	}
	encoded, err := json.Marshal(map[string]any{"cfg": cfg, "keys": []Secret{testKey}})
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(encoded)
	for _, spelling := range []string{testKey, fmt.Sprintf("%x", testKey), fmt.Sprintf("%X", testKey), "notakey"} {
		if strings.Contains(shown.String(), spelling) {
			t.Errorf("%q shows in %s", spelling, shown.String())
		}
	}
	if got := cfg.APIKey.Reveal(); got != testKey {
		t.Errorf("Reveal: got %q, want the key", got)
	}
	if got := cfg.APIKey.String(); got != "***" {
		t.Errorf("String: got %q, want ***", got)
	}
}
