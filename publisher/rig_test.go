package publisher_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The next stage asks for no more than this package gives.
var _ diff.Publisher = (*publisher.Publisher)(nil)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const stream = "CLINIKO"

// shortest is the shortest duplicate window that the server allows.
const shortest = 100 * time.Millisecond

// A rig is a Publisher and what stands around it.
type rig struct {
	p  *publisher.Publisher
	nc *nats.Conn          // the Publisher's
	js jetstream.JetStream // of a connection of its own, straight to the server
}

// setup makes the stream on the server at direct, and a Publisher that reaches it by way of url.
func setup(tb testing.TB, direct, url, template string, ackTimeout time.Duration) rig {
	tb.Helper()
	return setupReplicas(tb, direct, url, template, ackTimeout, 1)
}

func setupReplicas(tb testing.TB, direct, url, template string, ackTimeout time.Duration, replicas int) rig {
	tb.Helper()
	tmpl := parse(tb, template)
	js := publishertest.JetStream(tb, publishertest.Connect(tb, direct))
	report, err := publisher.Ensure(tb.Context(), js, publisher.StreamConfig{
		Name: stream, Template: tmpl, Duplicates: shortest, Replicas: replicas,
	})
	if err != nil || len(report.Faults)+len(report.Warnings) > 0 {
		tb.Fatalf("Ensure: %+v, %v", report, err)
	}
	nc := publishertest.Connect(tb, url)
	p, err := publisher.New(tb.Context(), nc, publisher.Config{Stream: stream, Template: tmpl, AckTimeout: ackTimeout}, zap.NewNop())
	if err != nil {
		tb.Fatal(err)
	}
	return rig{p, nc, js}
}

// standard is a rig on a server in this process.
func standard(tb testing.TB) rig {
	tb.Helper()
	url := publishertest.Start(tb, publishertest.Options{}).URL()
	return setup(tb, url, url, publisher.DefaultTemplate, 0)
}

func parse(tb testing.TB, template string) publisher.Template {
	tb.Helper()
	tmpl, err := publisher.ParseTemplate(template)
	if err != nil {
		tb.Fatal(err)
	}
	return tmpl
}

// events makes the first news of n patients of account, whose ids begin at from.
func events(account string, from, n int) []schemas.Event {
	list := make([]schemas.Event, n)
	for i := range list {
		id := strconv.Itoa(from + i)
		list[i] = schemas.Event{
			ID: account + "-patients-" + id + "-1", Account: account, Resource: "patients", RecordID: schemas.ID(id),
			Verb: schemas.Updated, Time: time.Date(2027, 3, 27, 10, 3, 57, 0, time.UTC), Sequence: 1,
			Record:     []byte(`{"id": ` + id + `, "first_name": "Zebulon"}`),
			ObservedAt: time.Date(2027, 3, 27, 10, 4, 2, 114e6, time.UTC),
		}
	}
	return list
}

func publish(tb testing.TB, p *publisher.Publisher, list []schemas.Event, last uint64) uint64 {
	tb.Helper()
	got, err := p.Publish(tb.Context(), list, last)
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

// readBack returns the record ids of what ReadBack gives, and the extent.
func readBack(tb testing.TB, p *publisher.Publisher, after uint64) ([]string, schemas.Extent) {
	tb.Helper()
	var ids []string
	extent, err := p.ReadBack(tb.Context(), "north", "patients", after, func(_ uint64, e schemas.Event) error {
		ids = append(ids, string(e.RecordID))
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return ids, extent
}

// A writer publishes as the diff stage does: after any error it reads back, and publishes what is not there. Each
// attempt gives its events new ids, so that no duplicate window can help.
type writer struct {
	rig
	account string
	last    uint64
	try     int
	errs    []error
}

func (w *writer) write(tb testing.TB, list []schemas.Event) {
	tb.Helper()
	for range 1000 {
		w.try++
		for i := range list {
			list[i].ID = fmt.Sprintf("%s-%s-try-%d", w.account, list[i].RecordID, w.try)
		}
		last, err := w.p.Publish(tb.Context(), list, w.last)
		if err == nil {
			w.last = last
			return
		}
		w.errs = append(w.errs, err)
		list = w.missing(tb, list)
	}
	tb.Fatalf("no end of errors, the last is: %v", w.errs[len(w.errs)-1])
}

// missing reads back and returns what of list is not in the stream.
func (w *writer) missing(tb testing.TB, list []schemas.Event) []schemas.Event {
	tb.Helper()
	for range 1000 {
		connected(tb, w.nc)
		stored := map[schemas.ID]bool{}
		extent, err := w.p.ReadBack(tb.Context(), w.account, "patients", w.last, func(_ uint64, e schemas.Event) error {
			stored[e.RecordID] = true
			return nil
		})
		if err != nil {
			w.errs = append(w.errs, err)
			<-time.After(10 * time.Millisecond) // servers that look for a leader refuse at once
			continue
		}
		w.last = extent.Last
		var rest []schemas.Event
		for _, e := range list {
			if !stored[e.RecordID] {
				rest = append(rest, e)
			}
		}
		return rest
	}
	tb.Fatalf("no end of errors, the last is: %v", w.errs[len(w.errs)-1])
	return nil
}

// connected waits until nc is.
func connected(tb testing.TB, nc *nats.Conn) {
	tb.Helper()
	change := nc.StatusChanged(nats.CONNECTED)
	defer nc.RemoveStatusListener(change)
	if nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	select {
	case <-change:
	case <-ctx.Done():
		tb.Fatal("the connection does not come back")
	}
}

// onceEach fails the test unless each of the records 1..n has exactly one message.
func onceEach(tb testing.TB, js jetstream.JetStream, n int) {
	tb.Helper()
	times := map[schemas.ID]int{}
	for _, m := range publishertest.Collect(tb, js, stream, "") {
		e, err := schemas.ParseEvent(m.Body)
		if err != nil {
			tb.Fatal(err)
		}
		times[e.RecordID]++
	}
	for id := 1; id <= n; id++ {
		if got := times[schemas.ID(strconv.Itoa(id))]; got != 1 {
			tb.Errorf("record %d is in the stream %d times, want once", id, got)
		}
	}
	if len(times) != n {
		tb.Errorf("the stream has %d records, want %d", len(times), n)
	}
}

func wantAhead(tb testing.TB, err error) {
	tb.Helper()
	if !errors.Is(err, schemas.ErrStreamAhead) {
		tb.Errorf("error is %v, want one that wraps ErrStreamAhead", err)
	}
}
