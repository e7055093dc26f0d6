package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/embedded"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func newTail(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tail [SUBJECT...]",
		Short: "Follow events as they come",
		Long: `tail prints each event as it is published: what happened to which record, and which fields changed; never a
value. On a terminal it is made for the eye; in a pipe each line begins with the subject. Subjects may have
the wildcards * and >. Without any, all events are shown.`,
		Example: `  cliniko-bridge tail
  cliniko-bridge tail 'cliniko.appointments.*' cliniko.patients.created`,
	}
	load := configFlag(e, cmd)
	cmd.RunE = func(cmd *cobra.Command, subjects []string) error {
		if !cmd.Flags().Changed("config") {
			load = func() (*config.Config, error) { return config.Places(e.getenv) } // to listen, no account is needed
		}
		cfg, err := load()
		if err != nil {
			return err
		}
		nc, err := subscribe(cmd.Context(), cfg, e.logger())
		if err != nil {
			return err
		}
		defer nc.Close()
		template, err := publisher.ParseTemplate(cfg.NATS.Subject)
		if err != nil {
			return fmt.Errorf("nats.subject: %w", err)
		}
		if len(subjects) == 0 {
			subjects = []string{template.All()}
		}
		return e.follow(cmd.Context(), nc, cfg.NATS.Stream, subjects)
	}
	return cmd
}

// subscribe connects to the NATS server of the configuration, or to the embedded one of a bridge that runs.
func subscribe(ctx context.Context, cfg *config.Config, log *zap.Logger) (*nats.Conn, error) {
	c := bridge.ConnectConfig(cfg)
	c.Name = "cliniko-bridge tail"
	if c.URL == "" {
		url, err := embedded.FindURL(bridge.NATSDir(cfg))
		if err != nil {
			return nil, fmt.Errorf("no bridge with an embedded NATS server runs on %s: start `cliniko-bridge run`, or set NATS_URL or nats.url", cfg.DataDir)
		}
		c.URL = url
	}
	return publisher.Connect(ctx, c, log)
}

// follow prints the events of stream that come from now on, until ctx ends.
func (e *env) follow(ctx context.Context, nc *nats.Conn, stream string, subjects []string) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: subjects, DeliverPolicy: jetstream.DeliverNewPolicy,
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("there is no stream %s yet: start `cliniko-bridge run` first", stream)
	}
	if err != nil {
		return fmt.Errorf("follow %s: %w", stream, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("follow %s: %w", stream, err)
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	style := e.style()
	for {
		msg, err := messages.Next()
		if ctx.Err() != nil || errors.Is(err, jetstream.ErrMsgIteratorClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("follow %s: %w", stream, err)
		}
		event, err := schemas.ParseEvent(msg.Data())
		if err != nil {
			say(e.stderr, "%s: %s\n", msg.Subject(), err)
			continue
		}
		if err := render.Event(e.stdout, style, msg.Subject(), &event); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
}
