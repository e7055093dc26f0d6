package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const unitFile = "cliniko-bridge.service"

// unit is the text of the systemd unit, and its settings by their names.
func unit(t *testing.T) (text string, settings map[string][]string) {
	t.Helper()
	data, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	settings = map[string][]string{}
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			settings[name] = append(settings[name], value)
		}
	}
	return string(data), settings
}

// systemd knows every setting of the unit, and finds the service well closed.
func TestSystemdTakesTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	switch {
	case err != nil && os.Getenv("REQUIRE_SERVICES") == "1":
		t.Fatal("systemd-analyze is not on PATH, and REQUIRE_SERVICES=1")
	case err != nil:
		t.Skip("systemd-analyze is not on PATH: this needs it")
	}
	program, err := imageBinary()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := unit(t)
	path := filepath.Join(t.TempDir(), unitFile)
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "/usr/local/bin/cliniko-bridge", program)), 0o600); err != nil {
		t.Fatal(err)
	}
	// What is wrong it says, and mostly its exit status is 0 nevertheless.
	out, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), unitFile) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	// The exposure is 0.0 to 10.0, times ten here. What is left is that it is on the network.
	if out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", "--no-pager", path).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// What the unit starts is a command of the program, and the configuration that it shows is one that the program takes.
func TestTheUnitStartsTheBridge(t *testing.T) {
	program, err := imageBinary()
	if err != nil {
		t.Fatal(err)
	}
	text, settings := unit(t)
	if got, want := settings["ExecStart"], "/usr/local/bin/cliniko-bridge run --config /etc/cliniko-bridge/bridge.yaml"; len(got) != 1 || got[0] != want {
		t.Errorf("ExecStart=%v, want %s", got, want)
	}
	sample := regexp.MustCompile(`(?m)^#   (accounts:\n(?:#   .*\n)+)`).FindStringSubmatch(text)
	if sample == nil {
		t.Fatal("the unit shows no configuration")
	}
	credentials := t.TempDir()
	for _, c := range settings["LoadCredential"] {
		name, file, _ := strings.Cut(c, ":")
		if filepath.Base(file) != name {
			t.Errorf("LoadCredential=%s: the file has another name", c)
		}
		if err := os.WriteFile(filepath.Join(credentials, name), []byte("MS0xLXBlcnNvbg-au1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configAccepted(t, program, []byte(strings.ReplaceAll(sample[1], "#   ", "")),
		"CREDENTIALS_DIRECTORY="+credentials, "STATE_DIRECTORY=/var/lib/"+strings.Join(settings["StateDirectory"], ""))
	for name, want := range map[string]string{
		"RestartPreventExitStatus": "2", "Restart": "on-failure", "DynamicUser": "yes", "ProtectSystem": "strict",
		"NoNewPrivileges": "yes", "MemoryDenyWriteExecute": "yes", "CapabilityBoundingSet": "",
	} {
		if got := settings[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s=%v, want %s", name, got, want)
		}
	}
	// Alerts ask for process_start_time_seconds, which is reckoned from /proc/stat.
	if got := settings["ProcSubset"]; len(got) > 0 {
		t.Errorf("ProcSubset=%v hides /proc/stat", got)
	}
	if d, err := time.ParseDuration(strings.Join(settings["TimeoutStopSec"], "")); err != nil || d <= 10*time.Second {
		t.Errorf("TimeoutStopSec=%v, and the bridge may take ten seconds: %v", settings["TimeoutStopSec"], err)
	}
}
