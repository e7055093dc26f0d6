package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// How a token is asked for, in the header WWW-Authenticate.
const (
	bearer = "Bearer"
	basic  = `Basic realm="cliniko-bridge", charset="UTF-8"`
)

// shown is show for whoever may see what the bridge is doing: on loopback anybody, elsewhere whoever has the token. A browser
// cannot be told to send a bearer's token, and so takes it as the password of any user.
//
// Health, readiness and metrics are shown to all: what probes and scrapes has no token as a rule, and they hold names and
// counts.
func (s *Server) shown(show http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.local() {
			if no := s.allowed(r, basic); no != nil {
				no.answer(w, basic)
				return
			}
		}
		show(w, r)
	}
}

// allowed asks for the token, as scheme says: a wish takes none from a browser, which would send it along with what a page of
// another site asks for. Hashes are compared, so that not even the token's length is given away by how long it takes.
func (s *Server) allowed(r *http.Request, scheme string) *refusal {
	token := s.deps.Token()
	if token.IsZero() {
		if s.local() {
			return nil
		}
		return refuse(http.StatusForbidden, "%s is open to the network, where this needs a token: set admin.token", s.addr)
	}
	kind, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, bearer) {
		given = ""
	}
	if _, password, ok := r.BasicAuth(); ok && scheme == basic {
		given = password
	}
	got, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token.Reveal()))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return refuse(http.StatusUnauthorized, "the token is missing or another: send admin.token, as Authorization: Bearer …")
	}
	return nil
}
