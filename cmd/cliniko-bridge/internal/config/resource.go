package config

import (
	"errors"
	"slices"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// availableTimes is the one resource that has days to set, and mostDays is how many the API gives in one answer.
const (
	availableTimes = "available_times"
	mostDays       = 7
)

// catalogue names the resources that an account can follow, of every edition: which of them this account has is seen when
// it is asked.
func catalogue() []string {
	var names []string
	for _, edition := range []schemas.Edition{schemas.Edition2017, schemas.Edition(API2025)} {
		for _, spec := range schemas.Catalogue(edition) {
			if name := string(spec.Resource); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// ParseResource parses the name of a resource that an account can follow. Its error is a predicate, to stand behind the
// name: "is not a resource; did you mean patients?".
func ParseResource(text string) (schemas.Resource, error) { return known(catalogue())(text) }

// known parses one of names.
func known(names []string) func(string) (schemas.Resource, error) {
	return func(text string) (schemas.Resource, error) {
		if !slices.Contains(names, text) {
			return "", errors.New("is not a resource; " + suggest(text, names))
		}
		return schemas.Resource(text), nil
	}
}
