package migrate

import (
	"fmt"
	"io"
	"strings"
)

// A Report is what was moved, or would be.
type Report struct {
	DryRun  bool
	Resumed bool // an earlier run had been stopped, and this one has ended it

	Store, Stream *Places // nil: it stays where it is
	Events        Events  // of the old stream
	Accounts      []Account
	// Consumers are the durable consumers of the old stream. They are not moved. ConsumersUnknown is why they are not known.
	Consumers        []Consumer
	ConsumersUnknown string

	stream string // the name of the new stream
}

// Places are where something was and where it is now, without passwords.
type Places struct{ From, To string }

// Events are those of a stream, with the stream sequences of the first and the last.
type Events struct{ Count, First, Last uint64 }

// An Account is what the store has of one.
type Account struct {
	Name               string
	Resources, Records int
}

// A Consumer is a subscriber that remembers where it is.
type Consumer struct {
	Name string
	Next uint64 // the stream sequence behind all that it has acknowledged without a gap
}

func (r *Report) describe(m *move) {
	if m.movesStore() {
		r.Store = &Places{storePlace(m.From), storePlace(m.To)}
	}
	if m.movesStream() {
		r.Stream = &Places{streamPlace(m.From), streamPlace(m.To)}
		r.stream = m.To.NATS.Stream
	}
}

// From names what is moved.
func (r *Report) From() string {
	var parts []string
	if r.Store != nil {
		parts = append(parts, "the store "+r.Store.From)
	}
	if r.Stream != nil {
		parts = append(parts, "the stream "+r.Stream.From)
	}
	return strings.Join(parts, ", ")
}

// Write prints the report. config is the new configuration's file.
func (r *Report) Write(w io.Writer, config string) error {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s"+format+"\n", append([]any{label}, args...)...)
	}
	verb := "moved"
	switch {
	case r.DryRun:
		verb = "would move"
	case r.Resumed:
		verb = "moved (an interrupted move is ended)"
	}
	b.WriteString(verb + "\n")
	if r.Store != nil {
		line("  store", "%s → %s", r.Store.From, r.Store.To)
		for _, a := range r.Accounts {
			line("", "%s: %d records of %d resources", a.Name, a.Records, a.Resources)
		}
	} else {
		line("  store", "stays where it is")
	}
	if r.Stream != nil {
		line("  stream", "%s → %s", r.Stream.From, r.Stream.To)
		line("", "%d events, at their sequences %d to %d", r.Events.Count, r.Events.First, r.Events.Last)
	} else {
		line("  stream", "stays where it is")
	}
	if r.DryRun {
		_, err := io.WriteString(w, b.String())
		return err
	}
	b.WriteString("compared, and the same. What was moved is as it was: keep it as a backup, and start no bridge on it any more.\nnext\n")
	fmt.Fprintf(&b, "  cliniko-bridge check --config %s\n  cliniko-bridge run --config %s\n", config, config)
	for _, c := range r.Consumers {
		fmt.Fprintf(&b, "  make the consumer %s again on the new stream, from sequence %d on: nats consumer add %s %s --deliver %d\n", c.Name, c.Next, r.stream, c.Name, c.Next)
	}
	if r.ConsumersUnknown != "" {
		fmt.Fprintf(&b, "  which durable consumers the old stream has is not known (%s): make them again on the new one\n", r.ConsumersUnknown)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
