package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
)

// A Config says which Redis, and where to complain.
type Config struct {
	// URL is one of
	//
	//	redis://[user:password@]host[:6379][/database]
	//	redis-cluster://[user:password@]host:6379[?addr=host2:6379&addr=host3:6379]
	//	redis-sentinel://[user:password@]host:26379[/database]?master_name=mymaster[&addr=host2:26379][&username=…&password=…]
	//
	// each also with rediss for TLS, and with + for -. The user and password before a sentinel's host are the
	// sentinel's own; Redis's are in the query. Further query parameters are those of go-redis, such as
	// dial_timeout=5s (default 5s), read_timeout and write_timeout (default 3s), pool_size, and for
	// redis and redis-sentinel skip_verify=true. It holds a password: no error or log line repeats it.
	URL string
	// CAFile holds the certificates to trust in place of the system's; CertFile and KeyFile are our own certificate, for a
	// server that asks for one. All are in PEM, and read anew for each connection. Default: "", none. Only with rediss.
	CAFile, CertFile, KeyFile string
	// Logger is told on Open what of the server's settings an operator should change. nil: nobody is told.
	Logger *zap.Logger
}

// Validate tells whether the URL can be read. It connects to nothing.
func (c Config) Validate() error {
	_, err := parseURL(c.URL)
	return err
}

// A Store is a diff.Store in Redis. It is safe for use by several goroutines.
type Store struct {
	client redis.UniversalClient

	mu      sync.Mutex     // guards buckets
	buckets map[string]int // how many a resource had when it was last seen, by its meta key
}

var _ diff.Store = (*Store)(nil)

// Open connects to Redis. If cfg is valid, an error means that Redis cannot be reached now, and it may be tried again, or
// that it refuses us: that is ErrRefused. The caller closes the store.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	to, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	to.secure(cfg)
	s := &Store{client: to.client(), buckets: map[string]int{}}
	facts, err := s.Check(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("redis %s: %w", &to, cfg.advise(err)), s.client.Close())
	}
	if cfg.Logger != nil {
		for _, advice := range facts.Advice() {
			cfg.Logger.Warn("redis should be set up differently", zap.Stringer("redis", &to), zap.String("advice", advice))
		}
	}
	return s, nil
}

// bucketsOf is how many buckets the resource with this meta key had when it was last seen, 0 if it never was.
func (s *Store) bucketsOf(meta string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buckets[meta]
}

func (s *Store) setBuckets(meta string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[meta] = n
}

// Note is diff.Store's.
func (s *Store) Note(ctx context.Context, account, name string) ([]byte, error) {
	b, err := s.client.Get(ctx, noteKey(account, name)).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read note %s of %s: %w", name, account, err)
	}
	return b, nil
}

// PutNote is diff.Store's.
func (s *Store) PutNote(ctx context.Context, account, name string, value []byte, ttl time.Duration) error {
	if err := s.client.Set(ctx, noteKey(account, name), value, ttl).Err(); err != nil {
		return fmt.Errorf("write note %s of %s: %w", name, account, err)
	}
	return nil
}

// Ping is diff.Store's.
func (s *Store) Ping(ctx context.Context) error { return s.client.Ping(ctx).Err() }

// Close is diff.Store's.
func (s *Store) Close() error { return s.client.Close() }
