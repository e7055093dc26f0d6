package bridge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A key that is written into its file is used for the next request, without a restart. One of another shard is not.
func TestAnAPIKeyIsReplaced(t *testing.T) {
	server := publishertest.Start(t, publishertest.Options{})
	clinic := clinikotest.New(clinikotest.Options{Key: "right-au1"})
	clinic.Populate(clinikotest.Sizes{"patients": 5})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	file := filepath.Join(t.TempDir(), "api.key")
	put := func(key string) {
		if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("revoked-au1")
	core, logs := observer.New(zap.InfoLevel)
	b, stop := startUntil(t, fmt.Sprintf(`
accounts:
  - {api_key_file: %q, user_agent: "Test (ops@clinic.example)", base_url: %q, resources: [patients]}
resources: {patients: {schedule: "@every 1s"}}
nats: {url: %q, subject: "cliniko.{account}.{resource}.{verb}"}
data_dir: %q
`, file, api.URL, server.URL(), t.TempDir()), zap.New(core))
	defer stop()
	within(t, time.Minute, "that the key is refused", func() bool {
		return strings.Contains(strings.Join(b.Ready(t.Context()), ""), "401")
	})
	put("right-au1")
	within(t, time.Minute, "the baseline", func() bool { return complete(b) })
	put("right-uk1")
	s := &scene{account: "default", resource: "patients", clinic: clinic, id: clinic.Create("patients")}
	if told := s.told(t, server.JetStream(t), 1); len(told) != 1 || told[0] != schemas.Created {
		t.Errorf("told %v with a key that is not of the shard", told)
	}
	refused := logs.FilterMessage("the API key in api_key_file cannot be used; the one before stays").All()
	if len(refused) != 1 || !strings.Contains(refused[0].ContextMap()["reason"].(string), "shard uk1, and the account is on au1") {
		t.Errorf("logged %v, want one line that names the shards", refused)
	}
	if n := logs.FilterMessage("the API key was changed").Len(); n != 1 {
		t.Errorf("the change was logged %d times, want once", n)
	}
}
