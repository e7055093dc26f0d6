package bridge

import (
	"context"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/filestore"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
)

// storeWait is between two tries to reach a store at the start.
const storeWait = time.Second

// OpenStore opens the store of the configuration: Redis, which it waits for, or the file under data_dir.
func OpenStore(ctx context.Context, cfg *config.Config, log *zap.Logger) (diff.Store, error) {
	if cfg.State.RedisURL.IsZero() {
		return filestore.Open(filepath.Join(cfg.DataDir, "state.db"))
	}
	redisstore.LogTo(log)
	rc := redisstore.Config{URL: cfg.State.RedisURL.Reveal(), Logger: log}
	if err := rc.Validate(); err != nil {
		return nil, err
	}
	for said := false; ; said = true {
		store, err := redisstore.Open(ctx, rc)
		if err == nil {
			return store, nil
		}
		if !said {
			log.Warn("Redis does not answer; waiting for it", zap.Error(err))
		}
		timer := time.NewTimer(storeWait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

// NATSDir is where the embedded server keeps its streams.
func NATSDir(cfg *config.Config) string { return filepath.Join(cfg.DataDir, "nats") }

// ConnectConfig says how to connect to the NATS server of the configuration.
func ConnectConfig(cfg *config.Config) publisher.ConnectConfig {
	n := &cfg.NATS
	return publisher.ConnectConfig{
		URL: n.URL.Reveal(), CredsFile: n.CredsFile, CAFile: n.TLS.CAFile, CertFile: n.TLS.CertFile, KeyFile: n.TLS.KeyFile,
	}
}

// StreamConfig says which stream the configuration wants.
func StreamConfig(cfg *config.Config, t publisher.Template) publisher.StreamConfig {
	n := &cfg.NATS
	return publisher.StreamConfig{Name: n.Stream, Template: t, MaxAge: n.MaxAge, Replicas: n.Replicas}
}
