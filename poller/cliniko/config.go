package cliniko

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Config is what a Client needs to know of its account.
type Config struct {
	// APIKey is the account's key. Its ending names the shard, see Secret.Shard. Required.
	APIKey Secret
	// CurrentKey returns the key of the next request, so that it can be changed while the client runs; APIKey is the first one,
	// and both are of one shard. It is called by many goroutines at once. nil: APIKey stays.
	CurrentKey func() Secret `json:"-"`
	// UserAgent says who asks: a name, and in parentheses an email, as in "Northside Bridge (ops@northside.example)".
	// Cliniko refuses or blocks whoever sends none. Required.
	UserAgent string
	// BaseURL is where the API is; "" means https://api.<shard>.cliniko.com/v1. It must be https unless its host is
	// loopback, and has no user, query or fragment. A slash at its end does not matter.
	BaseURL string
	// RequestsPerMinute is the account's budget: 1 to 200, which is what Cliniko allows a user; 0 means 180, which
	// leaves something to other programs that use a key of the same user.
	RequestsPerMinute int
	// Timeout bounds one request from its start to the last byte of its answer; 0 means 35 s. Cliniko itself gives
	// up after about 30 s, and its 504 says more than our own timeout.
	Timeout time.Duration
	// MaxBytes bounds a body after decompression; 0 means 16 MiB. A page of 100 appointments has about 150 KiB.
	MaxBytes int64
}

const (
	defaultPerMinute = 180
	maxPerMinute     = 200
	defaultTimeout   = 35 * time.Second
	defaultMaxBytes  = 16 << 20
)

// A ConfigError is one fault of a Config. Config.Validate joins one for each fault.
type ConfigError struct {
	Key    string // the key as the configuration spells it: "base_url"
	Reason string // what is wrong and what to write instead; never the value, which may be a key in the wrong place
}

func (e *ConfigError) Error() string { return e.Key + ": " + e.Reason }

// Validate returns all faults of c at once, each a *ConfigError, joined by errors.Join; nil if there are none.
func (c Config) Validate() error {
	var faults []error
	fault := func(key, reason string) { faults = append(faults, &ConfigError{Key: key, Reason: reason}) }

	if reason := keyFault(c.APIKey); reason != "" {
		fault("api_key", reason)
	}
	if !userAgentShape.MatchString(c.UserAgent) {
		fault("user_agent", `must be a name and an email in parentheses, as in "Northside Bridge (ops@northside.example)"`)
	}
	if c.BaseURL != "" {
		if _, reason := parseBase(c.BaseURL); reason != "" {
			fault("base_url", reason)
		}
	}
	if c.RequestsPerMinute < 0 || c.RequestsPerMinute > maxPerMinute {
		fault("requests_per_minute", fmt.Sprintf("%d is not from 1 to %d; leave it out for %d",
			c.RequestsPerMinute, maxPerMinute, defaultPerMinute))
	}
	if c.Timeout < 0 {
		fault("timeout", fmt.Sprintf("%s is negative; leave it out for %s", c.Timeout, defaultTimeout))
	}
	if c.MaxBytes < 0 {
		fault("max_bytes", fmt.Sprintf("%d is negative; leave it out for %d", c.MaxBytes, int64(defaultMaxBytes)))
	}
	return errors.Join(faults...)
}

// withDefaults fills what was left out.
func (c Config) withDefaults() Config {
	if c.BaseURL == "" {
		c.BaseURL = "https://api." + c.APIKey.Shard() + ".cliniko.com/v1"
	}
	if c.RequestsPerMinute == 0 {
		c.RequestsPerMinute = defaultPerMinute
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	return c
}

// keyFault says what is wrong with key. It goes into a header as the user name of Basic authentication, where a colon
// would end it.
func keyFault(key Secret) string {
	if key == "" {
		return "is missing; make one in Cliniko, as the user whose rights it shall have"
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c >= 0x7f || c == ':' {
			return "holds a space, a line break or another character that no key has; copy it again"
		}
	}
	return ""
}

// userAgentShape is NAME (EMAIL), on one line. It is not for this program to know what an email may look like inside.
var userAgentShape = regexp.MustCompile(`^[^\s[:cntrl:](][^[:cntrl:]]* \([^()@\s[:cntrl:]]+@[^()@\s[:cntrl:]]+\)$`)

// parseBase reads a base URL; the URL it returns has no slash at its end. reason is "" if there is no fault.
func parseBase(raw string) (base *url.URL, reason string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, "is no address; write https://api.SHARD.cliniko.com/v1, or leave it out"
	case u.User != nil:
		return nil, "holds a user name; take it out, the key goes in api_key"
	case strings.ContainsAny(raw, "?#"):
		return nil, "has a query or a fragment; end it with the path"
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, "would send the key unencrypted; write https (http is for loopback alone)"
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	u.RawPath = ""
	if u.Path != "" && !plainPath(u.Path) {
		return nil, "has a path with an empty, a dot or an encoded segment; write the plain path"
	}
	return u, ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
