package migrate

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
)

// agree says why the one configuration cannot go on where the other stopped, nil if it can.
func agree(from, to *config.Config) error {
	if storePlace(from) == storePlace(to) && streamPlace(from) == streamPlace(to) {
		return errors.New("both configurations name the same store and the same stream: there is nothing to move")
	}
	if from.NATS.Subject != to.NATS.Subject {
		return fmt.Errorf("nats.subject is %q in the one and %q in the other, and events keep their subjects: give both the same", from.NATS.Subject, to.NATS.Subject)
	}
	for _, a := range from.Accounts {
		if !slices.ContainsFunc(to.Accounts, func(b config.Account) bool { return b.Name == a.Name }) {
			return fmt.Errorf("the account %s is not in the new configuration; events and state bear its name: add it, "+
				"or take it out of the old configuration to leave it behind", a.Name)
		}
	}
	return sameKey(from, to)
}

// sameKey holds the keys of the fingerprints against each other: with another key every record would be taken up anew, and what
// changed meanwhile be told with changed: null.
func sameKey(from, to *config.Config) error {
	if config.FingerprintKeyIsMissing(from) {
		return fmt.Errorf("there is no %s, with which the state was written; is data_dir right? Restore it from a backup, "+
			"or give the key as state.fingerprint_key", config.FingerprintFile(from))
	}
	where := "the value of state.fingerprint_key in the old configuration"
	if from.State.FingerprintKey.IsZero() {
		path, err := filepath.Abs(config.FingerprintFile(from))
		if err != nil {
			return err
		}
		where = "state.fingerprint_key_file: " + path + ", or a copy of that file"
	}
	if config.FingerprintKeyIsMissing(to) {
		return fmt.Errorf("the new configuration has no key for the fingerprints, and needs the old one's: give it %s", where)
	}
	old, err := config.FingerprintKey(from)
	if err != nil {
		return err
	}
	next, err := config.FingerprintKey(to)
	if err != nil {
		return err
	}
	if old.Reveal() != next.Reveal() {
		return fmt.Errorf("the new configuration has another key for the fingerprints, with which every record would look changed: give it %s", where)
	}
	return nil
}

// storePlace names where the store of cfg is, without a password.
func storePlace(cfg *config.Config) string {
	if cfg.State.RedisURL.IsZero() {
		return absolute(bridge.StateFile(cfg))
	}
	return bareRedis(cfg.State.RedisURL.Reveal())
}

// streamPlace names where the stream of cfg is, without a password.
func streamPlace(cfg *config.Config) string {
	server := absolute(bridge.NATSDir(cfg))
	if !cfg.NATS.URL.IsZero() {
		server = bareNATS(cfg.NATS.URL.Reveal())
	}
	return cfg.NATS.Stream + " in " + server
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// hidden stands for a URL that cannot be read: the error, or a part of it, could be of a password.
const hidden = "a server"

// bareRedis is the URL of a Redis with nothing but where it is. What else its query has may be a password: that of a Redis behind
// sentinels is there.
func bareRedis(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return hidden
	}
	query := u.Query()
	maps.DeleteFunc(query, func(name string, _ []string) bool {
		return !slices.Contains([]string{"addr", "db", "master_name"}, name)
	})
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawQuery: query.Encode()}).String()
}

// bareNATS is the URLs of NATS servers, with commas between, and nothing but where they are. One may be without its scheme:
// user:password@host.
func bareNATS(text string) string {
	list := strings.Split(text, ",")
	for i, one := range list {
		one = strings.TrimSpace(one)
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		list[i] = hidden
		if u, err := url.Parse(one); err == nil && u.Hostname() != "" {
			list[i] = u.Scheme + "://" + u.Host
		}
	}
	return strings.Join(list, ",")
}
