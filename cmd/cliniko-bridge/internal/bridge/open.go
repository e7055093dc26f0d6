package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/filestore"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
)

// openWait is between two tries to reach a server at the start.
const openWait = time.Second

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

// awaitStore opens it and tells waiting why it waits, each time that it has found out.
func awaitStore(ctx context.Context, cfg *config.Config, log *zap.Logger, waiting func(string)) (diff.Store, error) {
	if cfg.State.RedisURL.IsZero() {
		return openFile(ctx, stateFile(cfg), log)
	}
	redisstore.LogTo(log)
	rc := RedisConfig(cfg)
	rc.Logger = log
	if err := rc.Validate(); err != nil {
		return nil, err
	}
	var store *redisstore.Store
	err := again(ctx, func() (err error) {
		store, err = redisstore.Open(ctx, rc)
		return err
	}, func(err error) {
		log.Warn("Redis does not answer; waiting for it", zap.Error(err))
		waiting("it waits for the store: " + cmp.Or(redisstore.Refusal(err), err.Error()))
	})
	if err != nil {
		return nil, err
	}
	facts, err := store.Check(ctx)
	if reasons := facts.Unfit(); err == nil && len(reasons) > 0 {
		err = &SetupError{errors.New(strings.Join(reasons, "; "))}
	}
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return store, nil
}

// again calls try until it comes through, ctx ends, or it returns an error that waiting does not mend. It calls waiting with
// every error that differs from the one before.
func again(ctx context.Context, try func() error, waiting func(error)) error {
	for said := ""; ; {
		err := try()
		if bad := (*SetupError)(nil); err == nil || errors.As(err, &bad) || errors.Is(err, redisstore.ErrRefused) {
			return err
		}
		if err.Error() != said {
			said = err.Error()
			waiting(err)
		}
		timer := time.NewTimer(openWait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// openStream makes sure of the stream, and waits for servers of a cluster that have not found each other yet.
func (b *Bridge) openStream(ctx context.Context) error {
	want := StreamConfig(b.cfg, b.template)
	return again(ctx, func() error {
		report, err := publisher.Ensure(ctx, b.js, want)
		if err != nil {
			return unfit(err)
		}
		for _, w := range report.Warnings {
			b.log.Warn("about the stream", zap.String("warning", w))
		}
		if len(report.Faults) > 0 {
			return &SetupError{fmt.Errorf("the stream %s cannot be used: %s", want.Name, strings.Join(report.Faults, "; "))}
		}
		checkpoints, err := b.openCheckpoints(ctx, want)
		if err != nil {
			return err
		}
		out, err := publisher.New(ctx, b.nats, publisher.Config{
			Stream: want.Name, Template: b.template, Checkpoints: checkpoints,
		}, b.log)
		if err != nil {
			return err
		}
		b.stream = &stream{Publisher: out, js: b.js, config: want, log: b.log}
		return nil
	}, func(err error) {
		b.log.Warn("the stream cannot be had yet; waiting for it", zap.Error(err))
		b.wait("it waits for the stream: " + err.Error())
	})
}

// openCheckpoints opens the bucket beside the stream. Without the right to it the bridge does without, and says what that costs.
func (b *Bridge) openCheckpoints(ctx context.Context, want publisher.StreamConfig) (jetstream.KeyValue, error) {
	kv, err := publisher.EnsureCheckpoints(ctx, b.js, want)
	var api *jetstream.APIError
	switch {
	case errors.As(err, &api) && api.Code == http.StatusServiceUnavailable, ctx.Err() != nil: // a cluster without a leader
		return nil, err
	case err != nil:
		b.log.Warn("no checkpoint can be kept beside the stream: should the store be lost, a resource without events begins anew, "+
			"and what changed in it since its last look is not told", zap.Error(err))
		return nil, nil
	}
	return kv, nil
}

// openFile opens the file at path. While another process has it open it waits: two bridges share accounts by Redis alone, and
// the second one here is a spare.
func openFile(ctx context.Context, path string, log *zap.Logger) (diff.Store, error) {
	for said := false; ctx.Err() == nil; said = true {
		store, err := filestore.Open(path)
		if err == nil {
			return store, nil
		}
		if !errors.Is(err, filestore.ErrInUse) {
			return nil, err
		}
		if !said {
			log.Warn("another bridge has the state file open; waiting until it stops (bridges share accounts with state.redis_url)",
				zap.String("file", path))
		}
	}
	return nil, ctx.Err()
}

// stateFile is where the embedded store is.
func stateFile(cfg *config.Config) string { return filepath.Join(cfg.DataDir, "state.db") }

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
