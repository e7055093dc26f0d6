package publisher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// DefaultMaxAge is how long the stream keeps events if nothing else is said: 30 days.
const DefaultMaxAge = 720 * time.Hour

// A StreamConfig says which stream is wanted.
type StreamConfig struct {
	Name     string // "CLINIKO"; required
	Template Template
	// MaxAge is how long an event is kept; 0 means DefaultMaxAge, less than 0 for ever.
	MaxAge time.Duration
	// Replicas is how many servers of a cluster hold the stream; 0 means 1.
	Replicas int
	// Duplicates is how long the server remembers message ids; 0 means two minutes, or MaxAge if that is shorter.
	// Nothing that is promised hangs on it: it spares a repeated publish a refusal.
	Duplicates time.Duration
}

// A Report is what Ensure or Inspect found out. Each entry is a sentence with its remedy.
type Report struct {
	Created  bool     // the stream was not there and now is; never after Inspect
	Missing  bool     // the stream is not there; never after Ensure
	Faults   []string // what breaks a promise of the bridge: do not publish into this stream
	Warnings []string // what the operator should know
}

// codeSubjectOverlap is the server's error code for a stream whose subjects another stream has (nats-server 2.15,
// errors.json, JSStreamSubjectOverlapErr).
const codeSubjectOverlap jetstream.ErrorCode = 10065

// Ensure creates the stream if it does not exist. One that exists is looked at and never changed: it is the
// operator's, and the report says what is the matter with it. Several bridges may call it at once. After an error that is no
// UnfitError it may be called again: the servers were not ready.
func Ensure(ctx context.Context, js jetstream.JetStream, cfg StreamConfig) (Report, error) {
	want := cfg.wanted()
	s, err := js.Stream(ctx, cfg.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = create(ctx, js, want)
		if err == nil {
			return Report{Created: true}, nil
		}
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // somebody was faster and wants it otherwise
			s, err = js.Stream(ctx, cfg.Name)
		}
	}
	if err != nil {
		return Report{}, fmt.Errorf("stream %s: %w", cfg.Name, explain(ctx, js, cfg, err))
	}
	return review(s.CachedInfo(), want, cfg.Template), nil
}

// create makes the stream. Where one of its name was deleted a moment before, the server may still be putting its files away, and
// says that it cannot make a store: in 1,500 deletions, each with a stream made behind it, it did so once, and took the very next try
// (nats-server 2.15, measured 2026-11-24). A disk that fails says the same; so it is tried a few times and no more.
func create(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) error {
	for tries := 1; ; tries++ {
		_, err := js.CreateStream(ctx, want)
		var api *jetstream.APIError
		if tries == 5 || !errors.As(err, &api) || api.ErrorCode != codeNotCreated || !rest(ctx, 100*time.Millisecond) {
			return err
		}
	}
}

// wanted is the stream that Ensure creates.
func (c StreamConfig) wanted() jetstream.StreamConfig {
	maxAge := c.MaxAge
	if maxAge == 0 {
		maxAge = DefaultMaxAge
	}
	maxAge = max(maxAge, 0) // to JetStream 0 is for ever
	duplicates := c.Duplicates
	if duplicates == 0 {
		duplicates = 2 * time.Minute
	}
	if maxAge > 0 {
		duplicates = min(duplicates, maxAge) // the server refuses a window longer than the age
	}
	return jetstream.StreamConfig{
		Name:        c.Name,
		Description: "What changed in Cliniko, as told by cliniko-bridge.",
		Subjects:    []string{c.Template.All()},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		MaxAge:      maxAge,
		Replicas:    max(c.Replicas, 1),
		Duplicates:  duplicates,
		AllowDirect: true,
	}
}

// explain puts into words what the server's code leaves open, and keeps err inside. What waiting does not mend becomes an
// UnfitError.
func explain(ctx context.Context, js jetstream.JetStream, cfg StreamConfig, err error) error {
	unfit := func(format string, args ...any) error {
		return &UnfitError{Reason: fmt.Sprintf(format, args...), cause: err}
	}
	var code jetstream.ErrorCode
	if api := jetstream.JetStreamError(nil); errors.As(err, &api) && api.APIError() != nil {
		code = api.APIError().ErrorCode
	}
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		if has, _ := js.Conn().ConnectedServerJetStream(); has { // it is being started, or another server of the cluster is
			return fmt.Errorf("JetStream does not answer: %w", err)
		}
		return unfit("the NATS server runs without JetStream; start it with jetstream enabled")
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return unfit("the NATS account may not use JetStream; enable it for the account")
	case code == codeSubjectOverlap:
		return unfit("%s has subjects of %s already; give nats.stream that name, or choose another nats.subject",
			overlapping(ctx, js, cfg.Template.All()), cfg.Template.All())
	case code == codeNotClustered:
		return unfit("the NATS server is alone and cannot hold %d replicas; set nats.replicas to 1, or make it part of a cluster", cfg.Replicas)
	}
	return err
}

// overlapping names the streams that take subjects matching filter.
func overlapping(ctx context.Context, js jetstream.JetStream, filter string) string {
	var names []string
	list := js.StreamNames(ctx, jetstream.WithStreamListSubject(filter))
	for name := range list.Name() {
		names = append(names, name)
	}
	if list.Err() != nil || len(names) == 0 {
		return "another stream"
	}
	return "stream " + strings.Join(names, " and ")
}

// review compares the stream that is there with the one that is wanted.
func review(info *jetstream.StreamInfo, want jetstream.StreamConfig, t Template) Report {
	var r Report
	got := info.Config
	fault := func(bad bool, format string, args ...any) {
		if bad {
			r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
		}
	}
	warn := func(odd bool, format string, args ...any) {
		if odd {
			r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
		}
	}

	fault(!covered(got.Subjects, t.All()), "the stream does not take %s; add it to the stream's subjects", t.All())
	fault(got.SubjectTransform != nil, "the stream stores messages under other subjects; remove its subject transform")
	fault(got.Retention != jetstream.LimitsPolicy,
		"the stream deletes what was consumed (retention %s); only a new stream can have retention limits", got.Retention)
	fault(got.NoAck, "the stream acknowledges nothing, so that no event is ever known to be stored; turn no_ack off")
	fault(got.Sealed, "the stream is sealed and takes no messages; choose another stream")
	fault(got.Mirror != nil, "the stream is a mirror and takes no messages; choose another stream")
	fault(got.AllowMsgCounter, "the stream holds counters and refuses events; choose another stream")
	fault(got.PersistMode == jetstream.AsyncPersistMode,
		"the stream acknowledges before it has written, and a killed server loses events; choose a stream with the default persist mode")
	perSubject := got.MaxMsgsPerSubject > 0
	fault(perSubject && !t.Names(ID),
		"the stream keeps %d messages a subject and drops the other events of a resource; set max_msgs_per_subject to -1",
		got.MaxMsgsPerSubject)

	warn(perSubject && t.Names(ID),
		"the stream keeps the last %d events of each kind of a record and drops the older; set max_msgs_per_subject to -1 to keep all",
		got.MaxMsgsPerSubject)
	warn(got.Storage != jetstream.FileStorage,
		"the stream is held in memory and ends with its server; only a new stream can have file storage")
	warn(len(got.Sources) > 0, "the stream copies messages of other streams; see that none is on %s", t.All())
	warn(got.Discard == jetstream.DiscardNew && (got.MaxMsgs > 0 || got.MaxBytes > 0),
		"the stream refuses events when it is full, and the bridge stops until there is room; set discard to old, or watch its size")
	warn(full(info), "the stream is full, or nearly, and takes no events then; raise its limits, or set discard to old")
	warn(got.Discard == jetstream.DiscardOld && (got.MaxMsgs > 0 || got.MaxBytes > 0),
		"the stream drops its oldest events when it is full, even before max_age; remove max_msgs and max_bytes to keep them")
	warn(got.MaxMsgSize > 0,
		"the stream takes messages up to %d bytes; events of greater records are set aside; set max_msg_size to -1", got.MaxMsgSize)
	warn(got.MaxAge != want.MaxAge, "the stream keeps events for %s, not %s; change the stream or nats.max_age",
		age(got.MaxAge), age(want.MaxAge))
	warn(got.Replicas != want.Replicas, "the stream has %d replicas, not %d; change the stream or nats.replicas",
		got.Replicas, want.Replicas)
	return r
}

// full tells whether a stream that refuses what it has no room for has less than a twentieth of it left.
func full(info *jetstream.StreamInfo) bool {
	c, state := &info.Config, &info.State
	over := func(used uint64, limit int64) bool { return limit > 0 && float64(used) > 0.95*float64(limit) }
	return c.Discard == jetstream.DiscardNew && (over(state.Bytes, c.MaxBytes) || over(state.Msgs, c.MaxMsgs))
}

func age(d time.Duration) string {
	if d == 0 {
		return "ever"
	}
	return d.String()
}

// covered tells whether one of subjects takes everything that matches filter. Several that do so together are not
// recognised.
func covered(subjects []string, filter string) bool {
	want := strings.Split(filter, ".")
	for _, s := range subjects {
		if covers(strings.Split(s, "."), want) {
			return true
		}
	}
	return false
}

func covers(got, want []string) bool {
	for i, token := range got {
		if token == ">" {
			return len(want) > i
		}
		if i >= len(want) || (token != "*" && token != want[i]) {
			return false
		}
	}
	return len(got) == len(want)
}
