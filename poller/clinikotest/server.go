package clinikotest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// A Server is a Handler that listens on the loopback interface, as an httptest.Server does.
type Server struct {
	*Handler
	// URL is the base URL of the API, "http://127.0.0.1:PORT/v1".
	URL string

	http *http.Server
	done chan struct{} // closed when nothing is accepted any more
}

// NewServer starts a server of clinic on a free port. The caller closes it. It panics if the machine has no port to
// give.
func NewServer(clinic *Clinic) *Server {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("clinikotest: %v", err))
	}
	s := &Server{Handler: NewHandler(clinic), URL: "http://" + l.Addr().String() + prefix, done: make(chan struct{})}
	clinic.bind(s.URL)
	s.http = &http.Server{Handler: s.Handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // it ends with ErrServerClosed, always
	}()
	return s
}

// Close stops the server and cuts the connections that it has, answers in flight included.
func (s *Server) Close() {
	_ = s.http.Close() // there is nothing left to do about it
	<-s.done
}
