package mock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Key is the API key of every mock. It opens nothing else.
const Key = "mock-key-for-tests-au1"

// A Config says which clinic is pretended, and where.
type Config struct {
	// Listen is host:port; port 0 takes a free one.
	Listen string
	// Edition is the edition of the API: clinikotest.Edition2017 or Edition2025.
	Edition clinikotest.Edition
	// Patients is how many patients there are at first. Other records are in proportion: two appointments for each patient.
	Patients int
	// Rate is how many things happen by themselves, a second. 0: nothing.
	Rate float64
	// Seed decides names, ids and what happens by itself. The same seed and the same requests give the same clinic, but
	// for the time of day.
	Seed uint64
}

// A Mock is the pretended account. Listen takes its address, Run serves it.
type Mock struct {
	cfg      Config
	clinic   *clinikotest.Clinic
	api      *clinikotest.Handler
	handler  http.Handler
	listener net.Listener
	down     atomic.Bool // every connection to the API is cut

	mu   sync.Mutex // guards live, which does one thing at a time
	live *clinikotest.Live
}

// Listen makes the clinic and takes the address.
func Listen(ctx context.Context, cfg Config) (*Mock, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; stop what has that port, or give another with --listen", cfg.Listen, errors.Unwrap(err))
	}
	m := &Mock{cfg: cfg, listener: listener}
	m.clinic = clinikotest.New(clinikotest.Options{
		Edition: cfg.Edition, Seed: cfg.Seed, Key: Key, BaseURL: m.URL(), KeepVersions: 1,
	})
	m.clinic.Populate(sizes(cfg.Patients))
	m.api = clinikotest.NewHandler(m.clinic)
	m.live = clinikotest.NewLive(m.clinic, cfg.Seed).WithStates()
	m.handler = m.guard(m.routes())
	return m, nil
}

// sizes are those of a clinic with so many patients.
func sizes(patients int) clinikotest.Sizes {
	small := clinikotest.SmallClinic()
	all := make(clinikotest.Sizes, len(small))
	if patients == 0 {
		return all
	}
	for resource, n := range small {
		all[resource] = max(1, n*patients/small["patients"])
	}
	return all
}

// URL is the base URL of the API: "http://127.0.0.1:8320/v1".
func (m *Mock) URL() string { return m.origin() + "/v1" }

// Control is the base URL of what a test makes happen: "http://127.0.0.1:8320/_mock".
func (m *Mock) Control() string { return m.origin() + "/_mock" }

// origin names the address that it listens on, and if that is every address, the one for this machine.
func (m *Mock) origin() string {
	at := m.listener.Addr().String()
	host, port, err := net.SplitHostPort(at)
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		at = net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + at
}

// Count is how many records of a resource the plain list shows.
func (m *Mock) Count(resource schemas.Resource) int {
	if !m.clinic.Has(resource) {
		return 0
	}
	return len(m.clinic.IDs(resource))
}

// stopTimeout is how long requests in flight have when the mock is stopped.
const stopTimeout = time.Second

// Run serves the account until ctx ends, and lets things happen meanwhile. It returns nil then.
func (m *Mock) Run(ctx context.Context) error {
	server := &http.Server{Handler: m.handler, ReadHeaderTimeout: 10 * time.Second}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", m.listener.Addr(), err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // whoever still waits is cut off
		}
		return nil
	})
	group.Go(func() error { return m.day(ctx) })
	return group.Wait()
}

// day lets things happen by themselves.
func (m *Mock) day(ctx context.Context) error {
	if m.cfg.Rate == 0 {
		return nil
	}
	tick := time.NewTicker(time.Duration(float64(time.Second) / m.cfg.Rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			m.happen(1)
		}
	}
}

// happen does n things of a clinic's day.
func (m *Mock) happen(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live.Step(n)
}
