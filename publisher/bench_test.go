package publisher_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// BenchmarkPublish has eight accounts at once store pages of 100 events of 1 KiB, and the same messages without a
// fence, by nats.go alone: each page waited for, and all in one stream of messages. The three take turns within a
// run, so that the ratios hold on a busy machine.
func BenchmarkPublish(b *testing.B) {
	for _, way := range []string{"pipe", "tcp"} {
		b.Run(way, func(b *testing.B) {
			s := publishertest.Start(b, publishertest.Options{})
			r := setup(b, s.URL(), s.URL(), "cliniko.{account}.{resource}.{verb}", 0)
			if way == "pipe" {
				nc, err := nats.Connect("", nats.InProcessServer(s.NS))
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(nc.Close)
				r.nc = nc
				if r.p, err = publisher.New(b.Context(), nc, publisher.Config{Stream: stream, Template: parse(b, "cliniko.{account}.{resource}.{verb}")}, zap.NewNop()); err != nil {
					b.Fatal(err)
				}
			}
			comparePublish(b, r)
		})
	}
}

func comparePublish(b *testing.B, r rig) {
	b.Helper()
	const accounts, pages, size = 8, 5, 100
	js, err := jetstream.New(r.nc, jetstream.WithPublishAsyncMaxPending(4096))
	if err != nil {
		b.Fatal(err)
	}
	last := make([]uint64, accounts)
	next := 0
	// round lets every account handle its pages by f at once and returns how long that took.
	round := func(kind string, f func(account int, page []schemas.Event) error) time.Duration {
		work := make([][][]schemas.Event, accounts)
		for a := range work {
			for range pages {
				work[a] = append(work[a], kilobytes(fmt.Sprint(kind, a), next, size))
				next += size
			}
		}
		start := time.Now()
		var wg sync.WaitGroup
		for a := range work {
			wg.Go(func() {
				for _, page := range work[a] {
					if err := f(a, page); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if kind == "stream" {
			<-js.PublishAsyncComplete()
		}
		return time.Since(start)
	}
	raw := func(page []schemas.Event) ([]jetstream.PubAckFuture, error) {
		var futures []jetstream.PubAckFuture
		for i := range page {
			e := &page[i]
			f, err := js.PublishMsgAsync(&nats.Msg{
				Subject: "cliniko." + e.Account + ".patients.updated", Data: e.AppendJSON(make([]byte, 0, 2<<10)),
				Header: nats.Header{"Nats-Msg-Id": {e.ID}},
			}, jetstream.WithStallWait(10*time.Second))
			if err != nil {
				return nil, err
			}
			futures = append(futures, f)
		}
		return futures, nil
	}
	var fenced, paged, streamed time.Duration
	for b.Loop() {
		fenced += round("fenced", func(a int, page []schemas.Event) error {
			got, err := r.p.Publish(b.Context(), page, last[a])
			last[a] = got
			return err
		})
		paged += round("paged", func(_ int, page []schemas.Event) error {
			futures, err := raw(page)
			for _, f := range futures {
				select {
				case <-f.Ok():
				case err := <-f.Err():
					return err
				}
			}
			return err
		})
		streamed += round("stream", func(_ int, page []schemas.Event) error {
			_, err := raw(page)
			return err
		})
	}
	messages := float64(b.N * accounts * pages * size)
	b.ReportMetric(messages/fenced.Seconds(), "events/s")
	b.ReportMetric(paged.Seconds()/fenced.Seconds(), "of-paged")
	b.ReportMetric(streamed.Seconds()/fenced.Seconds(), "of-streamed")
	b.ReportMetric(0, "ns/op")
}

// kilobytes are events with bodies of 1 KiB.
func kilobytes(account string, from, n int) []schemas.Event {
	list := events(account, from, n)
	pad := strings.Repeat("x", 1<<10-len(list[0].AppendJSON(nil))-len(`, "notes": ""`))
	for i := range list {
		list[i].Record = []byte(`{"id": ` + strconv.Itoa(from+i) + `, "first_name": "Zebulon", "notes": "` + pad + `"}`)
	}
	return list
}

// BenchmarkFence is what a page of one event costs behind 100,000 stored ones: with two subjects in all, and with a
// subject for each record, which the wildcard of the expectation has to go through.
func BenchmarkFence(b *testing.B) {
	const stored = 100_000
	for _, template := range []string{"cliniko.{resource}.{verb}", "cliniko.{resource}.{verb}.{id}"} {
		b.Run(template, func(b *testing.B) {
			url := publishertest.Start(b, publishertest.Options{}).URL()
			r := setup(b, url, url, template, 0)
			last := uint64(0)
			for from := 0; from < stored; from += 1000 {
				last = publish(b, r.p, events("north", from, 1000), last)
			}
			next := stored
			for b.Loop() {
				last = publish(b, r.p, events("north", next, 1), last)
				next++
			}
		})
	}
}

// BenchmarkReadBack reads tails of different length from a stream of 200,000.
func BenchmarkReadBack(b *testing.B) {
	const stored = 200_000
	url := publishertest.Start(b, publishertest.Options{}).URL()
	r := setup(b, url, url, publisher.DefaultTemplate, 0)
	last := uint64(0)
	for from := 0; from < stored; from += 1000 {
		last = publish(b, r.p, kilobytes("north", from, 1000), last)
	}
	for _, tail := range []uint64{0, 1, 100, 10_000, stored} {
		b.Run(fmt.Sprint(tail), func(b *testing.B) {
			for b.Loop() {
				n := uint64(0)
				_, err := r.p.ReadBack(b.Context(), "north", "patients", last-tail, func(uint64, schemas.Event) error {
					n++
					return nil
				})
				if err != nil || n != tail {
					b.Fatalf("%d events, %v", n, err)
				}
			}
		})
	}
}
