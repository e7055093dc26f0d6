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

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Deps is what the server shows and does. Its functions may be called by several requests at once and must not block for long.
type Deps struct {
	// Version is the bridge's version, for the page.
	Version string
	// Ready returns one plain sentence for each reason why the bridge is not ready, and nothing if it is. ctx ends
	// after five seconds. Default: nil, always ready.
	Ready func(ctx context.Context) []string
	// Status returns what the bridge is doing. Default: nil, no accounts.
	Status func() Status
	// Sweep begins to look for what is gone or was missed, in resources of account, all of them if there are none; accept
	// lets the limit for mass disappearance pass this once for these resources. account "" is every account that this
	// process leads. It returns at once, and from then on Status says of each of them that its sweep is running, until it
	// is done. Its error says in a plain sentence why it cannot begin. Default: nil, it never can.
	Sweep func(account string, resources []schemas.Resource, accept bool) error
	// Baseline begins the baseline of a resource anew. As Sweep: from its return on Status does not say of the resource
	// that its baseline is complete, until it is again.
	Baseline func(account string, resource schemas.Resource) error
	// Token returns what must come with every call of the two, and off loopback with every look at the page and the status.
	// It may return another one later. Default: nil, there is none: they need none on loopback, and are refused elsewhere.
	Token func() config.Secret
	// Live answers /live: what the page shows while it is open. It ends its answers when ctx of Run does, which is not asked of
	// it here. Default: nil, 404.
	Live http.Handler
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
	// crossOrigin tells what a browser asks for on behalf of a page of another site.
	crossOrigin http.CrossOriginProtection
}

// New returns a server for addr, host:port, where port 0 takes a free one. It starts nothing.
func New(addr string, deps Deps) *Server {
	if deps.Ready == nil {
		deps.Ready = func(context.Context) []string { return nil }
	}
	if deps.Status == nil {
		deps.Status = func() Status { return Status{} }
	}
	if deps.Token == nil {
		deps.Token = func() config.Secret { return config.Secret{} }
	}
	if deps.Live == nil {
		deps.Live = http.NotFoundHandler()
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
// gives the address back. The error says what to do.
func (s *Server) Listen(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is in use; stop what listens there, or give another port", s.addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s is no address of this machine; give one that is", s.addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s is not allowed to this user; give a port above 1023", s.addr)
	case err != nil:
		return fmt.Errorf("%s cannot be listened on: %w", s.addr, err)
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
