package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Placeholders of a subject.
const (
	inAccount  = "{account}"
	inResource = "{resource}"
	inVerb     = "{verb}"
	inID       = "{id}"
)

// longestSubject leaves room for what stands in place of the placeholders: a line of the NATS protocol holds 4096
// characters.
const longestSubject = 255

var plainToken = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// parseSubject checks the template of a subject.
//
// A placeholder is a whole token: the bridge reads the events of one resource by a subject with wildcards in the
// other places, and a wildcard of NATS stands for a whole token. The first token is plain, or the stream would take
// in messages of others.
func parseSubject(text string) (string, error) {
	if len(text) > longestSubject {
		return "", fmt.Errorf("is too long; write %d characters at most", longestSubject)
	}
	tokens := strings.Split(text, ".")
	for i, token := range tokens {
		switch token {
		case inAccount, inResource, inVerb, inID:
			if i == 0 {
				return "", errors.New("begins with a placeholder; begin with a word of its own, such as cliniko")
			}
			if slices.Contains(tokens[:i], token) {
				return "", fmt.Errorf("has %s twice; keep one of them", token)
			}
		default:
			if !plainToken.MatchString(token) {
				return "", errors.New("has a token that is neither letters, digits, _ and - nor one whole placeholder: " +
					"{account}, {resource}, {verb} or {id}")
			}
		}
	}
	for _, must := range []string{inResource, inVerb} {
		if !slices.Contains(tokens, must) {
			return "", fmt.Errorf("has no %s; such as %s", must, defaultSubject)
		}
	}
	if strings.HasPrefix(text, "_") {
		return "", errors.New("begins with _, which NATS keeps for itself; begin with a letter")
	}
	return text, nil
}

// hasAccount says whether the template tells accounts apart.
func hasAccount(subject string) bool { return slices.Contains(strings.Split(subject, "."), inAccount) }
