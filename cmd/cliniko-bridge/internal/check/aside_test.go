package check_test

import (
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
)

// What the last bridge set aside is a warning that counts it; a note that is damaged is one, too.
func TestWhatIsSetAside(t *testing.T) {
	for note, want := range map[string]string{
		`{"patients":{"count":2,"newest":[{"id":"5","list":"live","reason":"larger than the stream takes"},{"id":"6"}]},` +
			`"invoices":{"count":0},"contacts":{"count":1,"newest":[{"list":"live","reason":"no id"}]}}`: "patients: 2 records cannot be handled, and nothing is told of them until they change; the newest: 5 (live list): larger than the stream takes",
		`[]`: "it is damaged",
		`{}`: "",
	} {
		s := newSetup(t, clinikotest.Options{})
		s.more = "    resources: [patients]"
		s.state = "{fingerprint_key: 0123456789abcdef0123456789abcdef}"
		cfg := s.config()
		knows(t, cfg, 1, nil)
		store, err := bridge.OpenStore(t.Context(), cfg, zap.NewNop())
		if err != nil {
			t.Fatal(err)
		}
		if err := store.PutNote(t.Context(), "northside", "set_aside", []byte(note), 0); err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		report := s.run()
		if want == "" {
			if strings.Contains(shown(report), "set aside") {
				t.Errorf("%s: got\n%s", note, shown(report))
			}
			continue
		}
		wants(t, report, "northside: set aside", render.Warning, want)
	}
}
