package check_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// knows makes the configuration's store know so many patients, and leaves the notes of a sweep in it.
func knows(t *testing.T, cfg *config.Config, patients int, notes map[schemas.Resource]bridge.SweepNote) {
	t.Helper()
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := bridge.OpenStore(t.Context(), cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	lease, err := store.Acquire(t.Context(), "northside", "test", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	entries := make(map[schemas.ID][]byte)
	for i := range patients {
		entries[schemas.ID(fmt.Sprint(i+1))] = []byte{1}
	}
	err = store.Commit(t.Context(), lease, diff.Commit{
		Account: "northside", Resource: "patients", State: []byte("{}"), Entries: entries, Expect: patients,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := bridge.PutSweepNote(t.Context(), store, "northside", notes); err != nil {
		t.Fatal(err)
	}
	if err := store.Release(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
}

// What the sweep holds back is wrong, in whichever store it is noted, and says what lets it through. Where nothing is
// held back, nothing is said.
func TestWhatTheSweepHoldsBack(t *testing.T) {
	states := map[string]func(t *testing.T) string{
		"file": func(*testing.T) string { return "{fingerprint_key: 0123456789abcdef0123456789abcdef}" },
		"Redis": func(t *testing.T) string {
			t.Helper()
			return fmt.Sprintf("{redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}", difftest.StartRedis(t).URL)
		},
	}
	for name, state := range states {
		t.Run(name, func(t *testing.T) {
			s := newSetup(t, clinikotest.Options{})
			s.more = "    resources: [patients]"
			s.state = state(t)
			knows(t, s.config(), 1412, map[schemas.Resource]bridge.SweepNote{
				"patients": {Last: time.Now(), Held: 1012}, "invoices": {Last: time.Now()}, "contacts": {Held: 3},
			})
			report := s.run()
			wants(t, report, "northside: sweep", render.Wrong, "patients: 1,012 of 1,412 records are gone at once, and nothing is told: "+
				`find out why, then let it through with "cliniko-bridge sweep --accept patients"`)
			wants(t, report, "northside: sweep", render.Wrong, "contacts: 3 records are gone at once") // of a number that is not known
			if report.Wrong() != 2 || strings.Contains(shown(report), "invoices") {
				t.Errorf("want two rows of the sweep:\n%s", shown(report))
			}
		})
	}
}

// A note that is damaged hides nothing that is known to be wrong.
func TestADamagedNoteOfTheSweep(t *testing.T) {
	s := newSetup(t, clinikotest.Options{})
	s.more = "    resources: [patients]"
	s.state = "{fingerprint_key: 0123456789abcdef0123456789abcdef}"
	cfg := s.config()
	knows(t, cfg, 1, nil)
	store, err := bridge.OpenStore(t.Context(), cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.PutNote(t.Context(), "northside", "sweep", []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	wants(t, s.run(), "northside: sweep", render.Warning, "it is damaged")
}
