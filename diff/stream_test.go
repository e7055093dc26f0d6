package diff_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// stream is a diff.Publisher that remembers nothing but what it stored: it has no duplicate window, so that what is
// published twice is there twice.
type stream struct {
	// onPublish, if non-nil, is asked before each publish how many of the events are stored and what the caller is
	// told. A count below the number of events needs an error; all of them with an error is a lost acknowledgement.
	onPublish func(n int) (stored int, err error)

	// onRead, if non-nil, is asked before each event that is read back. An error ends the reading.
	onRead func() error

	// hole is the place of an event that a publish which fails does not store, though it stores others behind it. 0 is none.
	hole int

	limit      int             // of a body; 0 means 1 MiB
	onDeadline func(time.Time) // if non-nil, is told until when each publish may go on

	mu       sync.Mutex
	sequence uint64
	messages []message
	dropped  []message // by retention

	checkpoints      map[string][]byte
	kept             []string // all checkpoints that ever were
	losesCheckpoints bool     // each is refused
	offered          int      // how many there were, refused or not
	hidesCheckpoints bool     // none can be read
}

func (s *stream) PutCheckpoint(_ context.Context, account string, resource schemas.Resource, value []byte) error {
	s.offered++
	if s.losesCheckpoints {
		return errFault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.checkpoints == nil {
		s.checkpoints = make(map[string][]byte)
	}
	s.checkpoints[account+"/"+string(resource)] = value
	s.kept = append(s.kept, string(value))
	return nil
}

// stoodAt says that there was a checkpoint at that second.
func (s *stream) stoodAt(second time.Time) bool {
	cursor := `"live":{"cursor":"` + second.Format(time.RFC3339) + `"`
	return slices.ContainsFunc(s.kept, func(value string) bool { return strings.Contains(value, cursor) })
}

func (s *stream) Checkpoint(_ context.Context, account string, resource schemas.Resource) ([]byte, error) {
	if s.hidesCheckpoints {
		return nil, errFault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.checkpoints[account+"/"+string(resource)], nil
}

type message struct {
	sequence uint64
	event    schemas.Event
}

func (s *stream) MaxBytes() int { return cmp.Or(s.limit, 1<<20) }

// foreign puts something on the resource's subjects that is no event: others may publish, too.
func (s *stream) foreign(resource schemas.Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sequence++
	s.messages = append(s.messages, message{s.sequence, schemas.Event{Account: "northside", Resource: resource}})
}

// late stores an event that was sent long ago and was on its way since: behind the first of a page they carry no expectation.
func (s *stream) late(e schemas.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sequence++
	s.messages = append(s.messages, message{s.sequence, e})
}

func (s *stream) last(account string, resource schemas.Resource) uint64 {
	for i := len(s.messages) - 1; i >= 0; i-- {
		if e := &s.messages[i].event; e.Account == account && e.Resource == resource {
			return s.messages[i].sequence
		}
	}
	return 0
}

func (s *stream) Publish(ctx context.Context, events []schemas.Event, last uint64) (uint64, error) {
	if d, ok := ctx.Deadline(); ok && s.onDeadline != nil {
		s.onDeadline(d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.last(events[0].Account, events[0].Resource); at != last {
		return 0, fmt.Errorf("it ends at %d, not %d: %w", at, last, schemas.ErrStreamAhead)
	}
	n, err := len(events), error(nil)
	if s.onPublish != nil {
		n, err = s.onPublish(n)
	}
	for i, e := range events[:n] {
		if err != nil && i > 0 && i == s.hole {
			continue
		}
		body := e.AppendJSON(nil)
		back, parseErr := schemas.ParseEvent(body)
		if parseErr != nil {
			panic(parseErr)
		}
		if i > 0 && (e.Account != events[0].Account || e.Resource != events[0].Resource) {
			panic("a page of two resources")
		}
		back.Began, back.After, back.Print = e.Began, e.After, e.Print
		s.sequence++
		s.messages = append(s.messages, message{s.sequence, back})
	}
	return s.sequence, err
}

func (s *stream) ReadBack(_ context.Context, account string, resource schemas.Resource, after uint64,
	f func(uint64, schemas.Event) error,
) (schemas.Extent, error) {
	s.mu.Lock()
	extent := schemas.Extent{Last: s.last(account, resource), Dropped: len(s.dropped) > 0, First: s.sequence + 1, Newest: s.sequence}
	if len(s.messages) > 0 {
		extent.First = s.messages[0].sequence
	}
	messages := append([]message(nil), s.messages...)
	s.mu.Unlock()
	for _, m := range messages {
		if m.event.ID != "" && m.sequence > after && m.event.Account == account && m.event.Resource == resource {
			if s.onRead != nil {
				if err := s.onRead(); err != nil {
					return extent, err
				}
			}
			if err := f(m.sequence, m.event); err != nil {
				return extent, err
			}
		}
	}
	return extent, nil
}

// drop forgets the oldest n messages, as retention does.
func (s *stream) drop(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n = min(n, len(s.messages))
	s.dropped, s.messages = append(s.dropped, s.messages[:n]...), s.messages[n:]
}
