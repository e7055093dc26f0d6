package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/filestore"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/embedded"
)

// openTimeout is how long a server may take to answer at first.
const openTimeout = 10 * time.Second

// errAbsent says that a place is not there, and must not be made.
var errAbsent = errors.New("nothing is there")

// A side is one configuration's store and stream.
type side struct {
	store  diff.Store // nil: it is not there yet, in a dry run
	stream *stream
}

// A stream is an open one, and the server in this process if it is kept by none else.
type stream struct {
	nc          *nats.Conn
	js          jetstream.JetStream
	name        string
	template    publisher.Template
	publisher   *publisher.Publisher
	checkpoints jetstream.KeyValue // nil: there are none, on the side that is moved
	server      *embedded.Server
}

// openStore opens the store of cfg. One that must exist is not made.
func (s *side) openStore(ctx context.Context, cfg *config.Config, must bool) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if cfg.State.RedisURL.IsZero() {
		return s.openFile(cfg, must)
	}
	store, err := redisstore.Open(ctx, bridge.RedisConfig(cfg))
	if err != nil {
		return err
	}
	s.store = store
	facts, err := store.Check(ctx)
	if unfit := facts.Unfit(); err == nil && len(unfit) > 0 {
		err = errors.New(strings.Join(unfit, "; "))
	}
	return err
}

func (s *side) openFile(cfg *config.Config, must bool) error {
	path := bridge.StateFile(cfg)
	if _, err := os.Stat(path); must && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w; is data_dir right?", path, errAbsent)
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return err
	}
	store, err := filestore.Open(path)
	if errors.Is(err, filestore.ErrInUse) {
		return running(cfg.DataDir)
	}
	if err != nil {
		return err
	}
	s.store = store
	return nil
}

// running says that a bridge runs where none may.
func running(where string) error {
	return fmt.Errorf("a bridge is running on %s; stop it first, and see that nothing starts it again", where)
}

// openStream opens the stream of cfg, and makes it unless it must exist.
func (s *side) openStream(ctx context.Context, cfg *config.Config, must bool) (err error) {
	template, err := publisher.ParseTemplate(cfg.NATS.Subject)
	if err != nil {
		return fmt.Errorf("nats.subject: %w", err)
	}
	out := &stream{name: cfg.NATS.Stream, template: template}
	s.stream = out // so that it is closed whatever happens
	if err := out.connect(ctx, cfg, must); err != nil {
		return err
	}
	if err := publisher.Fit(out.nc); err != nil {
		return err
	}
	if out.js, err = jetstream.New(out.nc); err != nil {
		return err
	}
	want := bridge.StreamConfig(cfg, template)
	if err := out.ensure(ctx, want, must); err != nil {
		return err
	}
	out.publisher, err = publisher.New(ctx, out.nc, publisher.Config{Stream: out.name, Template: template, Checkpoints: out.checkpoints}, zap.NewNop())
	return err
}

func (s *stream) connect(ctx context.Context, cfg *config.Config, must bool) (err error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if !cfg.NATS.URL.IsZero() {
		to := bridge.ConnectConfig(cfg)
		to.Name = "cliniko-bridge migrate"
		s.nc, err = publisher.Connect(ctx, to, zap.NewNop())
		return err
	}
	dir := bridge.NATSDir(cfg)
	if _, err := os.Stat(dir); must && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w; is data_dir right?", dir, errAbsent)
	}
	// On a port that nobody knows: subscribers come back when the bridge does.
	//nolint:contextcheck // the server outlives this step; closeStream ends it
	s.server, err = embedded.Start(embedded.Config{Dir: dir, Listen: "127.0.0.1:0"})
	if errors.Is(err, embedded.ErrInUse) {
		return running(cfg.DataDir)
	}
	if err != nil {
		return err
	}
	s.nc, err = s.server.Conn(ctx, "cliniko-bridge migrate", zap.NewNop())
	return err
}

// ensure makes sure of the stream and of the bucket beside it.
func (s *stream) ensure(ctx context.Context, want publisher.StreamConfig, must bool) (err error) {
	var report publisher.Report
	if must {
		report, err = publisher.Inspect(ctx, s.js, want)
	} else {
		report, err = publisher.Ensure(ctx, s.js, want)
	}
	switch {
	case err != nil:
		return err
	case len(report.Faults) > 0:
		return fmt.Errorf("the stream %s cannot be used: %s", want.Name, strings.Join(report.Faults, "; "))
	case report.Missing:
		return fmt.Errorf("stream %s: %w; is nats.stream right?", want.Name, errAbsent)
	case must:
		s.checkpoints, err = s.js.KeyValue(ctx, publisher.CheckpointsOf(want.Name))
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			return nil
		}
	default:
		s.checkpoints, err = publisher.EnsureCheckpoints(ctx, s.js, want)
	}
	return err
}

func (s *side) closeStore() {
	if s.store != nil {
		_ = s.store.Close() // every commit was acknowledged
	}
}

func (s *side) closeStream() {
	if s.stream == nil {
		return
	}
	if s.stream.nc != nil {
		s.stream.nc.Close()
	}
	if s.stream.server != nil {
		s.stream.server.Shutdown()
	}
}

// state is how the stream stands.
func (s *stream) state(ctx context.Context) (jetstream.StreamState, error) {
	found, err := s.js.Stream(ctx, s.name)
	if err != nil {
		return jetstream.StreamState{}, fmt.Errorf("stream %s: %w", s.name, err)
	}
	return found.CachedInfo().State, nil
}
