package cliniko

import (
	"errors"
	"net/url"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// ErrForeignLink says that a link is not one of the account's own: asking it would send the key elsewhere. Do not ask it.
var ErrForeignLink = errors.New("the link does not lead to a path under the base URL")

// Resolve turns a link of the API into a path and query relative to the base URL, "/patients/343589?page=2", with the
// query encoded anew. It takes a link with the base URL's scheme, host and port, or a path without a host, with or
// without the base URL's own path. Everything else is ErrForeignLink: examples in the vendor's docs show other hosts
// and plain http, and an answer could name any host.
func (c *Client) Resolve(link string) (string, error) {
	path, query, err := c.resolve(link)
	if query != "" {
		path += "?" + query
	}
	return path, err
}

func (c *Client) resolve(link string) (path, query string, err error) {
	u, err := url.Parse(link)
	if err != nil || u.Opaque != "" || u.User != nil || u.RawPath != "" || strings.ContainsAny(link, "\\#") {
		return "", "", ErrForeignLink
	}
	path = u.Path
	switch {
	case u.Scheme != "" || u.Host != "":
		if u.Scheme != c.base.Scheme || !strings.EqualFold(u.Hostname(), c.base.Hostname()) || port(u) != port(c.base) {
			return "", "", ErrForeignLink
		}
		below, ok := strings.CutPrefix(path, c.base.Path+"/")
		if !ok {
			return "", "", ErrForeignLink
		}
		path = "/" + below
	case strings.HasPrefix(path, c.base.Path+"/"):
		path = path[len(c.base.Path):]
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil || !plainPath(path) {
		return "", "", ErrForeignLink
	}
	return path, values.Encode(), nil
}

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

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "http" {
		return "80"
	}
	return "443"
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
