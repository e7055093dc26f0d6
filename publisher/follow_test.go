package publisher_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// follow hands out the record ids that a follower of the rig meets, until the test ends.
func follow(t *testing.T, r *replayRig, since time.Time) (ids <-chan string) {
	t.Helper()
	reader, err := r.reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	met := make(chan string, 1000)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		done <- reader.Follow(ctx, since, publisher.Selection{}, func(s publisher.Stored) error {
			met <- string(s.Event.RecordID)
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Follow = %v", err)
		}
	})
	return met
}

// wantNext fails the test unless the records from first to last are met next, each once.
func wantNext(t *testing.T, ids <-chan string, first, last int) {
	t.Helper()
	var got, want []string
	for id := first; id <= last; id++ {
		want = append(want, strconv.Itoa(id))
		select {
		case id := <-ids:
			got = append(got, id)
		case <-time.After(time.Minute):
			t.Fatalf("within a minute: %q", got)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// A follower keeps its place when the server is killed and started again, even if it has met nothing yet.
func TestAFollowerOutlivesItsServer(t *testing.T) {
	server := publishertest.StartProcess(t)
	r := newReplayRig(t, server.URL(), publisher.DefaultTemplate)
	if err := r.tell(t.Context(), events("north", 1, 1)...); err != nil {
		t.Fatal(err)
	}
	ids := follow(t, r, time.Time{})
	for first := 2; first < 6; first += 2 {
		server.Restart(t)
		connected(t, r.nc)
		if err := r.tell(t.Context(), events("north", first, 2)...); err != nil {
			t.Fatal(err)
		}
		wantNext(t, ids, first, first+1)
	}
}

// A follower goes on with a stream that was deleted and made anew, from its beginning.
func TestAFollowerOfAStreamThatIsMadeAnew(t *testing.T) {
	r := newReplayRig(t, publishertest.Start(t, publishertest.Options{}).URL(), publisher.DefaultTemplate)
	if err := r.tell(t.Context(), events("north", 1, 3)...); err != nil {
		t.Fatal(err)
	}
	ids := follow(t, r, time.Now().Add(-time.Hour))
	wantNext(t, ids, 1, 3)
	if err := r.js.DeleteStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	if _, err := publisher.Ensure(t.Context(), r.js, publisher.StreamConfig{Name: stream, Template: r.config.Template}); err != nil {
		t.Fatal(err)
	}
	if err := r.tell(t.Context(), events("north", 4, 1)...); err != nil {
		t.Fatal(err)
	}
	wantNext(t, ids, 4, 4)
}

// It begins with what is new, or with what was stored since a time.
func TestWhereAFollowerBegins(t *testing.T) {
	r := newReplayRig(t, publishertest.Start(t, publishertest.Options{}).URL(), publisher.DefaultTemplate)
	if err := r.tell(t.Context(), events("north", 1, 3)...); err != nil {
		t.Fatal(err)
	}
	s, err := r.js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.GetMsg(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	fresh, since := follow(t, r, time.Time{}), follow(t, r, second.Time)
	wantNext(t, since, 2, 3)
	if err := r.tell(t.Context(), events("north", 4, 1)...); err != nil {
		t.Fatal(err)
	}
	wantNext(t, since, 4, 4)
	wantNext(t, fresh, 4, 4)
	found := 0
	for info := range s.ListConsumers(t.Context()).Info() {
		if info.Config.Description == publisher.Follows && info.Config.AckPolicy == jetstream.AckNonePolicy {
			found++
		}
	}
	if found != 2 {
		t.Errorf("the server shows %d followers, want 2", found)
	}
}
