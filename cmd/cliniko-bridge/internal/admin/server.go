package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Deps is what the server shows. Its functions may be called by several requests at once and must not block for long.
type Deps struct {
	// Version is the bridge's version, for the page.
	Version string
	// Ready returns one plain sentence for each reason why the bridge is not ready, and nothing if it is. ctx ends
	// after five seconds. Default: nil, always ready.
	Ready func(ctx context.Context) []string
	// Status returns what the bridge is doing. Default: nil, no accounts.
	Status func() Status
	// Metrics is what /metrics gathers. Default: nil, nothing.
	Metrics prometheus.Gatherer
	// Log takes what goes wrong in the server. Default: nil, nowhere.
	Log *zap.Logger
}

// How long the server waits. Answers are small and come from memory.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 15 * time.Second
	idleTimeout    = time.Minute
	readyTimeout   = 5 * time.Second
	stopTimeout    = 3 * time.Second
)

// A Server is the HTTP server for operators.
type Server struct {
	addr     string
	deps     Deps
	listener net.Listener // nil before Listen
}

// New returns a server for addr, host:port, where port 0 takes a free one. It starts nothing.
func New(addr string, deps Deps) *Server {
	if deps.Ready == nil {
		deps.Ready = func(context.Context) []string { return nil }
	}
	if deps.Status == nil {
		deps.Status = func() Status { return Status{} }
	}
	if deps.Metrics == nil {
		deps.Metrics = prometheus.NewRegistry()
	}
	if deps.Log == nil {
		deps.Log = zap.NewNop()
	}
	return &Server{addr: addr, deps: deps}
}

// Listen takes the address, so that a start fails before anything else has begun. Run must follow: it serves, and
// gives the address back. The error names the setting to change.
func (s *Server) Listen(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("admin.listen %s is in use; stop what listens there, or give admin.listen another port", s.addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("admin.listen %s is no address of this machine; give admin.listen one that is", s.addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("admin.listen %s is not allowed to this user; give admin.listen a port above 1023", s.addr)
	case err != nil:
		return fmt.Errorf("admin.listen %s: %w", s.addr, err)
	}
	s.listener = listener
	return nil
}

// Addr is the address that the server listens on, with its real port; "" before Listen.
func (s *Server) Addr() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Run serves until ctx is done, lets the requests in flight finish for three seconds, and returns nil. It calls Listen
// if nobody has. It is called once.
func (s *Server) Run(ctx context.Context) error {
	if s.listener == nil {
		if err := s.Listen(ctx); err != nil {
			return err
		}
	}
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(s.deps.Log),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(s.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("admin.listen %s: %w", s.addr, err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		s.deps.Log.Warn("requests to the admin server were cut off", zap.Error(errors.Join(err, srv.Close())))
	}
	<-served //nolint:errcheck // it is http.ErrServerClosed, since we asked for it
	return nil
}
