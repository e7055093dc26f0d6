package publisher_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A page is stored in its order, each event on its subject with its headers, and the sequence of the last comes back.
func TestPublish(t *testing.T) {
	r := standard(t)
	page := events("north", 1, 100)
	page[0].Began = time.Date(2027, 3, 1, 8, 0, 0, 0, time.UTC)
	page[1].Print = []byte{0xff, 0, 1}
	if got := publish(t, r.p, page, 0); got != 100 {
		t.Errorf("Publish = %d, want 100", got)
	}
	if got := publish(t, r.p, events("north", 101, 1), 100); got != 101 {
		t.Errorf("the second page: Publish = %d, want 101", got)
	}
	if got := publish(t, r.p, nil, 101); got != 101 {
		t.Errorf("an empty page: Publish = %d, want 101", got)
	}

	got := publishertest.Collect(t, r.js, stream, "")
	if len(got) != 101 {
		t.Fatalf("the stream has %d messages, want 101", len(got))
	}
	for i, m := range got[:100] {
		if m.Subject != "cliniko.patients.updated" || m.ID != page[i].ID || string(m.Body) != string(page[i].AppendJSON(nil)) {
			t.Fatalf("message %d is %+v", i+1, m)
		}
		if got := m.Header.Get("Content-Type"); got != "application/cloudevents+json" {
			t.Fatalf("message %d has the content type %q", i+1, got)
		}
	}
	if got := got[0].Header.Get("Cliniko-Began"); got != "2027-03-01T08:00:00Z" {
		t.Errorf("Cliniko-Began is %q", got)
	}
	if got := got[1].Header.Get("Cliniko-Print"); got != base64.StdEncoding.EncodeToString([]byte{0xff, 0, 1}) {
		t.Errorf("Cliniko-Print is %q", got)
	}
	if len(got[2].Header["Cliniko-Began"])+len(got[2].Header["Cliniko-Print"]) > 0 {
		t.Errorf("headers that say nothing: %v", got[2].Header)
	}
}

// Whoever does not know the end of the resource stores nothing, whether the stream has more than they know or less.
func TestStreamElsewhere(t *testing.T) {
	r := standard(t)
	last := publish(t, r.p, events("north", 1, 5), 0)
	for _, wrong := range []uint64{0, last - 1, last + 1, 1 << 40} {
		_, err := r.p.Publish(t.Context(), events("north", 6, 5), wrong)
		wantAhead(t, err)
	}
	if got := len(publishertest.Collect(t, r.js, stream, "")); got != 5 {
		t.Errorf("the stream has %d messages, want 5", got)
	}
	// Another resource has an end of its own.
	other := events("north", 6, 1)
	other[0].Resource, other[0].ID = "invoices", "north-invoices-6-1"
	if got := publish(t, r.p, other, 0); got != 6 {
		t.Errorf("Publish = %d, want 6", got)
	}
	if got := publish(t, r.p, events("north", 6, 1), last); got != 7 {
		t.Errorf("Publish = %d, want 7", got)
	}
}

// A purged stream is a stream that ends elsewhere: the caller learns it, and goes on from nothing.
func TestPurgedStream(t *testing.T) {
	r := standard(t)
	last := publish(t, r.p, events("north", 1, 5), 0)
	s, err := r.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = r.p.Publish(t.Context(), events("north", 6, 1), last)
	wantAhead(t, err)
	ids, extent := readBack(t, r.p, last)
	if want := (schemas.Extent{Last: 0, Dropped: true, First: 6, Newest: 5}); extent != want || ids != nil {
		t.Errorf("ReadBack = %v, %+v, want nothing and %+v", ids, extent, want)
	}
	if got := publish(t, r.p, events("north", 6, 1), 0); got != 6 {
		t.Errorf("Publish = %d, want 6", got)
	}
}

// The server looks at the expectation before it looks for the id: the order that Publish is built upon.
func TestExpectationComesBeforeDuplicates(t *testing.T) {
	url := publishertest.Start(t, publishertest.Options{}).URL()
	js := publishertest.JetStream(t, publishertest.Connect(t, url))
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.*"}}); err != nil {
		t.Fatal(err)
	}
	send := func(last uint64) (*jetstream.PubAck, error) {
		return js.Publish(t.Context(), "s.a", nil, jetstream.WithMsgID("one"), jetstream.WithExpectLastSequenceForSubject(last, "s.*"))
	}
	if ack, err := send(0); err != nil || ack.Duplicate {
		t.Fatalf("the first: %+v, %v", ack, err)
	}
	var api *jetstream.APIError
	if ack, err := send(0); !errors.As(err, &api) || api.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence {
		t.Errorf("a known id with a wrong expectation: %+v, %v; want error code 10071", ack, err)
	}
	if ack, err := send(1); err != nil || !ack.Duplicate || ack.Sequence != 1 {
		t.Errorf("a known id with the right expectation: %+v, %v; want a duplicate of 1", ack, err)
	}
}

// An event that the server remembers is not stored again, and the page behind it still goes only where it should.
func TestRememberedEvents(t *testing.T) {
	url := publishertest.Start(t, publishertest.Options{}).URL()
	js := publishertest.JetStream(t, publishertest.Connect(t, url))
	tmpl := parse(t, publisher.DefaultTemplate)
	if _, err := publisher.Ensure(t.Context(), js, publisher.StreamConfig{Name: stream, Template: tmpl}); err != nil { // two minutes
		t.Fatal(err)
	}
	p, err := publisher.New(t.Context(), publishertest.Connect(t, url), publisher.Config{Stream: stream, Template: tmpl}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	page := events("north", 1, 10)
	last := publish(t, p, page[:5], 0)

	if got := publish(t, p, page[:5], last); got != last {
		t.Errorf("all known: Publish = %d, want %d", got, last)
	}
	if got := publish(t, p, page[:1], last); got != last {
		t.Errorf("an old one: Publish = %d, want %d", got, last)
	}
	_, err = p.Publish(t.Context(), page, 0)
	wantAhead(t, err)
	if got := publish(t, p, page[3:], last); got != 10 { // 4 and 5 are known
		t.Errorf("some known: Publish = %d, want 10", got)
	}
	for _, m := range publishertest.Collect(t, js, stream, "") { // 6 took the place behind 5, and only there
		want := map[uint64]string{1: "0", 6: "5"}[m.Sequence]
		if got := m.Header.Get(jetstream.ExpectedLastSubjSeqHeader); got != want {
			t.Errorf("message %d was stored with the expectation %q, want %q", m.Sequence, got, want)
		}
	}
	mixed := append(events("north", 11, 1), page[2:4]...) // known ones among the rest
	if got := publish(t, p, mixed, 10); got != 11 {
		t.Errorf("known among the rest: Publish = %d, want 11", got)
	}
	onceEach(t, js, 11)
}

// What can never be stored is refused before anything is sent.
func TestUnsendable(t *testing.T) {
	url := publishertest.Start(t, publishertest.Options{MaxPayload: 8 << 10}).URL()
	r := setup(t, url, url, publisher.DefaultTemplate, 0)
	if got, want := r.p.MaxBytes(), 8<<10-2<<10; got != want {
		t.Errorf("MaxBytes = %d, want %d", got, want)
	}
	fits := events("north", 1, 1)
	fits[0].Record = []byte(`{"notes": "` + strings.Repeat("x", r.p.MaxBytes()-len(fits[0].AppendJSON(nil))+len(fits[0].Record)-len(`{"notes": ""}`)) + `"}`)
	if got := len(fits[0].AppendJSON(nil)); got != r.p.MaxBytes() {
		t.Fatalf("the body has %d bytes, want %d", got, r.p.MaxBytes())
	}
	publish(t, r.p, fits, 0)

	long, nameless, foreign := events("north", 2, 2), events("north", 2, 2), events("north", 2, 2)
	long[1].Record = []byte(`{"notes": "` + strings.Repeat("x", 8<<10) + `"}`)
	nameless[1].RecordID = ""
	foreign[1].Account = "south"
	for name, page := range map[string][]schemas.Event{"too long": long, "nameless": nameless, "foreign": foreign} {
		if _, err := r.p.Publish(t.Context(), page, 1); err == nil || !strings.Contains(err.Error(), "not sent") {
			t.Errorf("%s: error is %v", name, err)
		} else if strings.Contains(err.Error(), "xxx") {
			t.Errorf("%s: the error shows the record: %v", name, err)
		}
	}
	onceEach(t, r.js, 1)
}

// The stream's own limit of a message counts too, and may change while the bridge runs.
func TestMaxBytesFollowsTheStream(t *testing.T) {
	r := standard(t)
	if got, want := r.p.MaxBytes(), 1<<20-2<<10; got != want {
		t.Errorf("MaxBytes = %d, want %d", got, want)
	}
	s, err := r.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int32{4 << 10, 1 << 10} {
		cfg := s.CachedInfo().Config
		cfg.MaxMsgSize = limit
		if _, err := r.js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		readBack(t, r.p, 0)
		if got, want := r.p.MaxBytes(), max(int(limit)-2<<10, 0); got != want {
			t.Errorf("with a limit of %d: MaxBytes = %d, want %d", limit, got, want)
		}
	}
}

// Many accounts publish on one Publisher at once, and each finds its own events in its own order.
func TestAccountsAtOnce(t *testing.T) {
	url := publishertest.Start(t, publishertest.Options{}).URL()
	r := setup(t, url, url, "cliniko.{account}.{resource}.{verb}", 0)
	const pages, size = 20, 25
	accounts := []string{"north", "south", "dr. who", "east", "west", "a>b", "x*", "100%"}
	var wg sync.WaitGroup
	for _, account := range accounts {
		wg.Go(func() {
			last := uint64(0)
			for page := range pages {
				got, err := r.p.Publish(t.Context(), events(account, page*size, size), last)
				if err != nil {
					t.Errorf("%s, page %d: %v", account, page, err)
					return
				}
				last = got
			}
		})
	}
	wg.Wait()
	for _, account := range accounts {
		want := events(account, 0, pages*size)
		i := 0
		extent, err := r.p.ReadBack(t.Context(), account, "patients", 0, func(_ uint64, e schemas.Event) error {
			if i >= len(want) || e.ID != want[i].ID {
				t.Errorf("%s: event %d is %s", account, i, e.ID)
			}
			i++
			return nil
		})
		if err != nil || i != len(want) || extent.Dropped || extent.Newest != uint64(len(accounts)*len(want)) {
			t.Errorf("%s: %d events, %+v, %v; want %d", account, i, extent, err, len(want))
		}
	}
}

// A Publisher for a stream that is not there says which.
func TestNoStream(t *testing.T) {
	s := publishertest.Start(t, publishertest.Options{})
	_, err := publisher.New(t.Context(), s.Conn(t), publisher.Config{Stream: "GONE", Template: parse(t, publisher.DefaultTemplate)}, zap.NewNop())
	if !errors.Is(err, jetstream.ErrStreamNotFound) || !strings.Contains(err.Error(), "GONE") {
		t.Errorf("New: %v", err)
	}
}

// Messages that another stream would take are not stored there.
func TestAnotherStreamHasTheSubjects(t *testing.T) {
	r := standard(t)
	s, err := r.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	subjects := cfg.Subjects
	cfg.Subjects = []string{"elsewhere"}
	if _, err := r.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := r.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: subjects}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.p.Publish(t.Context(), events("north", 1, 3), 0); err == nil || errors.Is(err, schemas.ErrStreamAhead) {
		t.Errorf("Publish: %v", err)
	}
	if got := publishertest.Collect(t, r.js, "OTHER", ""); len(got) != 0 {
		t.Errorf("the other stream has %d messages", len(got))
	}
}
