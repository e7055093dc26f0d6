package deploy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// BenchmarkSizeOfABridge is what deploy/README.md has of memory and processor: one bridge with many accounts on servers, each
// account with 100 patients and all its resources, or but two, once every first look is done and while nothing changes. It takes some
// minutes (referral sources are a request for each patient, and the budget is 180 a minute):
//
//	go test ./deploy -run '^$' -bench SizeOfABridge -benchtime 1x -timeout 60m
func BenchmarkSizeOfABridge(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("it reads /proc")
	}
	for _, c := range []struct {
		accounts  int
		resources string
	}{{1, ""}, {100, ""}, {1000, ", resources: [appointments, patients]"}} {
		b.Run(fmt.Sprint(c.accounts), func(b *testing.B) {
			for b.Loop() {
				sizeOfABridge(b, c.accounts, c.resources)
			}
		})
	}
}

func sizeOfABridge(b *testing.B, accounts int, resources string) {
	b.Helper()
	program, err := imageBinary()
	if err != nil {
		b.Fatal(err)
	}
	state, bus := difftest.StartRedis(b), publishertest.Start(b, publishertest.Options{})
	var text strings.Builder
	text.WriteString("accounts:\n")
	for i := range accounts {
		clinic := clinikotest.New(clinikotest.Options{Key: fmt.Sprintf("clinic%d-au1", i), KeepVersions: 1})
		clinic.Populate(clinikotest.Sizes{"patients": 100})
		api := clinikotest.NewServer(clinic)
		b.Cleanup(api.Close)
		fmt.Fprintf(&text, "  - {name: a%d, api_key: %q, user_agent: \"Test (ops@clinic.example)\", base_url: %q%s}\n", i, clinic.Key(), api.URL, resources)
	}
	admin, dir := unusedAddr(b), b.TempDir()
	fmt.Fprintf(&text, "nats: {url: %q, subject: \"cliniko.{account}.{resource}.{verb}\"}\n", bus.URL())
	fmt.Fprintf(&text, "state: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}\n", state.URL)
	fmt.Fprintf(&text, "admin: {listen: %q}\ndata_dir: %q\n", admin, dir)
	config := filepath.Join(dir, "bridge.yaml")
	if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	bridge := exec.CommandContext(b.Context(), program, "run", "--config", config)
	if err := bridge.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = bridge.Process.Kill()
		_ = bridge.Wait() // it was killed
	})
	for !looked(b, program, config, accounts) {
		pause(b, 2*time.Second)
	}
	before := processor(b, bridge.Process.Pid)
	const watched = time.Minute
	pause(b, watched)
	b.ReportMetric((processor(b, bridge.Process.Pid)-before).Seconds()/watched.Seconds()*100, "%core")
	b.ReportMetric(memory(b, bridge.Process.Pid, "VmRSS"), "MB-now")
	b.ReportMetric(memory(b, bridge.Process.Pid, "VmHWM"), "MB-most")
	b.ReportMetric(0, "ns/op")
}

// looked says whether every first look is done.
func looked(b *testing.B, program, config string, accounts int) bool {
	b.Helper()
	out, err := exec.CommandContext(b.Context(), program, "status", "--json", "--config", config).Output()
	if err != nil {
		return false
	}
	var s struct {
		Accounts []struct{ Resources []struct{ Baseline string } }
	}
	if err := json.Unmarshal(out, &s); err != nil {
		b.Fatal(err)
	}
	for _, a := range s.Accounts {
		if len(a.Resources) == 0 {
			return false
		}
		for _, r := range a.Resources {
			if r.Baseline != "complete" {
				return false
			}
		}
	}
	return len(s.Accounts) == accounts
}

// pause lets the bridge work.
func pause(b *testing.B, d time.Duration) {
	b.Helper()
	select {
	case <-time.After(d):
	case <-b.Context().Done():
		b.Fatal(b.Context().Err())
	}
}

// memory is what /proc/PID/status says under name, in megabytes.
func memory(b *testing.B, pid int, name string) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	kB, err := strconv.ParseFloat(string(regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(text)[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kB * 1024 / 1e6
}

// processor is how much processor time the process has had, user and system: /proc/PID/stat counts it in hundredths.
func processor(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	var total time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(string(f))
		if err != nil {
			b.Fatal(err)
		}
		total += time.Duration(n) * 10 * time.Millisecond
	}
	return total
}
