package config

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
)

// What this package accepts, the packages that get it accept too: a fault is told with its line or not at all.
func TestWhatIsAcceptedIsAcceptedBehind(t *testing.T) {
	pieces := func(list ...string) *rapid.Generator[string] {
		return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(list), 0, 8), func(parts []string) string {
			var out string
			for _, p := range parts {
				out += p
			}
			return out
		})
	}
	subject := pieces("{resource}", "{verb}", "{account}", "{id}", ".", ".", "cliniko", "_", "-", "$", "*", "%", "{", "é")
	agent := pieces("Bridge", " ", "(", ")", "@", "ops", ".example", " (ops@clinic.example)", "é", "\n", "\x7f")
	base := pieces("https://", "http://", "localhost", "api.cliniko.com", ":", "80", "/", "v1", "..", "?", "#", "%2F", "@", "é")
	key := pieces("MS1", "-au1", ":", " ", "é", "=", "\x7f", "~")
	valid := cliniko.Config{APIKey: "MS1rZXk-au1", UserAgent: "Bridge (ops@clinic.example)"}
	rapid.Check(t, func(t *rapid.T) {
		if s, err := parseSubject(subject.Draw(t, "subject")); err == nil {
			if _, err := publisher.ParseTemplate(s); err != nil {
				t.Error(err)
			}
		}
		c := valid
		if s, err := parseUserAgent(agent.Draw(t, "user agent")); err == nil {
			c.UserAgent = s
		}
		if s, err := parseBaseURL(base.Draw(t, "base URL")); err == nil {
			c.BaseURL = s
		}
		if s, err := parseAPIKey(key.Draw(t, "key")); err == nil {
			c.APIKey = cliniko.Secret(s.Reveal())
		}
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	})
}

func TestRedisURLs(t *testing.T) {
	for text, ok := range map[string]bool{
		"redis://127.0.0.1:6379/0":                               true,
		"rediss://bridge:pass@redis.example":                     true,
		"redis-cluster://a.example:6379?addr=b.example:6379":     true,
		"rediss-sentinel://a.example:26379?master_name=mymaster": true,
		"redis-sentinel://a.example:26379":                       false,
		"redis://127.0.0.1:6379/zero":                            false,
		"redis://127.0.0.1:6379?no_such_parameter=1":             false,
		"redis.example:6379":                                     false,
		"http://redis.example":                                   false,
		"redis://bridge:pass/word@redis.example":                 false,
	} {
		if got, err := parseRedisURL(text); (err == nil) != ok || ok && got.Reveal() != text {
			t.Errorf("parseRedisURL(%q): got %v; want ok %v", text, err, ok)
		}
	}
}

func TestNATSURLs(t *testing.T) {
	for text, ok := range map[string]bool{
		"nats://127.0.0.1:4222":                       true,
		"tls://a.example, nats://user:pass@b.example": true,
		"a.example:4222":                              true,
		"wss://a.example/nats":                        true,
		"http://a.example":                            false,
		"nats://":                                     false,
		"nats://a.example,":                           false,
		"nats://user:pass word@a.example":             false,
	} {
		if got, err := parseNATSURL(text); (err == nil) != ok || ok && got.Reveal() != text {
			t.Errorf("parseNATSURL(%q): got %v; want ok %v", text, err, ok)
		}
	}
}
