package bridge

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/embedded"
)

// leaseTTL is how long an account's lease outlives a process that was killed: the longest that another waits for it.
const leaseTTL = 6 * time.Second

// Options are what a Bridge is made of beside the configuration.
type Options struct {
	Log *zap.Logger
}

// A Bridge follows the accounts of one configuration.
type Bridge struct {
	cfg     *config.Config
	log     *zap.Logger
	key     diff.Key
	metrics metrics

	accounts []*account
	told     func([]diff.Told) // see OnTold; may be nil
	holder   string            // names this process in the store
	leaseTTL time.Duration     // leaseTTL, or less in a test

	// nats, js and store are there once open has come through.
	embedded *embedded.Server
	nats     *nats.Conn
	js       jetstream.JetStream
	store    *watchedStore
	stream   *stream
	beside   jetstream.KeyValue // the bucket of checkpoints; nil: there is none
	replica  *diff.Replica
	template publisher.Template
	shared   *http.Transport
	signed   bool // this process has data_dir, by the lock on a file in it, and is noted as its holder

	hasStore, hasNATS atomic.Bool // store, and nats, are there; opened says that all is

	opened atomic.Bool
	mu     sync.Mutex // guards waiting
	// waiting is what the start waits for, a sentence; "" once it waits for nothing.
	waiting string
}

type metrics struct {
	registry  *prometheus.Registry
	poller    *poller.Metrics
	diff      *diff.Metrics
	publisher *publisher.Metrics
}

// New makes a Bridge that has not begun. It makes data_dir and the fingerprint key, and opens nothing else.
func New(cfg *config.Config, opts Options) (*Bridge, error) {
	if err := dataDir(cfg); err != nil {
		return nil, err
	}
	lost := config.FingerprintKeyIsMissing(cfg)
	secret, err := config.FingerprintKey(cfg)
	if err != nil {
		return nil, cfg.Fault("data_dir", err.Error())
	}
	if _, err := os.Stat(StateFile(cfg)); lost && err == nil {
		opts.Log.Warn("the key of the fingerprints is missing beside the state that was written with it, and is made anew: every record is taken up again in silence, "+
			"and what changed meanwhile is told with changed: null; to spare that, stop the bridge and restore all of data_dir from a backup",
			zap.String("key", config.FingerprintFile(cfg)), zap.String("state", StateFile(cfg)))
	}
	key, err := diff.NewKey(secret.Reveal())
	if err != nil {
		return nil, err
	}
	template, err := publisher.ParseTemplate(cfg.NATS.Subject)
	if err != nil {
		return nil, fmt.Errorf("nats.subject: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	b := &Bridge{
		cfg: cfg, log: opts.Log, key: key, holder: holder(), leaseTTL: leaseTTL, template: template,
		metrics: metrics{registry, poller.NewMetrics(registry), diff.NewMetrics(registry), publisher.NewMetrics(registry)},
		shared:  cliniko.NewTransport(), waiting: "it is starting",
	}
	for i := range cfg.Accounts {
		a, err := newAccount(b, &cfg.Accounts[i])
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", cfg.Accounts[i].Name, err)
		}
		b.accounts = append(b.accounts, a)
	}
	registry.MustRegister(newGauges(b))
	return b, nil
}

// holder names this process in the store, so that an operator sees who has an account.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:6])
}

// Metrics is where the bridge's counters are.
func (b *Bridge) Metrics() *prometheus.Registry { return b.metrics.registry }

// Run opens the store and the stream, waiting for servers that do not answer yet, and follows every account until ctx
// ends. Then it stops within ten seconds, with what is in flight committed or left to be done again, and returns nil.
// An error means that it could not begin, and that waiting would not help; a *SetupError, that NATS or Redis has to be set up
// otherwise.
func (b *Bridge) Run(ctx context.Context) error {
	defer b.close() //nolint:contextcheck // ctx has ended by then
	if err := b.open(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	b.replica = b.newReplica()
	b.opened.Store(true)
	b.wait("")
	b.replica.Run(ctx)
	return nil
}

// newReplica shares the accounts with the other bridges on the store.
func (b *Bridge) newReplica() *diff.Replica {
	byName := make(map[string]*account, len(b.accounts))
	names := make([]string, len(b.accounts))
	for i, a := range b.accounts {
		names[i], byName[a.cfg.Name] = a.cfg.Name, a
	}
	return diff.NewReplica(diff.ReplicaConfig{
		Store: b.store, Holder: b.holder, Accounts: names, TTL: b.leaseTTL, Log: b.log,
		Work: func(ctx context.Context, lease diff.Lease) { byName[lease.Account].run(ctx, lease) },
	})
}

func (b *Bridge) open(ctx context.Context) error {
	b.wait("it waits for the store")
	store, err := awaitStore(ctx, b.cfg, b.log, b.wait)
	if err != nil {
		return err
	}
	b.store = &watchedStore{Store: store}
	b.hasStore.Store(true)
	if b.cfg.State.RedisURL.IsZero() {
		b.sign()
	}
	if err := b.movedWhole(ctx); err != nil {
		return err
	}
	b.wait("it waits for NATS")
	if err := b.connect(ctx); err != nil {
		return err
	}
	b.hasNATS.Store(true)
	b.wait("it waits for the stream")
	return b.openStream(ctx)
}

// URL is where the events can be subscribed to: the embedded server, or the configured one without user, password or
// token. "" while it is not connected.
func (b *Bridge) URL() string {
	if b.embedded != nil {
		return b.embedded.URL()
	}
	u, err := url.Parse(b.nats.ConnectedUrl())
	if err != nil {
		return ""
	}
	u.User = nil // a token stands where the user does, so that hiding the password is not enough
	return u.String()
}

// Opened says that store and stream are open. Conn and URL may be used from then on.
func (b *Bridge) Opened() bool { return b.opened.Load() }

// Conn is the connection to NATS.
func (b *Bridge) Conn() *nats.Conn { return b.nats }

// Template makes the subjects.
func (b *Bridge) Template() publisher.Template { return b.template }

func (b *Bridge) close() {
	if b.nats != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		publisher.Close(ctx, b.nats)
	}
	if b.signed { // and nobody else can have signed, as long as the locks are held
		_ = os.Remove(holderFile(b.cfg)) // at worst it names a process that has ended
	}
	if b.embedded != nil {
		b.embedded.Shutdown()
	}
	if b.store != nil {
		if err := b.store.Close(); err != nil {
			b.log.Warn("close the store", zap.Error(err))
		}
	}
	b.shared.CloseIdleConnections()
}

func (b *Bridge) wait(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = what
}
