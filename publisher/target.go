package publisher

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The headers of an event that is replayed onto a subject, beside those that it has in the stream. Of these are left out all
// that begin with "Nats-", which servers act upon: the event's id, which was its Nats-Msg-Id, is in its body.
const (
	// HeaderReplay says that it is a replay, and of what: stream and sequence, "CLINIKO/5678".
	HeaderReplay = "Cliniko-Replay"
	// HeaderSubject is the subject on which the event was published, "cliniko.appointments.updated".
	HeaderSubject = "Cliniko-Subject"
)

const (
	// putPatience is how long a Target tries to put one event.
	putPatience = 30 * time.Second
	putPause    = 250 * time.Millisecond
)

// A Target is a subject of its own that events are replayed onto.
type Target struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	subject string
	stream  string // that takes what is on subject; "": none does, and whoever listens gets it
	source  string // the stream whose events they are
	timeout time.Duration
	run     string // tells this replay from every other
}

// NewTarget makes a Target of subject for the events of source. It returns an UnfitError that says what to do if subject
// is none to publish on, or if what is published there would be taken for something that happened: the template makes it,
// or a stream has it that is the bridge's or another bridge's, or that copies one.
func NewTarget(ctx context.Context, nc *nats.Conn, source Config, subject string) (*Target, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	if err := checkTarget(subject, source.Template); err != nil {
		return nil, err
	}
	t := &Target{nc: nc, js: js, subject: subject, source: source.Stream, run: rand.Text(), timeout: cmp.Or(source.AckTimeout, DefaultAckTimeout)}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	names := js.StreamNames(ctx, jetstream.WithStreamListSubject(subject))
	for name := range names.Name() {
		if err := t.checkStream(ctx, name, source.Template); err != nil {
			return nil, err
		}
		t.stream = name
	}
	if err := names.Err(); err != nil {
		return nil, t.unseen(err)
	}
	return t, nil
}

// checkTarget looks at the subject alone.
func checkTarget(subject string, template Template) error {
	refuse := func(format string, args ...any) error {
		return &UnfitError{Reason: fmt.Sprintf("%q is no subject to replay onto: ", subject) +
			fmt.Sprintf(format, args...) + "; choose one of its own, such as replay.northside"}
	}
	if err := CheckFilter(subject); err != nil {
		return refuse("%s", err)
	}
	switch {
	case strings.ContainsAny(subject, "*>"):
		return refuse("it has a wildcard")
	case strings.HasPrefix(subject, "$"), strings.HasPrefix(subject, "_"):
		return refuse("NATS keeps it for itself")
	case overlap(template.All(), subject), overlap(template.prefix()+".>", subject):
		return refuse("it is among the live subjects %s, and whoever listens there would take it for something that happens now", template.All())
	}
	return nil
}

// checkStream looks at a stream that takes what is published on the subject.
func (t *Target) checkStream(ctx context.Context, name string, template Template) error {
	refuse := func(why string) error {
		return &UnfitError{Reason: fmt.Sprintf("%s is in the stream %s, %s; choose a subject that is not in it", t.subject, name, why)}
	}
	if name == t.source {
		return refuse("which holds the events themselves")
	}
	s, err := t.js.Stream(ctx, name)
	if err != nil {
		return t.unseen(err)
	}
	cfg := s.CachedInfo().Config
	for _, subject := range cfg.Subjects {
		if overlap(subject, template.All()) {
			return refuse("which has live subjects, too: " + subject)
		}
	}
	if again := cfg.RePublish; again != nil && overlap(wildcards(again.Destination), template.All()) {
		return refuse("which publishes what it takes once more, among the live subjects: " + again.Destination)
	}
	for _, from := range cfg.Sources {
		if from.Name == t.source {
			return refuse("which copies " + t.source)
		}
	}
	switch _, err := t.js.KeyValue(ctx, CheckpointsOf(name)); {
	case err == nil:
		return refuse("which is that of another bridge")
	case !errors.Is(err, jetstream.ErrBucketNotFound):
		return t.unseen(err)
	}
	return nil
}

// wildcards is the destination of a mapping, such as "live.{{wildcard(1)}}", as the subjects that it leads to.
func wildcards(destination string) string {
	tokens := strings.Split(destination, ".")
	for i, token := range tokens {
		if strings.Contains(token, "{{") || strings.HasPrefix(token, "$") {
			tokens[i] = "*"
		}
	}
	return strings.Join(tokens, ".")
}

// unseen is err, which kept us from looking who has the subject. What is forbidden gets no answer.
func (t *Target) unseen(err error) error {
	err = fmt.Errorf("which stream has %s cannot be seen: %w", t.subject, err)
	if errors.Is(t.nc.LastError(), nats.ErrPermissionViolation) {
		err = fmt.Errorf("%w; the NATS user needs the right to publish on $JS.API.STREAM.NAMES and $JS.API.STREAM.INFO.*", err)
	}
	return err
}

// Stream is the stream that takes the events, "" if there is none.
func (t *Target) Stream() string { return t.stream }

// Put publishes an event on the subject. It returns once a stream has acknowledged it, or if none has the subject, once
// the server has it. What fails is tried again for half a minute; a stream then has it once nevertheless, and who listens
// without one may get it twice, with the same HeaderReplay. What is on its way when ctx ends is waited for.
func (t *Target) Put(ctx context.Context, s Stored) error {
	m := t.message(s)
	giveUp := time.Now().Add(putPatience)
	for {
		err := t.once(context.WithoutCancel(ctx), m)
		var api *jetstream.APIError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &api), errors.Is(err, errForbidden), time.Now().After(giveUp):
			return fmt.Errorf("onto %s: %w", t.subject, err)
		}
		if !rest(ctx, putPause) {
			return fmt.Errorf("onto %s: %w; whether it is there is not known", t.subject, err)
		}
	}
}

// errForbidden says that the user may not publish on the subject.
var errForbidden = errors.New("the NATS user may not publish there; give it the right to")

// once publishes once.
func (t *Target) once(ctx context.Context, m *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	var err error
	if t.stream == "" {
		if err = t.nc.PublishMsg(m); err == nil {
			err = t.nc.FlushWithContext(ctx)
		}
	} else {
		_, err = t.js.PublishMsg(ctx, m, jetstream.WithExpectStream(t.stream), jetstream.WithRetryAttempts(0))
	}
	// What is forbidden gets no answer; the server says so beside it.
	if last := t.nc.LastError(); errors.Is(last, nats.ErrPermissionViolation) && strings.Contains(last.Error(), strconv.Quote(t.subject)) {
		return errForbidden
	}
	return err
}

// message is the event as it is replayed. For a stream it has an id of this replay's own, so that a second try is known there and a
// second replay is not.
func (t *Target) message(s Stored) *nats.Msg {
	place := t.source + "/" + strconv.FormatUint(s.Sequence, 10)
	m := &nats.Msg{Subject: t.subject, Data: s.Body, Header: nats.Header{}}
	for name, values := range s.Header {
		if !strings.HasPrefix(name, "Nats-") {
			m.Header[name] = values
		}
	}
	m.Header[HeaderReplay], m.Header[HeaderSubject] = []string{place}, []string{s.Subject}
	if t.stream != "" {
		m.Header[HeaderID] = []string{"replay/" + t.run + "/" + place}
	}
	return m
}
