package publisher_test

import (
	"testing"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// Each resource of each account has a checkpoint of its own, the last one counts, and another process finds it.
func TestCheckpointsAreKept(t *testing.T) {
	server := publishertest.Start(t, publishertest.Options{})
	js := server.JetStream(t)
	cfg := publisher.StreamConfig{Name: stream, Template: parse(t, publisher.DefaultTemplate)}
	if _, err := publisher.Ensure(t.Context(), js, cfg); err != nil {
		t.Fatal(err)
	}
	process := func() *publisher.Publisher {
		kv, err := publisher.EnsureCheckpoints(t.Context(), js, cfg)
		if err != nil {
			t.Fatal(err)
		}
		p, err := publisher.New(t.Context(), js.Conn(), publisher.Config{Stream: stream, Template: cfg.Template, Checkpoints: kv}, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := process()
	want := func(account, value string) {
		t.Helper()
		if got, err := p.Checkpoint(t.Context(), account, "patients"); string(got) != value || err != nil {
			t.Errorf("%s: got %q, %v; want %q", account, got, err, value)
		}
	}
	put := func(account, value string) {
		t.Helper()
		if err := p.PutCheckpoint(t.Context(), account, "patients", []byte(value)); err != nil {
			t.Error(err)
		}
	}
	want("north-1", "")
	put("north-1", "one")
	put("south", "two")
	put("north-1", "three")
	p = process()
	want("north-1", "three")
	want("south", "two")

	// Without a bucket there is none, and to keep one is an error that the caller sees.
	if err := js.DeleteKeyValue(t.Context(), publisher.CheckpointsOf(stream)); err != nil {
		t.Fatal(err)
	}
	want("north-1", "")
	if err := p.PutCheckpoint(t.Context(), "north-1", "patients", []byte("four")); err == nil {
		t.Error("kept in a bucket that is gone")
	}
	p = process()
	put("north-1", "five")
	want("north-1", "five")
}
