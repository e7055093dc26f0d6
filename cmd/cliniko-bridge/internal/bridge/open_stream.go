package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/embedded"
)

// connect connects to the server of the configuration, or starts the embedded one, for which it waits while another
// process has its folder.
func (b *Bridge) connect(ctx context.Context) (err error) {
	if b.cfg.NATS.URL.IsZero() {
		if !b.cfg.State.RedisURL.IsZero() {
			b.log.Warn("state.redis_url is given and nats.url is not: the events are in a server in this process alone, and a second bridge on this Redis " +
				"would tell its share of the accounts to another; give nats.url before there is one")
		}
		if err := b.embed(ctx); err != nil {
			return err
		}
		b.nats, err = b.embedded.Conn(ctx, "cliniko-bridge", b.log)
	} else {
		to := ConnectConfig(b.cfg)
		to.Waiting = func(err error) { b.wait("it waits for NATS: " + err.Error()) }
		b.nats, err = publisher.Connect(ctx, to, b.log)
	}
	if err != nil {
		return err
	}
	if err := publisher.Fit(b.nats); err != nil {
		return unfit(err)
	}
	b.js, err = jetstream.New(b.nats)
	return err
}

// embed starts the embedded server.
func (b *Bridge) embed(ctx context.Context) error {
	patience := newPatience(b.log, b.wait)
	for {
		//nolint:contextcheck // the server outlives this step; close ends it
		server, err := embedded.Start(embedded.Config{
			Dir: NATSDir(b.cfg), Listen: b.cfg.NATS.Listen, Fixed: b.cfg.Given("nats.listen"), Logger: b.log,
		})
		switch {
		case err == nil:
			b.embedded = server
			b.sign()
			return nil
		case errors.Is(err, embedded.ErrPort):
			return b.cfg.Fault("nats.listen", err.Error()+"; stop that, or give another port")
		case errors.Is(err, embedded.ErrInUse):
			err = fmt.Errorf("%s is in use by another bridge, %s; stop that, or name another data_dir", b.cfg.DataDir, holderOf(b.cfg))
		case full(err):
			err = fmt.Errorf("%w; make room", err)
		default:
			return err
		}
		if !patience.wait(ctx, "its NATS server", err, openWait) {
			return ctx.Err()
		}
	}
}

// openStream makes sure of the stream, and waits for servers of a cluster that have not found each other yet.
func (b *Bridge) openStream(ctx context.Context) error {
	want := StreamConfig(b.cfg, b.template)
	return newPatience(b.log, b.wait).until(ctx, "the stream", func() error {
		report, err := publisher.Ensure(ctx, b.js, want)
		if err != nil {
			return unfit(err)
		}
		if len(report.Faults) > 0 {
			return &SetupError{fmt.Errorf("the stream %s cannot be used: %s", want.Name, strings.Join(report.Faults, "; "))}
		}
		checkpoints, lacking, err := b.openCheckpoints(ctx, want)
		if err != nil {
			return err
		}
		if err := streamMovedWhole(ctx, checkpoints); err != nil {
			return err
		}
		out, err := publisher.New(ctx, b.nats, publisher.Config{
			Stream: want.Name, Template: b.template, Checkpoints: checkpoints, Metrics: b.metrics.publisher,
		}, b.log)
		if err != nil {
			return err
		}
		for _, w := range report.Warnings { // not before all has come through: until then it is tried each second
			b.log.Warn("about the stream", zap.String("warning", w))
		}
		if lacking != nil {
			b.log.Warn("no checkpoint can be kept beside the stream: should the store be lost, a resource without events begins anew, "+
				"and what changed in it since its last look is not told", zap.Error(lacking))
		}
		b.beside = checkpoints
		b.stream = &stream{Publisher: out, js: b.js, config: want, embedded: b.embedded, log: b.log}
		return nil
	})
}

// openCheckpoints opens the bucket beside the stream. Without the right to it the bridge does without: lacking is why.
func (b *Bridge) openCheckpoints(ctx context.Context, want publisher.StreamConfig) (kv jetstream.KeyValue, lacking, err error) {
	kv, err = publisher.EnsureCheckpoints(ctx, b.js, want)
	var api *jetstream.APIError
	refused := errors.Is(b.nats.LastError(), nats.ErrPermissionViolation) // what is forbidden gets no answer
	silent := errors.Is(err, context.DeadlineExceeded) && !refused
	switch {
	case errors.As(err, &api) && api.Code == http.StatusServiceUnavailable, silent, ctx.Err() != nil: // a cluster without a leader
		return nil, nil, err
	case err != nil:
		return nil, err, nil
	}
	return kv, nil, nil
}
