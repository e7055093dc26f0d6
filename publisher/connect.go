package publisher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// A ConnectConfig says where NATS is and who we are.
type ConnectConfig struct {
	// URL is one server or several of a cluster, "nats://a:4222,nats://b:4222". It may hold a user and a password,
	// or a token; they stand in no error and no log line.
	URL       string
	Name      string // the connection's name, for people who look at the server; "" means cliniko-bridge
	CredsFile string // a NATS credentials file; "" means none
	NKeyFile  string // the seed of a NATS user; "" means none
	CAFile    string // root certificates in PEM; "" means those of the system
	CertFile  string // our own certificate in PEM, for a server that asks for one; needs KeyFile
	KeyFile   string
	// Waiting, if non-nil, is called after each attempt to connect that failed, with what Connect would return.
	Waiting func(error)
	// InProcess is a server in this process. It is used in place of URL.
	InProcess nats.InProcessConnProvider
}

const (
	dialTimeout = 3 * time.Second // a server of the list, so that a stop need not wait long
	retryFirst  = 250 * time.Millisecond
	retryMost   = 5 * time.Second
	// saidAgain is how often a wait is told of that goes on: it can last for a night.
	saidAgain = time.Hour
	// A dead network is noticed after pingEvery, twice: NATS's own default is four minutes.
	pingEvery = 20 * time.Second
)

// Connect connects to NATS. While no server answers it tries again until ctx ends, so that a bridge that is started
// before its NATS waits for it; its error is then that of the last attempt. It returns at once if waiting cannot
// help: bad configuration, a file that is missing, a user or certificates that are refused, by the server or by us. Such
// an error names the key of the configuration to look at.
//
// Credentials and certificates are read anew for each connection, so that they can be replaced while the bridge runs.
// What is in the URL is not, nor is the seed of another user in NKeyFile.
//
// The connection never gives up later either. While it is down, whatever is sent fails at once and nothing is kept
// to be sent later: a message that goes out behind the back of whoever was told that it failed might be stored
// after somebody has looked whether it is there.
func Connect(ctx context.Context, cfg ConnectConfig, logger *zap.Logger) (*nats.Conn, error) {
	opts, shown, err := cfg.options(logger)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	var said time.Time
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		nc, err := connectWithin(ctx, opts)
		if err == nil {
			return nc, nil
		}
		if hopeless(err) {
			return nil, fmt.Errorf("nats: connect to %s: %w", shown, cfg.advise(err))
		}
		err = fmt.Errorf("nats: connect to %s: %w", shown, err)
		if cfg.Waiting != nil {
			cfg.Waiting(err)
		}
		if time.Since(said) >= saidAgain {
			said = time.Now()
			logger.Warn("waiting for nats", zap.Error(err), zap.Duration("said_again_in", saidAgain))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-timer.C:
		}
	}
}

// Close takes leave of NATS: subscriptions end, what is written goes out, the connection closes. It waits for that
// until ctx ends, and then closes at once.
func Close(ctx context.Context, nc *nats.Conn) {
	closed := nc.StatusChanged(nats.CLOSED)
	if nc.Drain() == nil {
		select {
		case <-closed:
		case <-ctx.Done():
		}
	}
	nc.Close()
}

// splitURL checks the list of servers and gives it twice: to connect with, and to show to people.
func splitURL(list string) (servers []string, shown string, err error) {
	var show []string
	for i, s := range strings.Split(list, ",") {
		s = strings.TrimSpace(s)
		if !strings.Contains(s, "://") {
			s = "nats://" + s
		}
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" { // the error would hold the URL, and the URL a password
			return nil, "", fmt.Errorf(`server %d of nats.url is not a URL; write nats://HOST:PORT, and %%-encode what is odd in a password`, i+1)
		}
		servers = append(servers, s)
		show = append(show, u.Scheme+"://"+u.Host)
	}
	return servers, strings.Join(show, ","), nil
}

// options turns c into those of nats.go, and gives the servers' addresses as people may see them.
func (c ConnectConfig) options(logger *zap.Logger) (nats.Options, string, error) {
	opts := nats.GetDefaultOptions()
	servers, shown, err := []string(nil), "the server in this process", error(nil)
	if c.InProcess == nil {
		servers, shown, err = splitURL(c.URL)
	}
	if err != nil {
		return opts, "", err
	}
	opts.Servers = servers
	for _, set := range c.list(logger) {
		if err := set(&opts); err != nil { // a file of c that is missing or is not what it should be
			return opts, "", err
		}
	}
	return opts, shown, nil
}

func (c ConnectConfig) list(logger *zap.Logger) []nats.Option {
	opts := []nats.Option{
		nats.Name(cmp.Or(c.Name, "cliniko-bridge")),
		nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(time.Second),
		nats.ReconnectJitter(500*time.Millisecond, time.Second),
		nats.ReconnectBufSize(-1),   // nothing is sent later: see Connect
		nats.IgnoreAuthErrorAbort(), // a server whose accounts are being reloaded may refuse us twice
		nats.PingInterval(pingEvery),
		nats.MaxPingsOutstanding(2),
	}
	opts = append(opts, c.handlers(logger)...)
	if c.InProcess != nil {
		opts = append(opts, nats.InProcessServer(c.InProcess))
	}
	if c.CredsFile != "" {
		opts = append(opts, keyed("nats.creds_file", func(o *nats.Options) error {
			if _, err := os.Stat(c.CredsFile); err != nil { // nats.go reads it late, and asks again for ever
				return err
			}
			return nats.UserCredentials(c.CredsFile)(o)
		}))
	}
	if c.NKeyFile != "" {
		opts = append(opts, keyed("nats.nkey_file", func(o *nats.Options) error {
			set, err := nats.NkeyOptionFromSeed(c.NKeyFile)
			if err != nil {
				return err
			}
			return set(o)
		}))
	}
	if c.CAFile != "" {
		opts = append(opts, keyed("nats.tls.ca_file", nats.RootCAs(c.CAFile)))
	}
	if c.CertFile != "" || c.KeyFile != "" {
		opts = append(opts, keyed("nats.tls", nats.ClientCert(c.CertFile, c.KeyFile)))
	}
	return opts
}

// keyed is set, and puts the key of the configuration before its error.
func keyed(key string, set nats.Option) nats.Option {
	return func(o *nats.Options) error {
		if err := set(o); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		return nil
	}
}

// handlers tell the log what becomes of the connection.
func (c ConnectConfig) handlers(logger *zap.Logger) []nats.Option {
	refused := "" // why the server is said to refuse us; nats.go calls the handlers one after the other
	return []nats.Option{
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				logger.Warn("nats connection lost", zap.Error(err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			refused = ""
			logger.Info("nats connection is back", zap.String("server", nc.ConnectedAddr()))
		}),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			logger.Debug("nats does not answer", zap.Error(err))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			switch {
			case errors.Is(err, nats.ErrPermissionViolation):
				logger.Error("nats forbids what the bridge has to do; deploy/nats-permissions.conf has all that it needs", zap.Error(err))
			case hopeless(err) && err.Error() == refused: // said once, and tried for ever: it may be mended on either side
				logger.Debug("nats refuses the connection still", zap.Error(err))
			case hopeless(err):
				refused = err.Error()
				logger.Error("nats refuses the connection; trying on", zap.Error(c.advise(err)))
			default:
				logger.Warn("nats reports an error", zap.Error(err))
			}
		}),
		nats.LameDuckModeHandler(func(*nats.Conn) {
			logger.Info("nats server is about to shut down")
		}),
	}
}
