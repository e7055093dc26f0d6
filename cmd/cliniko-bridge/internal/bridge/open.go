package bridge

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
)

// A SetupError says that NATS or Redis is not what the bridge needs, a sentence with its remedy for each thing. Waiting does
// not mend it, and neither does a restart of the bridge.
type SetupError struct{ error }

// Unwrap is what the server was found to be.
func (e *SetupError) Unwrap() error { return e.error }

// unfit makes a SetupError of an error that waiting does not mend.
func unfit(err error) error {
	if bad := (*publisher.UnfitError)(nil); errors.As(err, &bad) {
		return &SetupError{err}
	}
	return err
}

// OpenStore opens the store of the configuration: Redis, or the file under data_dir. It waits for a Redis that does not answer,
// but not for one that refuses us, and for another process to let go of the file.
func OpenStore(ctx context.Context, cfg *config.Config, log *zap.Logger) (diff.Store, error) {
	return awaitStore(ctx, cfg, log, func(string) {})
}

// awaitStore opens it and tells waiting what it waits for, in a sentence, each time that it has found out.
func awaitStore(ctx context.Context, cfg *config.Config, log *zap.Logger, waiting func(string)) (diff.Store, error) {
	if cfg.State.RedisURL.IsZero() {
		return openFile(ctx, cfg, log, waiting)
	}
	redisstore.LogTo(log)
	rc := RedisConfig(cfg)
	rc.Logger = log
	if err := rc.Validate(); err != nil {
		return nil, err
	}
	var store *redisstore.Store
	err := newPatience(log, waiting).until(ctx, "the store", func() (err error) {
		store, err = openRedis(ctx, rc)
		if reason := redisstore.Refusal(err); reason != "" && !errors.Is(err, redisstore.ErrRefused) {
			return errors.New(reason)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return store, nil
}

// openRedis opens the store and looks whether its Redis is what the bridge needs.
func openRedis(ctx context.Context, rc redisstore.Config) (*redisstore.Store, error) {
	store, err := redisstore.Open(ctx, rc)
	if err != nil {
		return nil, err
	}
	facts, err := store.Check(ctx)
	if reasons := facts.Unfit(); err == nil && len(reasons) > 0 {
		err = &SetupError{errors.New(strings.Join(reasons, "; "))}
	}
	if err != nil {
		_ = store.Close() // it is opened again, or never
		return nil, err
	}
	return store, nil
}

// StateFile is where the embedded store is.
func StateFile(cfg *config.Config) string { return filepath.Join(cfg.DataDir, "state.db") }

// RedisConfig says how to reach the Redis of the configuration.
func RedisConfig(cfg *config.Config) redisstore.Config {
	s := &cfg.State
	return redisstore.Config{URL: s.RedisURL.Reveal(), CAFile: s.TLS.CAFile, CertFile: s.TLS.CertFile, KeyFile: s.TLS.KeyFile}
}

// NATSDir is where the embedded server keeps its streams.
func NATSDir(cfg *config.Config) string { return filepath.Join(cfg.DataDir, "nats") }

// ConnectConfig says how to connect to the NATS server of the configuration.
func ConnectConfig(cfg *config.Config) publisher.ConnectConfig {
	n := &cfg.NATS
	return publisher.ConnectConfig{
		URL: n.URL.Reveal(), CredsFile: n.CredsFile, NKeyFile: n.NKeyFile,
		CAFile: n.TLS.CAFile, CertFile: n.TLS.CertFile, KeyFile: n.TLS.KeyFile,
	}
}

// StreamConfig says which stream the configuration wants.
func StreamConfig(cfg *config.Config, t publisher.Template) publisher.StreamConfig {
	n := &cfg.NATS
	return publisher.StreamConfig{Name: n.Stream, Template: t, MaxAge: n.MaxAge, Replicas: n.Replicas}
}
