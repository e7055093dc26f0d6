package cliniko

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// A Secret is an API key. It shows as *** wherever it is printed, formatted or encoded; only Reveal gives it away.
//
// Two places cannot be reached from here: package fmt does not ask a value in an unexported field of a struct how it
// wants to be shown, nor encoding/json the key of a map. Do not keep a Secret in either.
type Secret string

const hidden = "***"

// Reveal is the key itself, for the Authorization header and nothing else.
func (s Secret) Reveal() string { return string(s) }

func (Secret) String() string { return hidden }

// GoString hides the key from %#v.
func (Secret) GoString() string { return hidden }

// Format hides the key from every other verb: %x and %q would show it in spite of String.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText hides the key from YAML and from text encoders.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON hides the key from JSON.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// shardShape is the shape of a shard's name. The list is open: shards have been added every other year.
var shardShape = regexp.MustCompile(`^[a-z]{2}[0-9]{1,2}$`)

// Shard is the part of Cliniko that the key's account lives in: "uk2" for a key that ends in "-uk2". A key without such
// an ending is of the time before there were shards, and belongs to "au1" (docs.api.cliniko.com, read 2026-11).
func (s Secret) Shard() string {
	key := string(s)
	if i := strings.LastIndexByte(key, '-'); i >= 0 && shardShape.MatchString(key[i+1:]) {
		return key[i+1:]
	}
	return "au1"
}
