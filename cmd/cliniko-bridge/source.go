package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/embedded"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A source is the stream of a bridge, to read from.
type source struct {
	*publisher.Reader
	nc     *nats.Conn
	config publisher.Config
}

// sourceFlags adds to cmd the flags that say which stream is read, and returns what opens it for the command with that name, on a connection
// that the caller closes. Without --config it is the stream that the environment leads to: to listen, no account is needed.
func sourceFlags(e *env, cmd *cobra.Command) func(ctx context.Context, pick publisher.Selection) (*source, error) {
	load := configFlag(e, cmd)
	return func(ctx context.Context, pick publisher.Selection) (*source, error) {
		if !cmd.Flags().Changed("config") {
			load = func() (*config.Config, error) { return config.Places(e.getenv) }
		}
		cfg, err := load()
		if err != nil {
			return nil, err
		}
		template, err := publisher.ParseTemplate(cfg.NATS.Subject)
		if err != nil {
			return nil, fmt.Errorf("nats.subject: %w", err)
		}
		log := e.logger()
		c := bridge.ConnectConfig(cfg)
		c.Name = "cliniko-bridge " + cmd.Name()
		if c.URL == "" {
			if _, err := embedded.FindURL(bridge.NATSDir(cfg)); err != nil {
				return nil, fmt.Errorf("no bridge with an embedded NATS server runs on %s: start `cliniko-bridge run`, or set NATS_URL or nats.url", cfg.DataDir)
			}
			c.InProcess = runningServer(bridge.NATSDir(cfg))
		}
		nc, err := publisher.Connect(ctx, c, log)
		if err != nil {
			return nil, err
		}
		s := &source{nc: nc, config: publisher.Config{Stream: cfg.NATS.Stream, Template: template}}
		if s.Reader, err = publisher.NewReader(ctx, nc, s.config, log); err == nil {
			err = s.check(pick)
		}
		if err != nil {
			nc.Close()
		}
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, fmt.Errorf("there is no stream %s yet: start `cliniko-bridge run` first", cfg.NATS.Stream)
		}
		return s, err
	}
}

// check says what is wrong if what is asked for cannot be in the stream.
func (s *source) check(pick publisher.Selection) error {
	asked := pick.Subjects
	if len(asked) == 0 {
		asked = []string{s.config.Template.All()}
	}
	for _, subject := range asked {
		if found, subjects := s.Holds(subject); !found {
			return usageError{fmt.Errorf("the stream %s holds %s, and nothing on %s; --config names the configuration of the bridge",
				s.config.Stream, strings.Join(subjects, ", "), subject)}
		}
	}
	return nil
}

// A runningServer is the embedded NATS server of another process, by its folder. Each time that it is dialled it is looked up:
// when its bridge is started anew, it may have another port.
type runningServer string

// InProcessConn is nats.InProcessConnProvider's.
func (dir runningServer) InProcessConn() (net.Conn, error) {
	text, err := embedded.FindURL(string(dir))
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	return net.DialTimeout("tcp", u.Host, dialTimeout) //nolint:noctx // the interface has no context
}

// dialTimeout is for somebody on this machine.
const dialTimeout = 3 * time.Second

// selectFlags adds to cmd the filters of events, and returns what reads them. subjects are the command's arguments.
func selectFlags(cmd *cobra.Command) func(subjects []string) (publisher.Selection, error) {
	flags := cmd.Flags()
	resources := flags.StringSlice("resource", nil, "only events of this `RESOURCE`, such as patients; several with commas; default: all")
	verbs := flags.StringSlice("verb", nil, "only events with this `VERB`: "+listVerbs()+"; several with commas; default: all")
	accounts := flags.StringSlice("account", nil, "only events of the account with this `NAME`; several with commas; default: all")
	records := flags.StringSlice("record", nil, "only events of this `RECORD`, such as patients/343589; several with commas; default: all")
	return func(subjects []string) (publisher.Selection, error) {
		s := publisher.Selection{Subjects: subjects, Accounts: *accounts}
		for _, subject := range subjects {
			if err := publisher.CheckFilter(subject); err != nil {
				return s, usageError{fmt.Errorf("%q is no subject: %w", subject, err)}
			}
		}
		if len(*records) > 0 && len(*resources) > 0 {
			return s, usageError{errors.New("--record names its resource: leave --resource out")}
		}
		var err error
		if s.Resources, err = parseResources(*resources); err != nil {
			return s, err
		}
		for _, text := range *verbs {
			verb, err := parseVerb(text)
			if err != nil {
				return s, err
			}
			s.Verbs = append(s.Verbs, verb)
		}
		for _, text := range *records {
			record, err := parseRecord(text)
			if err != nil {
				return s, err
			}
			s.Records = append(s.Records, record)
		}
		return s, nil
	}
}

func verbNames() []string {
	var names []string
	for _, v := range schemas.Verbs() {
		names = append(names, string(v))
	}
	return names
}

func listVerbs() string { return strings.Join(verbNames(), ", ") }

func parseVerb(text string) (schemas.Verb, error) {
	for _, v := range schemas.Verbs() {
		if text == string(v) {
			return v, nil
		}
	}
	return "", usageError{fmt.Errorf("%q is no verb; did you mean %s? They are %s", text, nearest(text, verbNames()), listVerbs())}
}

// parseRecord reads "patients/343589". What is behind the first slash is the id, whatever it is.
func parseRecord(text string) (publisher.RecordName, error) {
	resource, id, _ := strings.Cut(text, "/")
	if id == "" {
		return publisher.RecordName{}, usageError{fmt.Errorf("%q is no record; write RESOURCE/ID, such as patients/343589", text)}
	}
	list, err := parseResources([]string{resource})
	if err != nil {
		return publisher.RecordName{}, err
	}
	return publisher.RecordName{Resource: list[0], ID: schemas.ID(id)}, nil
}

// parseMoment reads a time in the past: RFC 3339, or how long before now it is, "24h". flag is its name, for the error.
func parseMoment(flag, text string, now time.Time) (time.Time, error) {
	fault := func(why string) error {
		return usageError{fmt.Errorf("--%s %q %s; write how long ago, such as 24h or 90m, or a time, such as 2027-03-27T10:03:57Z", flag, text, why)}
	}
	if d, err := time.ParseDuration(text); err == nil {
		if d < 0 {
			return time.Time{}, fault("lies in the future")
		}
		return now.Add(-d), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return time.Time{}, fault("is neither")
	case at.After(now):
		return time.Time{}, fault("lies in the future")
	}
	return at, nil
}
