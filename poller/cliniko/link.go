package cliniko

import (
	"errors"
	"net/url"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// ErrPath says that what should be asked is no plain path below the base URL. It was not asked: the key could have gone
// elsewhere.
var ErrPath = errors.New("not a plain path below the base URL")

// plainPath says whether every segment of path is one of letters, digits and "_", "-", "." alone, and none is "." or
// "..". The API has no other paths, so nothing is lost, and there is no second spelling that a server could read
// differently.
func plainPath(path string) bool {
	rest, ok := strings.CutPrefix(path, "/")
	if !ok {
		return false
	}
	for segment := range strings.SplitSeq(rest, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
		for _, c := range []byte(segment) {
			isLetter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !isLetter && !isDigit(c) && c != '_' && c != '-' && c != '.' {
				return false
			}
		}
	}
	return true
}

// LinkID is the id that a link ends in: relations are given as links only, {"links":{"self":"…/patients/343589"}}. It
// is false for a link to a list. The host is not looked at, since the link is read and not asked.
func LinkID(link string) (schemas.ID, bool) {
	u, err := url.Parse(link)
	if err != nil {
		return "", false
	}
	segment := u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	return parseDigits([]byte(segment))
}

// maxIDLength is far above the 20 digits of a 64-bit number, and low enough for a subject and a key.
const maxIDLength = 64

// parseDigits reads an id: digits and nothing else, so that it can stand in a path, a subject and a key as it is.
func parseDigits(text []byte) (schemas.ID, bool) {
	if len(text) == 0 || len(text) > maxIDLength {
		return "", false
	}
	for _, c := range text {
		if !isDigit(c) {
			return "", false
		}
	}
	return schemas.ID(text), true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
