package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// net/http writes the beginning of a response that nobody asked for to the standard logger. It may hold anything, and
// must not come out.
func TestAResponseThatNobodyAskedForIsNotLogged(t *testing.T) {
	const secret = "ZZUNSOLICITEDZZ"
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var answered atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				r := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					_, _ = fmt.Fprintf(conn, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}%s of a patient\r\n\r\n", secret)
					answered.Add(1)
				}
			}()
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	p := startProcess(t, fmt.Sprintf(`
accounts:
  - {api_key: key-au1, user_agent: "Test (ops@clinic.example)", base_url: "http://%s/v1"}
data_dir: %q
nats: {listen: "127.0.0.1:0"}
admin: {listen: ADMIN}
`, l.Addr(), t.TempDir()))
	waitFor(t, time.Minute, "some answers", func() bool { return answered.Load() > 5 })
	p.stop()
	if strings.Contains(p.stderr.String(), secret) {
		t.Error("stderr holds what the server sent unasked")
	}
}
