package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
)

// DefaultListen is where the server listens if nothing else is said: NATS's own port.
const DefaultListen = "127.0.0.1:4222"

// maxPayload is the greatest message, in bytes: eight times NATS's default and the most that it advises, so that no
// record is too long.
const maxPayload = 8 << 20

// readyWithin bounds the start. A million stored messages take half a second.
const readyWithin = time.Minute

// A Config says where the server keeps its messages and where it listens.
type Config struct {
	Dir string // made if it is not there; required
	// Listen is host:port; "" means DefaultListen. If something else has the port, a free one is taken instead, unless it
	// is Fixed; port 0 asks for a free one.
	Listen string
	Fixed  bool        // others know of the port: Start returns ErrPort if something else has it
	Logger *zap.Logger // nil: no logs
}

// Reasons why Start cannot start a server.
var (
	// ErrInUse says that another process uses the directory. It may be waited for.
	ErrInUse = errors.New("another process uses the directory; stop it, or set another data_dir")
	// ErrPort says that something else listens where the server should. One of the two has to move.
	ErrPort = errors.New("something else listens there")
)

// A Server is a running NATS server.
type Server struct {
	dir    string
	url    string
	lock   *os.File
	host   string
	port   int
	logger *zap.Logger

	mu   sync.Mutex // guards the following; held while they are replaced
	ns   *server.Server
	logs *adapter
}

// Start starts the server and returns once it takes connections. It returns an error if another process has the
// directory.
func Start(cfg Config) (*Server, error) {
	logger := cfg.Logger
	if logger == nil {
		logger = zap.NewNop()
	}
	host, port, err := freeAddress(cfg.Listen, cfg.Fixed, logger)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %s: %w", cfg.Dir, err)
	}
	ns, logs, err := run(options(cfg.Dir, host, port), logger)
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	s := &Server{dir: cfg.Dir, url: ns.ClientURL(), lock: lock, host: host, port: port, logger: logger, ns: ns, logs: logs}
	if addr, ok := ns.Addr().(*net.TCPAddr); ok {
		s.port = addr.Port
	}
	if err := writeURL(s.dir, s.url); err != nil {
		s.Shutdown()
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	logger.Info("embedded nats is ready", zap.String("url", s.url), zap.String("dir", s.dir))
	return s, nil
}

func options(dir, host string, port int) *server.Options {
	return &server.Options{
		ServerName: "cliniko-bridge",
		Host:       host,
		Port:       port,
		JetStream:  true,
		StoreDir:   dir,
		SyncAlways: true,
		MaxPayload: maxPayload,
		NoSigs:     true, // signals are the bridge's
	}
}

// run starts a server with opts, and stops it again if it does not become ready.
func run(opts *server.Options, logger *zap.Logger) (*server.Server, *adapter, error) {
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, nil, err
	}
	logs := &adapter{logger: logger}
	ns.SetLoggerV2(logs, false, false, false)
	ns.Start() // does not block; what it cannot do it logs as fatal
	if fault := logs.fatal.Load(); fault != nil {
		err = errors.New(*fault)
	} else if !ns.ReadyForConnections(readyWithin) {
		err = fmt.Errorf("not ready after %s", readyWithin)
	}
	if err != nil {
		ns.Shutdown()
		return nil, nil, err
	}
	return ns, logs, nil
}

// freeAddress splits listen and looks whether its port is free. If not, the port is server.RANDOM_PORT, or if it is fixed
// the error is ErrPort.
func freeAddress(listen string, fixed bool, logger *zap.Logger) (host string, port int, err error) {
	if listen == "" {
		listen = DefaultListen
	}
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, err
	}
	if ip := net.ParseIP(host); host != "localhost" && !ip.IsLoopback() {
		logger.Warn("embedded nats asks nobody for a password and can be reached from other machines", zap.String("listen", listen))
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("listen address %q has no port number", listen)
	}
	if port == 0 {
		return host, server.RANDOM_PORT, nil
	}
	probe, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", listen)
	if err != nil && fixed {
		return "", 0, fmt.Errorf("%s: %w", listen, ErrPort)
	}
	if err != nil {
		logger.Warn("embedded nats takes a free port, because its own is in use", zap.String("listen", listen), zap.Error(err))
		return host, server.RANDOM_PORT, nil
	}
	return host, port, probe.Close()
}

// URL is where the server listens: "nats://127.0.0.1:4222".
func (s *Server) URL() string { return s.url }

// Conn connects to the server without a network, with the settings of publisher.Connect.
func (s *Server) Conn(ctx context.Context, name string, logger *zap.Logger) (*nats.Conn, error) {
	return publisher.Connect(ctx, publisher.ConnectConfig{Name: name, InProcess: s}, logger)
}

// Shutdown stops the server and returns when it has stopped. Connections should be closed before.
func (s *Server) Shutdown() {
	_ = os.Remove(urlFile(s.dir)) // a file that stays behind names a server that does not answer, and no more
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
	_ = s.lock.Close() // gives up the lock
}

// FindURL tells where the server listens that uses dir in another process. It returns an error that wraps
// os.ErrNotExist if none does. After a kill the file may be old, and then nobody answers there.
func FindURL(dir string) (string, error) {
	b, err := os.ReadFile(urlFile(dir))
	if err != nil {
		return "", fmt.Errorf("no embedded nats runs on %s: %w", dir, err)
	}
	return strings.TrimSpace(string(b)), nil
}

func urlFile(dir string) string { return filepath.Join(dir, "nats.url") }

// writeURL replaces the file in one step, so that a reader finds a whole URL or none.
func writeURL(dir, url string) error {
	next := urlFile(dir) + ".new"
	if err := os.WriteFile(next, []byte(url+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(next, urlFile(dir))
}
