package publisher_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What is read back are the events behind a sequence, in order, over several batches.
func TestReadBack(t *testing.T) {
	r := standard(t)
	if ids, extent := readBack(t, r.p, 0); ids != nil || extent != (schemas.Extent{}) {
		t.Errorf("of an empty stream: %v, %+v", ids, extent)
	}
	const n = 2345
	last := uint64(0)
	for from := 1; from <= n; from += 67 {
		last = publish(t, r.p, events("north", from, 67), last)
	}
	for _, after := range []uint64{0, 1, 999, 1000, 1001, last - 1, last, last + 5} {
		ids, extent := readBack(t, r.p, after)
		if want := (schemas.Extent{Last: last, First: 1, Newest: last}); extent != want {
			t.Errorf("behind %d: extent is %+v, want %+v", after, extent, want)
		}
		if len(ids) != int(last-min(after, last)) {
			t.Fatalf("behind %d: %d events, want %d", after, len(ids), last-min(after, last))
		}
		for i, id := range ids {
			if want := strconv.Itoa(int(after) + 1 + i); id != want {
				t.Fatalf("behind %d: event %d is of record %s, want %s", after, i, id, want)
			}
		}
	}
}

// An event comes back as it was published, its headers included, with its own sequence.
func TestReadBackIsWhatWasPublished(t *testing.T) {
	r := standard(t)
	page := goldenEvents()
	publish(t, r.p, page, 0)
	i := 0
	_, err := r.p.ReadBack(t.Context(), "northside", "appointments", 0, func(sequence uint64, e schemas.Event) error {
		if sequence != uint64(i+1) {
			t.Errorf("event %d has the sequence %d", i, sequence)
		}
		equalEvents(t, e, page[i])
		i++
		return nil
	})
	if err != nil || i != len(page) {
		t.Errorf("%d events, %v; want %d", i, err, len(page))
	}
}

// Messages that are not ours are passed over with a warning that shows nothing of them, and count in the extent.
func TestStrangeMessages(t *testing.T) {
	url := publishertest.Start(t, publishertest.Options{}).URL()
	r := setup(t, url, url, publisher.DefaultTemplate, 0)
	core, logs := observer.New(zap.DebugLevel)
	p, err := publisher.New(t.Context(), r.nc, publisher.Config{Stream: stream, Template: parse(t, publisher.DefaultTemplate)}, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	publish(t, p, events("north", 1, 1), 0)
	south := events("south", 99, 1)
	for _, body := range []string{"", "Zebulon", `{"id": "Zebulon"}`, `{"specversion":["Zebulon"]}`, string(south[0].AppendJSON(nil))} {
		if _, err := r.js.Publish(t.Context(), "cliniko.patients.updated", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, p, events("north", 2, 1), 6)

	ids, extent := readBack(t, p, 0)
	if want := []string{"1", "2"}; !slices.Equal(ids, want) || extent.Last != 7 {
		t.Errorf("ReadBack = %v, %+v; want %v up to 7", ids, extent, want)
	}
	if logs.Len() != 1 {
		t.Fatalf("%d log lines, want 1: %v", logs.Len(), logs.All())
	}
	fields := logs.All()[0].ContextMap()
	if fields["messages"] != int64(5) || fields["first_sequence"] != uint64(2) {
		t.Errorf("logged %v", fields)
	}
	for key, value := range fields {
		if s, ok := value.(string); ok && strings.Contains(s, "Zebulon") {
			t.Errorf("the log shows a message under %s", key)
		}
	}
}

// The reading stops at the first error of its caller and hands it back as it is.
func TestReadBackStops(t *testing.T) {
	r := standard(t)
	publish(t, r.p, events("north", 1, 10), 0)
	enough, calls := errors.New("enough"), 0
	_, err := r.p.ReadBack(t.Context(), "north", "patients", 0, func(sequence uint64, _ schemas.Event) error {
		if calls++; sequence == 3 {
			return enough
		}
		return nil
	})
	if err != enough || calls != 3 { //nolint:errorlint // the very error is promised
		t.Errorf("ReadBack = %v after %d calls, want %v after 3", err, calls, enough)
	}
}

// Messages that retention takes away while they are due are not waited for, be it the last or all; nor does one that
// comes behind the last take its place.
func TestRemovedWhileReading(t *testing.T) {
	const n = 2500
	for name, purge := range map[string]func(r rig) error{
		"the last": func(r rig) error {
			s, err := r.js.Stream(t.Context(), stream)
			if err != nil {
				return err
			}
			return s.DeleteMsg(t.Context(), n)
		},
		"the last, and another comes": func(r rig) error {
			s, err := r.js.Stream(t.Context(), stream)
			if err != nil {
				return err
			}
			publish(t, r.p, events("north", n+1, 1), n)
			return s.DeleteMsg(t.Context(), n)
		},
		"all": func(r rig) error {
			s, err := r.js.Stream(t.Context(), stream)
			if err != nil {
				return err
			}
			return s.Purge(t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := standard(t)
			publish(t, r.p, events("north", 1, n), 0)
			calls := 0
			extent, err := r.p.ReadBack(t.Context(), "north", "patients", 0, func(uint64, schemas.Event) error {
				if calls++; calls == 1 {
					return purge(r)
				}
				return nil
			})
			if err != nil || !extent.Dropped {
				t.Errorf("ReadBack = %+v, %v", extent, err)
			}
			if name != "all" && calls != n-1 {
				t.Errorf("%d events, want %d", calls, n-1)
			}
			if _, extent := readBack(t, r.p, uint64(calls)); extent.Last == n {
				t.Errorf("a second look ends at %d, which is gone", extent.Last)
			}
		})
	}
}

// Events that come while the reading goes on are not waited for.
func TestAddedWhileReading(t *testing.T) {
	r := standard(t)
	last := publish(t, r.p, events("north", 1, 10), 0)
	calls := 0
	extent, err := r.p.ReadBack(t.Context(), "north", "patients", 0, func(uint64, schemas.Event) error {
		calls++
		last = publish(t, r.p, events("north", 100+calls, 1), last)
		return nil
	})
	if err != nil || calls != 10 || extent.Last != 10 || extent.Newest != 10 {
		t.Errorf("ReadBack = %+v, %v with %d events; want 10", extent, err, calls)
	}
}

// A stream that lost a message from its middle says so.
func TestDroppedInTheMiddle(t *testing.T) {
	r := standard(t)
	publish(t, r.p, events("north", 1, 3), 0)
	s, err := r.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteMsg(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	ids, extent := readBack(t, r.p, 0)
	if want := (schemas.Extent{Last: 3, First: 1, Newest: 3, Dropped: true}); extent != want || !slices.Equal(ids, []string{"1", "3"}) {
		t.Errorf("ReadBack = %v, %+v, want %+v", ids, extent, want)
	}
}
