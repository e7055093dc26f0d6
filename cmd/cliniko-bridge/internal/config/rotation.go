package config

import (
	"errors"
	"sync"
)

// A Rotation is a secret in a file that may be written anew while the bridge runs: an API key, or the token of operators.
// Where the secret did not come from a file it stays as it is. It is safe for use by several goroutines.
//
// Other secrets are read once: the key of the fingerprints must never change, and what is in a URL belongs to a connection that
// is there.
type Rotation struct {
	path string
	read func(text string) (Secret, error)
	tell func(error)

	mu   sync.Mutex // guards the following
	now  Secret
	said string // what was told last
}

// RotatingAPIKey follows the key of a. Each new one is told to tell as nil, and each reason not to take one as an error,
// once. fits says why another key cannot take the place of the one that there is, nil if it can.
func RotatingAPIKey(a *Account, fits func(old, next Secret) error, tell func(error)) *Rotation {
	first := a.APIKey
	return &Rotation{path: a.APIKeyFile, now: first, tell: tell, read: func(text string) (Secret, error) {
		key, err := parseAPIKey(text)
		if err == nil {
			err = fits(first, key)
		}
		return key, err
	}}
}

// RotatingToken follows the token of a. tell is as in RotatingAPIKey.
func RotatingToken(a *Admin, tell func(error)) *Rotation {
	return &Rotation{path: a.TokenFile, now: a.Token, read: parseToken, tell: tell}
}

// Now reads the file, and returns what it holds: or what it held when that was last a secret that can be used. The file is
// small, and is read for each request, so that the next one has the new secret.
func (r *Rotation) Now() Secret {
	if r.path == "" {
		return r.now
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next, err := r.load()
	switch {
	case err != nil && err.Error() != r.said:
		r.said = err.Error()
		r.tell(err)
	case err == nil && next.Reveal() != r.now.Reveal():
		r.now, r.said = next, ""
		r.tell(nil)
	case err == nil:
		r.said = ""
	}
	return r.now
}

// load reads the file. Its error says what is wrong with it, and not what it holds.
func (r *Rotation) load() (Secret, error) {
	data, err := readFile(r.path)
	if err != nil {
		return Secret{}, errors.New("the file cannot be read: " + err.Error())
	}
	next, err := r.read(content(data))
	if err != nil {
		return Secret{}, errors.New("what it holds " + err.Error())
	}
	return next, nil
}
