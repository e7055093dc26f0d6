package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces each ${NAME} in text by the environment's value, and each $${ by a plain ${. It says whether
// anything came from the environment. A $ that no { follows is itself.
func expand(text string, getenv func(string) string) (out string, fromEnv bool, err error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			b.WriteString(text)
			return b.String(), fromEnv, nil
		}
		if plain, escaped := strings.CutSuffix(before, "$"); escaped {
			b.WriteString(plain + "${")
			text = rest
			continue
		}
		b.WriteString(before)
		name, rest, closed := strings.Cut(rest, "}")
		if !closed {
			return "", fromEnv, errors.New("${ is never closed; write ${NAME}, or $${ for a plain ${")
		}
		if !variableName.MatchString(name) {
			return "", fromEnv, errors.New("the text between ${ and } is not the name of an environment variable; write ${NAME}, or $${ for a plain ${")
		}
		value := getenv(name)
		if value == "" {
			return "", fromEnv, unset(name)
		}
		b.WriteString(value)
		text, fromEnv = rest, true
	}
}

// unset names the variable that is missing, unless it has the looks of a key that somebody wrote between the braces.
func unset(name string) error {
	if name != strings.ToUpper(name) || len(name) > longestShown {
		return errors.New("the environment variable that it names is not set; set it where the bridge is started")
	}
	return fmt.Errorf("the environment variable %s is not set, or empty; set it where the bridge is started", name)
}
