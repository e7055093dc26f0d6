package check

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
)

// natsTimeout bounds the connection, and each question after it.
const natsTimeout = 5 * time.Second

// bus tries NATS: the server of the configuration, or the embedded one of a bridge that runs.
func bus(ctx context.Context, cfg *config.Config) Report {
	var out Report
	template, err := publisher.ParseTemplate(cfg.NATS.Subject)
	if err != nil {
		out.bad("NATS", "nats.subject: %s", err)
		return out
	}
	to := bridge.ConnectConfig(cfg)
	to.Name = "cliniko-bridge check"
	if to.URL == "" {
		if to.URL = out.embedded(ctx, cfg); to.URL == "" {
			return out
		}
	}
	nc, err := connect(ctx, to)
	if err != nil {
		out.bad("NATS", "%s", err)
		return out
	}
	defer nc.Close()
	out.ok("NATS", "connected to %s, version %s; a message may have %s", nc.ConnectedAddr(), nc.ConnectedServerVersion(),
		size(nc.MaxPayload()))
	if err := publisher.Fit(nc); err != nil {
		out.bad("NATS version", "%s", err)
		return out
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(natsTimeout))
	if err != nil {
		out.bad("JetStream", "%s", err)
		return out
	}
	publish := out.permissions(ctx, nc, cfg.NATS.Stream, template)
	if info, usable := out.jetStream(ctx, js); usable {
		want := bridge.StreamConfig(cfg, template)
		out.stream(ctx, js, want, hindrance(publish, info, want.Name))
	}
	return out
}

// connect connects once, without waiting for a server that is not there yet.
func connect(ctx context.Context, to publisher.ConnectConfig) (*nats.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	return publisher.Connect(ctx, to, zap.NewNop())
}

// jetStream looks at the limits of the NATS account. It says whether it makes sense to look at the stream; info is nil if
// the user may not ask.
func (r *Report) jetStream(ctx context.Context, js jetstream.JetStream) (info *jetstream.AccountInfo, usable bool) {
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	info, err := js.AccountInfo(ctx)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		r.bad("JetStream", "the server runs without JetStream; start it with jetstream enabled")
		return nil, false
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		r.bad("JetStream", "the NATS account may not use JetStream; enable it for the account")
		return nil, false
	case err != nil: // the user may not ask, which a bridge does not need either
		r.warn("JetStream", "the account's limits are not known: %s", err)
		return nil, true
	}
	used, limit := info.Store, info.Limits.MaxStore
	for _, tier := range info.Tiers { // one for each number of replicas, in place of the account's own limits
		used, limit = used+tier.Store, max(limit, tier.Limits.MaxStore)
	}
	switch detail := fmt.Sprintf("%s of %s of storage are in use", size(int64(min(used, math.MaxInt64))), limitText(limit)); { //nolint:gosec // bounded
	case limit > 0 && float64(used) > 0.9*float64(limit):
		r.warn("JetStream", "%s; raise the account's limit, or events will be refused or dropped", detail)
	default:
		r.ok("JetStream", "%s", detail)
	}
	return info, true
}

// hindrance is why a stream that is not there could not be made, "" if nothing is known to be in the way.
func hindrance(publish *server.SubjectPermission, info *jetstream.AccountInfo, stream string) string {
	create := "$JS.API.STREAM.CREATE." + stream
	switch {
	case !allows(publish, create):
		return "the user may not make it; allow publishing on " + create + ", or make the stream"
	case info == nil:
		return ""
	case info.Limits.MaxStreams > 0 && info.Streams >= info.Limits.MaxStreams:
		return fmt.Sprintf("the NATS account has the %d that it may have; raise its limit", info.Limits.MaxStreams)
	case info.Limits.MaxBytesRequired:
		return "the NATS account wants max_bytes of each; make the stream, with as many as a month of events takes"
	default:
		return ""
	}
}

func limitText(bytes int64) string {
	if bytes <= 0 {
		return "no limit"
	}
	return size(bytes)
}

// stream looks at the stream that is there, and makes none. hindrance is why `run` could not make it either.
func (r *Report) stream(ctx context.Context, js jetstream.JetStream, want publisher.StreamConfig, hindrance string) {
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	what := "stream " + want.Name
	report, err := publisher.Inspect(ctx, js, want)
	if err != nil {
		r.bad(what, "%s", err)
		return
	}
	for _, fault := range report.Faults {
		r.bad(what, "%s", fault)
	}
	for _, warning := range report.Warnings {
		r.warn(what, "%s", warning)
	}
	switch {
	case report.Missing && hindrance != "":
		r.bad(what, "it is not there, and %s", hindrance)
	case len(report.Faults)+len(report.Warnings) > 0:
	case report.Missing:
		r.ok(what, "it is not there yet; `run` makes it, for %s", want.Template.All())
	default:
		r.ok(what, "it takes %s", want.Template.All())
	}
}
