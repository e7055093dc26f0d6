package mock

import (
	"net"
	"net/http"
)

// guard refuses what a web page asks for that somebody has open on this machine: it would change the clinic in the middle of a
// test. Where only this machine can ask, so does whoever asks under a name of his own that leads here.
func (m *Mock) guard(next http.Handler) http.Handler {
	local := m.listener.Addr().(*net.TCPAddr).IP.IsLoopback()
	answered := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if local && !onLoopback(r.Host) {
			answer(w, r, http.StatusOK, func(*http.Request) (any, error) {
				return nil, refuse(http.StatusMisdirectedRequest, "this is a mock for this machine alone; ask for it by %s", m.URL())
			})
			return
		}
		next.ServeHTTP(w, r)
	})
	return http.NewCrossOriginProtection().Handler(answered)
}

// onLoopback says whether host, which may have a port, is localhost or a loopback address.
func onLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
