package admin

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strings"
)

// guard refuses what the server is not for, and sets on every answer the headers that keep a browser from doing
// more with it than showing it.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		switch {
		case !s.meant(r.Host):
			http.Error(w, "this name is not one of this server's; ask under "+s.Addr(), http.StatusMisdirectedRequest)
		case r.Method == http.MethodPost && slices.Contains(wishes, r.URL.Path):
			if s.crossOrigin.Check(r) != nil {
				http.Error(w, "a page of another site can do nothing here", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// meant says whether a request under host was meant for us. A server on loopback has loopback names only: any other
// that leads here is of somebody who wants a browser to read us. One that listens to a network cannot know its names.
func (s *Server) meant(host string) bool {
	return !s.local() || isLoopback(host) || strings.EqualFold(host, s.addr)
}

// local says whether only this machine can ask: the server listens on loopback, or is to.
func (s *Server) local() bool { return isLoopback(cmp.Or(s.Addr(), s.addr)) }

// isLoopback says whether host, which may have a port, is localhost or a loopback address.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
