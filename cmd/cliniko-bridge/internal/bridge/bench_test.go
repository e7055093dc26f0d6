package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const (
	benchAccounts = 8
	benchPage     = 100
	benchPages    = 10 // of each account in one turn
)

// BenchmarkPageToCommit is the whole way of a page whose every record changed: looked up in Redis, decided, published
// to JetStream, committed; eight accounts at once, both servers real and in processes of their own. Beside it, in turns,
// the same events are published by the raw asynchronous client and nothing else is done. The figure to hold is ratio:
// at least 0.3 of the raw client's speed.
//
//	go test ./cmd/cliniko-bridge/internal/bridge -run '^$' -bench PageToCommit -benchtime 20x
func BenchmarkPageToCommit(b *testing.B) {
	ctx := b.Context()
	redis := difftest.StartRedis(b, "--hash-max-listpack-value", "128")
	store, err := redisstore.Open(ctx, redisstore.Config{URL: redis.URL})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	server := publishertest.StartProcess(b)
	nc := publishertest.Connect(b, server.URL())
	js := publishertest.JetStream(b, nc)
	template, _ := publisher.ParseTemplate("cliniko.{account}.{resource}.{verb}")
	if _, err := publisher.Ensure(ctx, js, publisher.StreamConfig{Name: "CLINIKO", Template: template}); err != nil {
		b.Fatal(err)
	}
	out, err := publisher.New(ctx, nc, publisher.Config{Stream: "CLINIKO", Template: template}, zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "RAW", Subjects: []string{"raw.>"}, MaxAge: 720 * time.Hour, AllowDirect: true}); err != nil {
		b.Fatal(err)
	}
	raw, err := jetstream.New(publishertest.Connect(b, server.URL()), jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		b.Fatal(err)
	}

	accounts := make([]*benchAccount, benchAccounts)
	for i := range accounts {
		accounts[i] = newBenchAccount(b, store, out, fmt.Sprintf("clinic-%d", i))
	}
	var ours, theirs time.Duration
	for turn := 1; b.Loop(); turn++ {
		for _, a := range accounts {
			a.prepare(turn)
		}
		ours += together(accounts, func(a *benchAccount) { a.accept(ctx, b, turn) })
		theirs += together(accounts, func(a *benchAccount) { a.publish(ctx, b, raw) })
	}
	events := float64(b.N * benchAccounts * benchPage * benchPages)
	b.ReportMetric(events/ours.Seconds(), "events/s")
	b.ReportMetric(events/theirs.Seconds(), "raw-events/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

func together(accounts []*benchAccount, f func(*benchAccount)) time.Duration {
	began := time.Now()
	var all sync.WaitGroup
	for _, a := range accounts {
		all.Go(func() { f(a) })
	}
	all.Wait()
	return time.Since(began)
}

type benchAccount struct {
	name   string
	differ *diff.Differ
	pages  [][]schemas.Record // of the turn at hand
	events [][]message        // the same, as they are told
}

type message struct {
	id   string
	body []byte
}

var benchBegan = time.Date(2027, 3, 27, 10, 0, 0, 0, time.UTC)

func newBenchAccount(b *testing.B, store diff.Store, out diff.Publisher, name string) *benchAccount {
	b.Helper()
	lease, err := store.Acquire(b.Context(), name, "bench", time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	key, _ := diff.NewKey(strings.Repeat("k", 32))
	a := &benchAccount{name: name, differ: diff.New(diff.Config{
		Account: name, Lease: lease, Store: store, Publisher: out, Key: key,
		Spec: func(name schemas.Resource) schemas.Spec {
			spec, _ := schemas.Lookup(schemas.Edition2025, name)
			return spec
		},
		Log: zap.NewNop(), Metrics: diff.NewMetrics(prometheus.NewRegistry()),
	})}
	opening := schemas.Page{
		Resource: "patients", Opening: true, Began: benchBegan, Feed: schemas.Live,
		Mark: schemas.Mark{Cursor: benchBegan, Horizon: benchBegan}, Total: benchPage * benchPages,
	}
	for p := range benchPages {
		opening.Records = append(opening.Records, a.records(p, 0)...)
	}
	if _, err := a.differ.Standing(b.Context(), "patients"); err != nil {
		b.Fatal(err)
	}
	if _, err := a.differ.Accept(b.Context(), opening); err != nil {
		b.Fatal(err)
	}
	return a
}

// records are the rows of one page in their version of one turn: 30 fields, about 1 KiB.
func (a *benchAccount) records(page, turn int) []schemas.Record {
	stamp := benchBegan.Add(time.Duration(turn) * time.Second)
	out := make([]schemas.Record, benchPage)
	for i := range out {
		id := fmt.Sprint(1<<60 + page*benchPage + i)
		var raw strings.Builder
		fmt.Fprintf(&raw, `{"id":%q,"created_at":"2017-03-20T05:12:09Z","updated_at":%q`, id, schemas.FormatStamp(stamp))
		for f := range 23 {
			fmt.Fprintf(&raw, `,"field_%d":"Quay Road %d"`, f, f*i)
		}
		for f := range 3 {
			fmt.Fprintf(&raw, `,"link_%d":{"links":{"self":"https://api.au1.cliniko.com/v1/patients/%s"}}`, f, id)
		}
		fmt.Fprintf(&raw, `,"notes":"turn %d"}`, turn)
		out[i] = schemas.Record{ID: schemas.ID(id), CreatedAt: benchBegan.Add(-time.Hour), UpdatedAt: stamp, Stamp: stamp, Raw: []byte(raw.String())}
	}
	return out
}

func (a *benchAccount) accept(ctx context.Context, b *testing.B, turn int) {
	b.Helper()
	for p := range benchPages {
		out, err := a.differ.Accept(ctx, schemas.Page{
			Resource: "patients", Records: a.pages[p], Feed: schemas.Live,
			Mark: schemas.Mark{Cursor: benchBegan.Add(time.Duration(turn) * time.Second)}, ReadAt: benchBegan,
		})
		if err != nil || out.Events[schemas.Updated] != benchPage {
			b.Errorf("%d events, %v", out.Events[schemas.Updated], err)
			return
		}
	}
}

// prepare makes what one turn needs, so that no time is taken for it.
func (a *benchAccount) prepare(turn int) {
	a.pages, a.events = nil, nil
	for p := range benchPages {
		records := a.records(p, turn)
		events := make([]message, len(records))
		for i, rec := range records {
			e := schemas.Event{
				ID: fmt.Sprintf("%s/patients/%s/%d/0123456789abcdef", a.name, rec.ID, turn), Account: a.name, Resource: "patients",
				RecordID: rec.ID, Verb: schemas.Updated, Time: rec.UpdatedAt, Sequence: uint64(turn), Record: json.RawMessage(rec.Raw),
				Changed: []string{"notes"}, ObservedAt: benchBegan,
			}
			events[i] = message{e.ID, e.AppendJSON(nil)}
		}
		a.pages, a.events = append(a.pages, records), append(a.events, events)
	}
}

// publish publishes what accept told, by the raw client: each page at once, and waits for its acknowledgements.
func (a *benchAccount) publish(ctx context.Context, b *testing.B, js jetstream.JetStream) {
	b.Helper()
	for _, page := range a.events {
		acks := make([]jetstream.PubAckFuture, 0, benchPage)
		for _, m := range page {
			ack, err := js.PublishAsync("raw."+a.name, m.body, jetstream.WithMsgID(m.id))
			if err != nil {
				b.Error(err)
				return
			}
			acks = append(acks, ack)
		}
		for _, ack := range acks {
			select {
			case <-ack.Ok():
			case err := <-ack.Err():
				b.Error(err)
				return
			case <-ctx.Done():
				return
			}
		}
	}
}
