package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// Servers that have to be set up otherwise end `run` with status 2, as a bad configuration does: neither waiting nor starting
// again mends them.
func TestServersThatCannotBeUsedEndWithStatusTwo(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "bridge.yaml")
	text := "accounts: [{api_key: " + clinikotest.New(clinikotest.Options{}).Key() + ", user_agent: Test (ops@clinic.example)}]\n" +
		"nats: {url: '" + publishertest.StartFake(t, "2.9.25") + "'}\nadmin: {listen: '127.0.0.1:0'}\ndata_dir: " + dir + "\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr lockedBuffer // a last line may be on its way
	status := run(t.Context(), []string{"run", "--config", config}, func(string) string { return "" }, io.Discard, &stderr)
	if want := "cliniko-bridge: nats-server 2.9.25 is too old; install 2.11 or later\n"; status != exitUsage || !strings.Contains(stderr.String(), want) {
		t.Errorf("got status %d and\n%s\nwant %d and %s", status, stderr.String(), exitUsage, want)
	}
}
