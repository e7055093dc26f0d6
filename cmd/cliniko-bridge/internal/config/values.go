package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
)

// Each function here turns the text of one value into what the Config holds. Its error is a predicate, since the
// reader puts the value before it: "is not a duration, such as 30s; …".

var (
	accountName = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
	apiKey      = regexp.MustCompile(`^[!-9;-~]+$`) // printable ASCII without space and colon: a user name of HTTP
	userAgent   = regexp.MustCompile(`^[^\s[:cntrl:](][^[:cntrl:]]* \([^()@\s[:cntrl:]]+@[^()@\s[:cntrl:]]+\)$`)
	urlPath     = regexp.MustCompile(`^(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$`)
	streamName  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	adminToken  = regexp.MustCompile(`^[!-~]{16,512}$`) // printable ASCII without space: it goes into a header
	percent     = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?%$`)
)

func parseAccountName(text string) (string, error) {
	if !accountName.MatchString(text) {
		return "", errors.New("is not a name of a-z, 0-9 and -, 63 characters at most, such as northside")
	}
	return text, nil
}

func parseAPIKey(text string) (Secret, error) {
	if !apiKey.MatchString(text) {
		return Secret{}, errors.New("is not an API key; it is one word, such as …-au1")
	}
	return NewSecret(text), nil
}

func parseUserAgent(text string) (string, error) {
	if !userAgent.MatchString(text) {
		return "", errors.New("is not NAME (EMAIL), such as Northside Bridge (ops@northside.example)")
	}
	return text, nil
}

func parseFingerprintKey(text string) (Secret, error) {
	if len([]rune(text)) < shortestKey {
		return Secret{}, fmt.Errorf("is shorter than %d characters; openssl rand -hex 32 makes one", shortestKey)
	}
	return NewSecret(text), nil
}

func parseToken(text string) (Secret, error) {
	if !adminToken.MatchString(text) {
		return Secret{}, errors.New("is not a token; it is one word of 16 to 512 characters: openssl rand -hex 32 makes one")
	}
	return NewSecret(text), nil
}

func parseBaseURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return "", errors.New("is not a URL, such as https://api.au1.cliniko.com/v1")
	case u.User != nil:
		return "", errors.New("holds a user or a key; the key belongs in api_key")
	case strings.ContainsAny(text, "?#"):
		return "", errors.New("has a query or a fragment; end it with the path")
	case !urlPath.MatchString(strings.TrimRight(u.EscapedPath(), "/")):
		return "", errors.New("has an odd path; write it plain, such as /v1")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return "", errors.New("is not https; http is for a loopback address alone")
	}
	return strings.TrimRight(text, "/"), nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// oneOf parses one of choices.
func oneOf[T ~string](choices ...T) func(string) (T, error) {
	return func(text string) (T, error) {
		var list []string
		for _, c := range choices {
			if string(c) == text {
				return c, nil
			}
			list = append(list, string(c))
		}
		return "", errors.New("is not one of " + strings.Join(list, ", "))
	}
}

// whole parses a whole number from least to most.
func whole(least, most int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("is not a whole number, %d to %d", least, most)
		}
		return n, nil
	}
}

// atLeast parses a duration of least or more.
func atLeast(least time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		switch {
		case err != nil:
			return 0, errors.New("is not a duration, such as 30s, 5m or 720h")
		case d < least:
			return 0, fmt.Errorf("is too short; write %s or more", short(least))
		}
		return d, nil
	}
}

// short is d as people write it: 1m and not 1m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	return text
}

// parsePercent parses "5%" as 0.05.
func parsePercent(text string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !percent.MatchString(text) || n > 100 {
		return 0, errors.New("is not a percentage from 0% to 100%, such as 5%")
	}
	return math.Round(n*1e6) / 1e8, nil // so that 7% is 0.07 and not 0.07000000000000001
}

func parseStream(text string) (string, error) {
	if !streamName.MatchString(text) {
		return "", errors.New("is not a stream's name; write letters, digits, _ and -, 255 characters at most")
	}
	return text, nil
}

// listen parses the address of a server of ours. example is one.
func listen(example string) func(string) (string, error) {
	return func(text string) (string, error) {
		_, port, err := net.SplitHostPort(text)
		n, portErr := strconv.ParseUint(port, 10, 16)
		if err != nil || portErr != nil || strconv.FormatUint(n, 10) != port || strings.ContainsAny(text, " \t\n/@") {
			return "", errors.New("is not host:port, such as " + example)
		}
		return text, nil
	}
}

// parseNATSURL parses one URL or several with commas between. A server without a scheme is one of nats.
func parseNATSURL(text string) (Secret, error) {
	for one := range strings.SplitSeq(text, ",") {
		one = strings.TrimSpace(one)
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) {
			return Secret{}, errors.New("is not a URL such as nats://127.0.0.1:4222, or several with commas between; " +
				"%-encode what is odd in a password")
		}
	}
	return NewSecret(text), nil
}

// parseRedisURL leaves the check to the store, which knows the forms, and leaves its reason out: that may quote a
// piece of the URL.
func parseRedisURL(text string) (Secret, error) {
	if (redisstore.Config{URL: text}).Validate() != nil {
		return Secret{}, errors.New("is not a URL such as redis://127.0.0.1:6379/0, rediss://…, redis-cluster://… or " +
			"redis-sentinel://…?master_name=…, or has an unknown parameter; %-encode what is odd in a password")
	}
	return NewSecret(text), nil
}

// passwords are those in the URLs in text, as they are written there.
func passwords(text string) []string {
	var list []string
	for one := range strings.SplitSeq(text, ",") {
		_, rest, _ := strings.Cut(one, "://")
		_, password, _ := strings.Cut(rest[:max(0, strings.LastIndex(rest, "@"))], ":")
		list = append(list, password)
	}
	return list
}

// openToAll says what is wrong with a server for operators that listens there and asks for no token, "" if nothing is.
func openToAll(listen string) string {
	host, _, _ := net.SplitHostPort(listen) // it was checked
	if isLoopback(host) {
		return ""
	}
	return "is open to the network, where a token is needed; set admin.token (ADMIN_TOKEN), or listen on 127.0.0.1"
}
