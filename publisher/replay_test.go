package publisher_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// replays is the stream that takes replay.>.
const replays = "REPLAYS"

// A replayRig is a stream of events, a reader of it, and a stream of its own for replays.
type replayRig struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	config publisher.Config
}

func newReplayRig(tb testing.TB, url, template string) *replayRig {
	tb.Helper()
	r := &replayRig{nc: publishertest.Connect(tb, url), config: publisher.Config{Stream: stream, Template: parse(tb, template)}}
	r.js = publishertest.JetStream(tb, r.nc)
	if _, err := publisher.Ensure(tb.Context(), r.js, publisher.StreamConfig{Name: stream, Template: r.config.Template}); err != nil {
		tb.Fatal(err)
	}
	if _, err := r.js.CreateStream(tb.Context(), jetstream.StreamConfig{Name: replays, Subjects: []string{"replay.>"}}); err != nil {
		tb.Fatal(err)
	}
	return r
}

// tell publishes events as the bridge does, but for the fence. It waits for a server that has just been started.
func (r *replayRig) tell(ctx context.Context, list ...schemas.Event) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for i := range list {
		e := &list[i]
		m := &nats.Msg{
			Subject: r.config.Template.Subject(e.Account, e.Resource, e.Verb, e.RecordID), Data: e.AppendJSON(nil),
			Header: nats.Header{publisher.HeaderID: {e.ID}, publisher.HeaderContentType: {publisher.ContentType}},
		}
		if _, err := r.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(1000), jetstream.WithRetryWait(50*time.Millisecond)); err != nil {
			return err
		}
	}
	return nil
}

// empty empties both streams.
func (r *replayRig) empty(ctx context.Context) error {
	for _, name := range []string{stream, replays} {
		s, err := r.js.Stream(ctx, name)
		if err == nil {
			err = s.Purge(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *replayRig) reader(ctx context.Context) (*publisher.Reader, error) {
	return publisher.NewReader(ctx, r.nc, r.config, zap.NewNop())
}

// replay replays onto subject, and stops for a moment before the events that stops name by their number among those of this
// run; each time it goes on with a new reader at the sequence that the old one said.
func (r *replayRig) replay(ctx context.Context, span publisher.Span, pick publisher.Selection, subject string, stops []int) error {
	for {
		reader, err := r.reader(ctx)
		if err != nil {
			return err
		}
		target, err := publisher.NewTarget(ctx, r.nc, r.config, subject)
		if err != nil {
			return err
		}
		p, err := reader.Replay(ctx, span, pick)
		if err != nil {
			return err
		}
		n := 0
		err = p.Run(ctx, func(s publisher.Stored) error {
			if n++; len(stops) > 0 && n > stops[0] {
				return errStop
			}
			return target.Put(ctx, s)
		})
		if err != errStop { //nolint:errorlint // the very error is promised
			return err
		}
		stops = stops[1:]
		if next := p.Next(); next > 0 {
			span.From, span.Since = next, time.Time{}
		}
	}
}

var errStop = errors.New("stop")

// For any history in the stream, with gaps in it, and any selection: what is replayed onto a subject are the selected events, in
// their order, once each and byte for byte, however often it is interrupted and resumed at the sequence that it said.
func TestAnyReplayIsTheSelectedEventsOnce(t *testing.T) {
	templates := []string{publisher.DefaultTemplate, "cliniko.{account}.{resource}.{id}.{verb}"}
	var rigs []*replayRig
	for _, template := range templates {
		rigs = append(rigs, newReplayRig(t, publishertest.Start(t, publishertest.Options{}).URL(), template))
	}
	ctx, run := t.Context(), 0
	rapid.Check(t, func(t *rapid.T) {
		r := rigs[rapid.IntRange(0, len(rigs)-1).Draw(t, "template")]
		if err := r.empty(ctx); err != nil {
			t.Fatal(err)
		}
		run++
		history := drawHistory(t, run)
		if err := r.tell(ctx, history...); err != nil {
			t.Fatal(err)
		}
		s, err := r.js.Stream(ctx, stream)
		if err != nil {
			t.Fatal(err)
		}
		begin := s.CachedInfo().State.FirstSeq
		if len(history) == 0 {
			begin = s.CachedInfo().State.LastSeq + 1
		}
		span := publisher.Span{From: begin + uint64(rapid.IntRange(-1, 5).Draw(t, "from"))}
		pick := drawSelection(t)
		var want []string
		for i := range history {
			sequence, e := begin+uint64(i), &history[i]
			if i < len(history)-1 && rapid.IntRange(0, 20).Draw(t, "gone") == 0 {
				if err := s.DeleteMsg(ctx, sequence); err != nil {
					t.Fatal(err)
				}
				continue
			}
			subject := r.config.Template.Subject(e.Account, e.Resource, e.Verb, e.RecordID)
			if sequence >= span.From && pick.Has(subject, e) {
				want = append(want, fmt.Sprintf("%s/%d %s %s", stream, sequence, subject, e.AppendJSON(nil)))
			}
		}
		stops := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 4).Draw(t, "stops")
		if err := r.replay(ctx, span, pick, "replay.north", stops); err != nil {
			t.Fatal(err)
		}
		if got := r.replayed(ctx, t); !slices.Equal(got, want) {
			t.Errorf("got %d events\n%q\nwant %d\n%q", len(got), got, len(want), want)
		}
	})
}

// replayed is what lies on the subjects of replays: the header Cliniko-Replay, the subject that it was published on, the body.
func (r *replayRig) replayed(ctx context.Context, t rapid.TB) []string {
	t.Helper()
	s, err := r.js.Stream(ctx, replays)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	state := s.CachedInfo().State
	for sequence := state.FirstSeq; sequence <= state.LastSeq && state.Msgs > 0; sequence++ {
		m, err := s.GetMsg(ctx, sequence)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m.Header.Get(publisher.HeaderReplay)+" "+m.Header.Get(publisher.HeaderSubject)+" "+string(m.Data))
	}
	return list
}

// drawHistory draws events of few records, all their ids new.
func drawHistory(t *rapid.T, run int) []schemas.Event {
	n := rapid.IntRange(0, 12).Draw(t, "events")
	if rapid.IntRange(0, 9).Draw(t, "many") == 0 {
		n = 130 // more than are asked for at once
	}
	list := make([]schemas.Event, n)
	for i := range list {
		list[i] = events(rapid.SampledFrom([]string{"north", "south"}).Draw(t, "account"), rapid.IntRange(1, 3).Draw(t, "id"), 1)[0]
		e := &list[i]
		e.ID, e.Sequence = strconv.Itoa(run)+"-"+strconv.Itoa(i), uint64(i+1)
		e.Resource = rapid.SampledFrom([]schemas.Resource{"patients", "appointments"}).Draw(t, "resource")
		e.Verb = rapid.SampledFrom([]schemas.Verb{schemas.Updated, schemas.Deleted}).Draw(t, "verb")
		if rapid.Bool().Draw(t, "thin") {
			e.Record = nil
		}
	}
	return list
}

func drawSelection(t *rapid.T) publisher.Selection {
	var s publisher.Selection
	if rapid.Bool().Draw(t, "by account") {
		s.Accounts = []string{"north"}
	}
	if rapid.Bool().Draw(t, "by verb") {
		s.Verbs = []schemas.Verb{schemas.Deleted}
	}
	switch rapid.IntRange(0, 3).Draw(t, "by") {
	case 1:
		s.Records = []publisher.RecordName{{Resource: "patients", ID: "1"}, {Resource: "appointments", ID: "2"}}
	case 2:
		s.Resources = []schemas.Resource{"appointments"}
	case 3:
		s.Subjects = []string{"cliniko.*.updated", "cliniko.patients.*", "cliniko.south.>"}
	}
	return s
}

// all replays everything in span and gives the record ids.
func (r *replayRig) all(t *testing.T, span publisher.Span, each func()) []string {
	t.Helper()
	reader, err := r.reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := reader.Replay(t.Context(), span, publisher.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	if err := p.Run(t.Context(), func(s publisher.Stored) error {
		ids = append(ids, string(s.Event.RecordID))
		each()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return ids
}

// Of a span are the events that were stored since one time and before another, or from a sequence on.
func TestAReplayIsOfASpan(t *testing.T) {
	r := newReplayRig(t, publishertest.Start(t, publishertest.Options{}).URL(), publisher.DefaultTemplate)
	if err := r.tell(t.Context(), events("north", 1, 150)...); err != nil {
		t.Fatal(err)
	}
	s, err := r.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	at := func(sequence uint64) time.Time {
		m, err := s.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		return m.Time
	}
	for name, row := range map[string]struct {
		span        publisher.Span
		first, last int
	}{
		"all":             {publisher.Span{}, 1, 150},
		"since":           {publisher.Span{Since: at(20)}, 20, 150},
		"until":           {publisher.Span{Until: at(20)}, 1, 19},
		"both":            {publisher.Span{Since: at(20), Until: at(140)}, 20, 139},
		"from a sequence": {publisher.Span{From: 149}, 149, 150},
		"after the end":   {publisher.Span{Since: time.Now().Add(time.Hour)}, 1, 0},
		"behind the end":  {publisher.Span{From: 1 << 40}, 1, 0},
		"before it began": {publisher.Span{Since: time.Unix(1, 0), Until: at(1)}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			for id := row.first; id <= row.last; id++ {
				want = append(want, strconv.Itoa(id))
			}
			if got := r.all(t, row.span, func() {}); !slices.Equal(got, want) {
				t.Errorf("got %q, want %d to %d", got, row.first, row.last)
			}
		})
	}
}

// It ends at what was the end when it began, however much is told meanwhile.
func TestAReplayHasAnEnd(t *testing.T) {
	r := newReplayRig(t, publishertest.Start(t, publishertest.Options{}).URL(), publisher.DefaultTemplate)
	added := 2
	grow := func() {
		added++
		if err := r.tell(t.Context(), events("north", added, 1)...); err != nil {
			t.Error(err)
		}
	}
	if err := r.tell(t.Context(), events("north", 1, 2)...); err != nil {
		t.Fatal(err)
	}
	if got, want := r.all(t, publisher.Span{}, grow), []string{"1", "2"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A message that is no event is passed over, and counted.
func TestAReplayPassesOverWhatIsNoEvent(t *testing.T) {
	r := newReplayRig(t, publishertest.Start(t, publishertest.Options{}).URL(), publisher.DefaultTemplate)
	if _, err := r.js.Publish(t.Context(), "cliniko.patients.updated", []byte("Zebulon")); err != nil {
		t.Fatal(err)
	}
	if err := r.tell(t.Context(), events("north", 1, 1)...); err != nil {
		t.Fatal(err)
	}
	if got, want := r.all(t, publisher.Span{}, func() {}), []string{"1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
