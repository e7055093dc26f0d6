package publisher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const (
	// eventBatch is how many events a Reader asks for at once: few, as each may have the size of the largest message.
	eventBatch = 100
	// eventTries is how often in a row a Replay begins anew without having got any further: half a minute.
	eventTries = 20
)

// A Stored is an event as it lies in the stream.
type Stored struct {
	Sequence uint64    // of the stream
	At       time.Time // when it was stored: the NATS server's clock, UTC
	Subject  string
	Header   nats.Header
	Body     []byte // the CloudEvents event
	Event    schemas.Event
}

// A Span is a stretch of a stream. The zero value is all of it.
type Span struct {
	From uint64 // the first stream sequence; 0: from the beginning
	// Since and Until are when the first event was stored at the earliest, and the last before which time: by the NATS
	// server's clock. Zero: no limit.
	Since, Until time.Time
}

// A Reader reads events back for people and other programs. It reads on through lost connections. It is for one use at a
// time.
type Reader struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	stream   string
	template Template
	logger   *zap.Logger
	info     *jetstream.StreamInfo // as NewReader found it
}

// NewReader makes a Reader of the stream of cfg, on nc, which stays the caller's. It asks for the stream once. Its error wraps
// jetstream.ErrStreamNotFound if there is none.
func NewReader(ctx context.Context, nc *nats.Conn, cfg Config, logger *zap.Logger) (*Reader, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	r := &Reader{nc: nc, js: js, stream: cfg.Stream, template: cfg.Template, logger: logger}
	s, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	r.info = s
	return r, nil
}

// Name is the stream's name.
func (r *Reader) Name() string { return r.stream }

// Holds tells whether the stream takes anything that matches filter, and which subjects it takes.
func (r *Reader) Holds(filter string) (bool, []string) {
	subjects := r.info.Config.Subjects
	return slices.ContainsFunc(subjects, func(s string) bool { return overlap(s, filter) }), subjects
}

func (r *Reader) look(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultAckTimeout)
	defer cancel()
	s, err := r.js.Stream(ctx, r.stream)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", r.stream, err)
	}
	return s.CachedInfo(), nil
}

// Dropped tells whether the stream may have held events of the span that are gone, by age or by its limits, and with which
// sequence and when it begins.
func (r *Reader) Dropped(span Span) (gone bool, first uint64, at time.Time) {
	state := &r.info.State
	missing := state.FirstSeq > 1 && span.From < state.FirstSeq
	if !span.Since.IsZero() && state.Msgs > 0 {
		missing = missing && span.Since.Before(state.FirstTime)
	}
	return missing, state.FirstSeq, state.FirstTime.UTC()
}

// The purposes of consumers.
const (
	replays = "cliniko-bridge replays"
	// Follows is the description of the consumer that Follow makes.
	Follows = "cliniko-bridge follows"
)

// walk is a walk of the selected events of a span, each handed to f. Messages that are no events are passed over, and counted in
// strange.
func (r *Reader) walk(purpose string, span Span, pick Selection, strange *int, f func(Stored) error) *walk {
	w := &walk{
		nc: r.nc, js: r.js, stream: r.stream, purpose: purpose, filters: pick.filters(r.template), timeout: DefaultAckTimeout, batch: eventBatch, tries: eventTries,
		at: max(span.From, 1) - 1, since: span.Since,
	}
	w.visit = func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		if !span.Until.IsZero() && !meta.Timestamp.Before(span.Until) {
			return errUntil
		}
		if meta.Timestamp.Before(span.Since) { // the server looks at it only where it begins without a sequence
			return nil
		}
		e, err := parseMessage(msg.Headers(), msg.Data())
		if err != nil {
			if *strange++; *strange == 1 {
				r.logger.Warn("a message that is no event is passed over, and so is every other one", zap.String("stream", r.stream),
					zap.Uint64("sequence", meta.Sequence.Stream))
			}
			return nil
		}
		if !pick.Has(msg.Subject(), &e) {
			return nil
		}
		return f(Stored{
			Sequence: meta.Sequence.Stream, At: meta.Timestamp.UTC(), Subject: msg.Subject(), Header: msg.Headers(), Body: msg.Data(), Event: e,
		})
	}
	return w
}

// errUntil says that the time of Span.Until has come.
var errUntil = errors.New("the span ends here")

// A Replay goes through what a stream holds of a Selection, up to what was its end when the Replay was made.
type Replay struct {
	walk    *walk
	f       func(Stored) error
	last    uint64
	strange int
}

// Replay makes a Replay of the selected events of a span.
func (r *Reader) Replay(ctx context.Context, span Span, pick Selection) (*Replay, error) {
	p := &Replay{}
	p.walk = r.walk(replays, span, pick, &p.strange, func(s Stored) error { return p.f(s) })
	last, err := p.walk.end(ctx)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", r.stream, err)
	}
	p.last = last
	return p, nil
}

// Run calls f for each event, in the order of the stream. It stops at the first error of f and returns it as it is. It may be
// called again, and goes on where it stopped, with the event of which f returned an error.
func (p *Replay) Run(ctx context.Context, f func(Stored) error) error {
	p.f = f
	err := p.walk.upTo(ctx, p.last)
	if errors.Is(err, errUntil) {
		p.last = p.walk.at
		return nil
	}
	if err != nil && (p.walk.refused == nil || !errors.Is(err, p.walk.refused)) {
		err = fmt.Errorf("replay %s behind %d: %w", p.walk.stream, p.walk.at, err)
	}
	return err
}

// Next is the stream sequence to begin with in order to go on where Run stopped. 0 if it has not begun.
func (p *Replay) Next() uint64 {
	if p.walk.at == 0 {
		return 0
	}
	return p.walk.at + 1
}

// Progress is how far Run is, in stream sequences: done of total, 0 of 0 before the first.
func (p *Replay) Progress() (done, total int) {
	w := p.walk
	if w.first == 0 || p.last < w.first {
		return 0, 0
	}
	return int(w.at + 1 - w.first), int(p.last + 1 - w.first)
}

// Strange is how many messages were passed over since they are no events.
func (p *Replay) Strange() int { return p.strange }

// Follow calls f for each selected event that is stored from now on, or since a time if that is not zero, until ctx ends or f
// returns an error; it returns that error, and nil if ctx ended. A connection that is lost, a server that starts anew and a
// stream that is away for a while are waited for; then it goes on behind the last event that it has seen, or from the
// beginning of a stream that was made anew.
func (r *Reader) Follow(ctx context.Context, since time.Time, pick Selection, f func(Stored) error) error {
	strange := 0
	span := Span{Since: since}
	if since.IsZero() {
		span.From = r.info.State.LastSeq + 1
	}
	w := r.walk(Follows, span, pick, &strange, f)
	said := false // what is in the way
	for {
		at := w.at
		err := w.listen(ctx)
		if w.refused != nil || ctx.Err() != nil { // whoever ends it may have closed the connection, too
			return w.refused
		}
		expected := errors.Is(err, context.Canceled) || errors.Is(err, jetstream.ErrNoHeartbeat) // the connection tells of itself
		if said = said && w.at == at; !said && !expected && r.nc.IsConnected() {
			r.logger.Warn("the stream cannot be followed; trying on", zap.String("stream", r.stream), zap.Error(err))
			said = true
		}
		if !r.found(ctx, w) {
			return nil
		}
	}
}

// found waits until the stream is there, and puts w where it can go on. It returns false if ctx ends.
func (r *Reader) found(ctx context.Context, w *walk) bool {
	for pause := readPause; rest(ctx, pause); pause = min(2*pause, readPauseMost) {
		info, err := r.look(ctx)
		if err != nil {
			continue
		}
		// A server that was put back, or lost what it had not written yet, has less than we have seen. What comes next takes
		// the places of what is gone.
		switch anew := info.Created.After(r.info.Created); {
		case anew:
			r.logger.Warn("the stream was made anew; following it from its beginning", zap.String("stream", r.stream))
			w.at = 0
		case w.at > info.State.LastSeq:
			w.at = info.State.LastSeq
		}
		r.info = info
		return true
	}
	return false
}
