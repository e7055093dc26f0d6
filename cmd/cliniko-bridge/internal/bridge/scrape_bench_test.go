package bridge

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const (
	scrapeAccounts  = 1000
	scrapeResources = 40
)

// BenchmarkScrape is one GET of /metrics on a bridge that follows 1,000 accounts of 40 resources: once all baselines are
// complete, and while all are read and every account waits for its budget, which is the most there is. Series that count
// events are not among them: they go by resource and not by account.
//
//	go test ./cmd/cliniko-bridge/internal/bridge -run '^$' -bench Scrape
func BenchmarkScrape(b *testing.B) {
	for name, first := range map[string]bool{"followed": false, "first-look": true} {
		b.Run(name, func(b *testing.B) {
			var text strings.Builder
			text.WriteString("nats: {subject: \"cliniko.{account}.{resource}.{verb}\"}\naccounts:\n")
			for i := range scrapeAccounts {
				fmt.Fprintf(&text, "  - {name: clinic-%d, api_key: nobodys-%d-au1, user_agent: \"Test (ops@clinic.example)\"}\n", i, i)
			}
			bridge := idleBridge(b, text.String())
			ctx, stop := context.WithCancel(b.Context())
			var running sync.WaitGroup
			for _, a := range bridge.accounts {
				p := quietPoller(b, a, first)
				running.Go(func() { p.Run(ctx) })
			}
			for quiet := false; !quiet; { // the first poll of everything is over
				quiet = true
				for _, a := range bridge.accounts {
					_, p := a.running()
					for _, s := range p.Status() {
						quiet = quiet && !s.LastPoll.IsZero()
					}
				}
			}
			var body []byte
			for b.Loop() {
				body = scrape(b, bridge)
			}
			b.ReportMetric(float64(len(body)), "bytes")
			b.ReportMetric(float64(bytes.Count(body, []byte("\ncliniko_bridge_"))), "series")
			b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms")
			b.ReportMetric(0, "ns/op")
			stop()
			running.Wait()
		})
	}
}

// quietPoller gives a a poller of lists that are empty. If first is set their baselines never end.
func quietPoller(b *testing.B, a *account, first bool) *poller.Poller {
	b.Helper()
	client, err := cliniko.New(ClientConfig(a.cfg), a.b.shared, nil)
	if err != nil {
		b.Fatal(err)
	}
	var specs []schemas.Spec
	schedules := make(map[schemas.Resource]string)
	for _, spec := range schemas.Catalogue(schemas.Edition2025) {
		if spec.Shape == schemas.Collection && len(specs) < scrapeResources {
			specs = append(specs, spec)
		}
	}
	for i := 0; len(specs) < scrapeResources; i++ { // the catalogue has fewer
		spec := specs[i]
		spec.Resource += "_again"
		specs = append(specs, spec)
	}
	for i := range specs {
		specs[i].Feeds = specs[i].Feeds[:1]
		schedules[specs[i].Resource] = "@every 1h"
	}
	p, err := poller.New(poller.Config{
		Account: a.cfg.Name, Source: &quietSource{client, first}, Sink: quietSink{first}, Specs: specs, Schedules: schedules,
		Log: zap.NewNop(), Metrics: a.b.metrics.poller,
	})
	if err != nil {
		b.Fatal(err)
	}
	a.set(client, p, nil)
	return p
}

// A quietSource has nothing, and makes nobody wait but the baselines, if first is set, for ever.
type quietSource struct {
	client *cliniko.Client
	first  bool
}

func (s *quietSource) Budget() *cliniko.Budget { return s.client.Budget() }

func (s *quietSource) List(context.Context, cliniko.Query) (cliniko.Page, error) {
	return cliniko.Page{Date: time.Now()}, nil
}

func (s *quietSource) Get(context.Context, cliniko.Query) ([]byte, time.Time, error) {
	return []byte(`{}`), time.Now(), nil
}

func (s *quietSource) Reserve(ctx context.Context, lane cliniko.Lane) error {
	if lane != cliniko.LaneBaseline || !s.first {
		return nil
	}
	s.client.Budget().Pause(time.Now().Add(time.Hour))
	return s.client.Budget().Wait(ctx, lane)
}

// A quietSink has opened everything, and read all of it unless first is set.
type quietSink struct{ first bool }

func (s quietSink) Standing(context.Context, schemas.Resource) (schemas.Standing, error) {
	now := time.Now()
	return schemas.Standing{Opened: true, Began: now, Tracked: 1000, Marks: map[string]schemas.Mark{
		schemas.Live: {Cursor: now, Horizon: now}, schemas.Baseline: {Done: !s.first},
	}}, nil
}

func (quietSink) Accept(context.Context, schemas.Page) (schemas.Outcome, error) {
	return schemas.Outcome{Tracked: 1000}, nil
}

func (quietSink) Renew(context.Context, schemas.Resource) error { return nil }
