package bridge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// The URL that people are shown has no user, password or token, wherever in the configured one they stand.
func TestTheURLThatIsShown(t *testing.T) {
	for conf, user := range map[string]string{
		"authorization {user: zzuser, password: zzpassword}": "zzuser:zzpassword@",
		"authorization {token: zztoken}":                     "zztoken@",
		"":                                                   "",
	} {
		server := publishertest.Start(t, publishertest.Options{Config: conf, NoJetStream: true})
		b := &Bridge{nats: publishertest.Connect(t, strings.Replace(server.URL(), "://", "://"+user, 1))}
		want := "nats://" + server.NS.Addr().String()
		if got := b.URL(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A key that was lost is not made anew in silence; one that was never there is.
func TestALostFingerprintKeyIsToldOf(t *testing.T) {
	dir := t.TempDir()
	cfg := func() *config.Config {
		return &config.Config{DataDir: dir, NATS: config.NATS{Subject: "cliniko.{resource}.{verb}"}}
	}
	warnings := func(cfg *config.Config) int {
		core, logs := observer.New(zap.WarnLevel)
		if _, err := New(cfg, Options{Log: zap.New(core)}); err != nil {
			t.Fatal(err)
		}
		return logs.Len()
	}
	if n := warnings(cfg()); n != 0 {
		t.Errorf("got %d warnings of a folder that is new, want none", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "state.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if n := warnings(cfg()); n != 0 {
		t.Errorf("got %d warnings of a key that is there, want none", n)
	}
	if err := os.Remove(filepath.Join(dir, "fingerprint.key")); err != nil {
		t.Fatal(err)
	}
	given := cfg()
	given.State.FingerprintKey = config.NewSecret(strings.Repeat("k", 32))
	if n := warnings(given); n != 0 {
		t.Errorf("got %d warnings with a key in the configuration, want none", n)
	}
	if n := warnings(cfg()); n != 1 {
		t.Errorf("got %d warnings of a key that is lost, want one", n)
	}
	if n := warnings(cfg()); n != 0 {
		t.Errorf("got %d warnings of the key that was made, want none", n)
	}
}

// A Redis that refuses us is not waited for: whatever is wrong in our configuration, a process that waits never sees it mended.
func TestARedisThatRefusesUsEndsTheStart(t *testing.T) {
	state := difftest.StartRedis(t, "--requirepass", "right")
	cfg := &config.Config{State: config.State{RedisURL: config.NewSecret(strings.Replace(state.URL, "://", "://:zzwrong@", 1))}}
	_, err := OpenStore(t.Context(), cfg, zap.NewNop())
	if err == nil || !strings.Contains(err.Error(), "state.redis_url") || strings.Contains(err.Error(), "zzwrong") {
		t.Errorf("got %v, want an error that names state.redis_url", err)
	}
}
