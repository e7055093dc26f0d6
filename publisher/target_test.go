package publisher_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Nothing is replayed onto a subject that somebody takes for live, or that leads into the stream of a bridge; each refusal says
// what to do.
func TestLiveSubjectsAreNoTargets(t *testing.T) {
	r := newReplayRig(t, publishertest.Start(t, publishertest.Options{}).URL(), publisher.DefaultTemplate)
	ctx := t.Context()
	wide, err := r.js.Stream(ctx, stream) // the operator's stream takes more than the bridge's subjects
	if err != nil {
		t.Fatal(err)
	}
	cfg := wide.CachedInfo().Config
	cfg.Subjects = append(cfg.Subjects, "wide.*")
	if _, err := r.js.UpdateStream(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []jetstream.StreamConfig{
		{Name: "COPY", Subjects: []string{"copy.>"}, Sources: []*jetstream.StreamSource{{Name: stream}}},
		{Name: "OTHER", Subjects: []string{"other.*.*"}},
		{Name: "ECHO", Subjects: []string{"echo.*.*"}, RePublish: &jetstream.RePublish{Source: "echo.*.*", Destination: "cliniko.{{wildcard(1)}}.$2"}},
		{Name: "MURMUR", Subjects: []string{"murmur.*"}, RePublish: &jetstream.RePublish{Source: "murmur.*", Destination: "murmured.$1"}},
	} {
		if _, err := r.js.CreateStream(ctx, cfg); err != nil {
			t.Fatal(err)
		}
	}
	other := publisher.StreamConfig{Name: "OTHER", Template: parse(t, "other.{resource}.{verb}")}
	if _, err := publisher.EnsureCheckpoints(ctx, r.js, other); err != nil {
		t.Fatal(err)
	}
	for subject, want := range map[string]string{
		"cliniko.patients.updated": "among the live subjects cliniko.*.*",
		"cliniko.replay":           "among the live subjects cliniko.*.*", // for who listens on cliniko.>
		"wide.open":                "which holds the events themselves",
		"copy.north":               "which copies CLINIKO",
		"other.patients.updated":   "of another bridge",
		"echo.patients.updated":    "publishes what it takes once more",
		"replay.*":                 "wildcard",
		"replay.>":                 "wildcard",
		"replay..north":            "empty",
		"re play":                  "white space",
		"":                         "empty",
		"$JS.API.INFO":             "keeps it for itself",
		"_INBOX.a":                 "keeps it for itself",
	} {
		_, err := publisher.NewTarget(ctx, r.nc, r.config, subject)
		var unfit *publisher.UnfitError
		if !errors.As(err, &unfit) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "; choose ") {
			t.Errorf("%q: %v; want an UnfitError with %q and a remedy", subject, err, want)
		}
	}
	for subject, want := range map[string]string{"replay.north": replays, "clinikos.north": "", "elsewhere": "", "murmur.north": "MURMUR"} {
		target, err := publisher.NewTarget(ctx, r.nc, r.config, subject)
		if err != nil || target.Stream() != want {
			t.Errorf("%q: %+v, %v; want stream %q", subject, target, err, want)
		}
	}
}

// anEvent is an event as it lies in the stream, with the headers of the first message of a page.
func anEvent() publisher.Stored {
	e := events("north", 7, 1)[0]
	return publisher.Stored{
		Sequence: 5678, Subject: "cliniko.patients.updated", Body: e.AppendJSON(nil), Event: e,
		Header: nats.Header{
			publisher.HeaderID: {e.ID}, publisher.HeaderContentType: {publisher.ContentType}, publisher.HeaderBegan: {"2027-03-27T10:03:57Z"},
			jetstream.ExpectedStreamHeader: {stream}, "Nats-Expected-Last-Subject-Sequence": {"5677"},
		},
	}
}

// A replayed event says what it is a replay of, keeps its body, and nothing that a server acts upon. One replay into a stream twice,
// within its duplicate window, is there twice.
func TestAReplayedEventSaysThatItIsOne(t *testing.T) {
	r := newReplayRig(t, publishertest.Start(t, publishertest.Options{}).URL(), publisher.DefaultTemplate)
	s := anEvent()
	check := func(subject string, h nats.Header, body []byte) {
		t.Helper()
		want := map[string]string{
			publisher.HeaderReplay: "CLINIKO/5678", publisher.HeaderSubject: "cliniko.patients.updated",
			publisher.HeaderContentType: publisher.ContentType, publisher.HeaderBegan: "2027-03-27T10:03:57Z",
			"Nats-Expected-Last-Subject-Sequence": "",
		}
		for name, value := range want {
			if got := h.Get(name); got != value {
				t.Errorf("%s: %s is %q, want %q", subject, name, got, value)
			}
		}
		if h.Get(publisher.HeaderID) == s.Event.ID {
			t.Errorf("%s: it has the event's own %s", subject, publisher.HeaderID)
		}
		if e, err := schemas.ParseEvent(body); err != nil || e.ID != s.Event.ID {
			t.Errorf("%s: %s, %v; want the event as it was", subject, body, err)
		}
	}
	heard, err := r.nc.SubscribeSync("elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"elsewhere", "replay.north", "replay.north"} {
		target, err := publisher.NewTarget(t.Context(), r.nc, r.config, subject)
		if err != nil {
			t.Fatal(err)
		}
		if err := target.Put(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	m, err := heard.NextMsg(time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	check(m.Subject, m.Header, m.Data)
	got := publishertest.Collect(t, r.js, replays, "")
	if len(got) != 2 {
		t.Fatalf("the stream has %d messages, want 2", len(got))
	}
	for _, m := range got {
		check(m.Subject, m.Header, m.Body)
	}
}

// The largest event that the bridge publishes has room for the headers of a replay.
func TestTheLargestEventIsReplayed(t *testing.T) {
	url := publishertest.Start(t, publishertest.Options{}).URL()
	r := newReplayRig(t, url, publisher.DefaultTemplate)
	p, err := publisher.New(t.Context(), r.nc, r.config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	e := events("north", 7, 1)[0]
	room := p.MaxBytes() - len(e.AppendJSON(nil)) + len(e.Record)
	e.Record = []byte(`{"notes":"` + strings.Repeat("x", room-len(`{"notes":""}`)) + `"}`)
	publish(t, p, []schemas.Event{e}, 0)
	if err := r.replay(t.Context(), publisher.Span{}, publisher.Selection{}, "replay.north", nil); err != nil {
		t.Fatal(err)
	}
	if got := publishertest.Collect(t, r.js, replays, ""); len(got) != 1 || len(got[0].Body) != p.MaxBytes() {
		t.Errorf("%d messages; want one of %d bytes", len(got), p.MaxBytes())
	}
}

// An acknowledgement that is lost, or a connection before it, leaves the event in the stream once.
func TestAReplayThroughFaultsIsThereOnce(t *testing.T) {
	url := publishertest.Start(t, publishertest.Options{}).URL()
	proxy := publishertest.StartProxy(t, url)
	r := newReplayRig(t, url, publisher.DefaultTemplate)
	const n = 12
	if err := r.tell(t.Context(), events("north", 1, n)...); err != nil {
		t.Fatal(err)
	}
	r.nc, r.config.AckTimeout = publishertest.Connect(t, proxy.URL()), noAnswer
	for _, fault := range []publishertest.Fault{publishertest.CutBeforePublish, publishertest.CutBeforeAck} {
		struck := proxy.Arm(fault, n/2)
		if err := r.replay(t.Context(), publisher.Span{}, publisher.Selection{}, "replay.north", nil); err != nil {
			t.Fatal(err)
		}
		select {
		case <-struck:
		default:
			t.Error("the fault did not happen")
		}
		var ids, want []string
		for i, m := range publishertest.Collect(t, r.js, replays, "") {
			e, err := schemas.ParseEvent(m.Body)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, string(e.RecordID))
			want = append(want, string(events("north", 1+i, 1)[0].RecordID))
		}
		if len(ids) != n || !slices.Equal(ids, want) {
			t.Errorf("got %q, want 1 to %d", ids, n)
		}
		s, err := r.js.Stream(t.Context(), replays)
		if err == nil {
			err = s.Purge(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// noAnswer is how long an answer is waited for that does not come.
const noAnswer = 2 * time.Second

// A user who may not publish there, or see which streams there are, is told so.
func TestAForbiddenTarget(t *testing.T) {
	s := publishertest.Start(t, publishertest.Options{Config: `jetstream {}
authorization {users: [
  {user: admin, password: pw}
  {user: deaf, password: pw, permissions: {publish: {deny: ["elsewhere", "replay.>"]}}}
  {user: blind, password: pw, permissions: {publish: {deny: "$JS.API.STREAM.NAMES"}}}
  {user: short, password: pw, permissions: {publish: {deny: "$JS.API.STREAM.INFO.>"}}}]}`})
	as := func(user string) string { return strings.Replace(s.URL(), "://", "://"+user+":pw@", 1) }
	r := newReplayRig(t, as("admin"), publisher.DefaultTemplate)
	r.config.AckTimeout = noAnswer
	deaf := publishertest.Connect(t, as("deaf"))
	for _, subject := range []string{"elsewhere", "replay.north"} {
		target, err := publisher.NewTarget(t.Context(), deaf, r.config, subject)
		if err != nil {
			t.Fatal(err)
		}
		if err := target.Put(t.Context(), anEvent()); err == nil || !strings.Contains(err.Error(), "may not publish there") {
			t.Errorf("%s: %v", subject, err)
		}
	}
	for _, user := range []string{"blind", "short"} {
		if _, err := publisher.NewTarget(t.Context(), publishertest.Connect(t, as(user)), r.config, "replay.north"); err == nil ||
			!strings.Contains(err.Error(), "$JS.API.STREAM.NAMES") {
			t.Errorf("%s: %v", user, err)
		}
	}
}

// The rights of a bridge suffice to read its stream; to replay onto a subject there have to be more.
func TestTheRightsInDeploySufficeToReadTheStream(t *testing.T) {
	s := narrow(t, "")
	r := newReplayRig(t, strings.Replace(s.URL(), "://", "://admin:pw@", 1), publisher.DefaultTemplate)
	if err := r.tell(t.Context(), events("north", 1, 2)...); err != nil {
		t.Fatal(err)
	}
	r.nc = publishertest.Connect(t, newUser(t, s).url)
	if got := r.all(t, publisher.Span{}, func() {}); len(got) != 2 {
		t.Errorf("got %q", got)
	}
	wantNext(t, follow(t, r, time.Now().Add(-time.Hour)), 1, 2)
	if err := r.nc.LastError(); err != nil {
		t.Error(err)
	}
}
