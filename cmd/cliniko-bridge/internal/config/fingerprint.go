package config

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// shortestKey is how many characters a fingerprint key has at least.
const shortestKey = 32

// FingerprintKey returns the key of the fingerprints: that of the configuration or, if it has none, the one in
// fingerprint.key under the data folder, which it makes at the first call. The file is for its owner alone. Whoever
// loses it makes every record look changed, so it is backed up with the rest of the folder.
//
// It never replaces a file that is there. Two processes that start at once come to the same key.
func FingerprintKey(c *Config) (Secret, error) {
	if !c.State.FingerprintKey.IsZero() {
		return c.State.FingerprintKey, nil
	}
	path := FingerprintFile(c)
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return Secret{}, fmt.Errorf("make the fingerprint key: %w", err)
		}
		key, err = readKey(path)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("read the fingerprint key: %w", err)
	}
	return key, nil
}

// FingerprintFile is where FingerprintKey keeps the key that it made.
func FingerprintFile(c *Config) string { return filepath.Join(c.DataDir, "fingerprint.key") }

// FingerprintKeyIsMissing says that FingerprintKey is going to make a key. If there is a state already, it was made with a key
// that has been lost.
func FingerprintKeyIsMissing(c *Config) bool {
	_, err := os.Stat(FingerprintFile(c))
	return c.State.FingerprintKey.IsZero() && errors.Is(err, fs.ErrNotExist)
}

func readKey(path string) (Secret, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Secret{}, err
	}
	key, err := parseFingerprintKey(strings.TrimSpace(string(data)))
	if err != nil {
		return Secret{}, fmt.Errorf("%s holds no key of %d characters or more; restore it from a backup: with another one, every record looks changed", path, shortestKey)
	}
	return key, nil
}

// makeKey writes a new key to path, unless there is one by then.
func makeKey(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails: it would end the process
	f, err := os.CreateTemp(dir, "fingerprint.*.tmp")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // at worst a stray file stays
	_, err = f.WriteString(hex.EncodeToString(key) + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// If we stop before the link, there is no key yet and a stray file. The link is the one step that makes the
	// key, whole, and it fails where another process has made one.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
