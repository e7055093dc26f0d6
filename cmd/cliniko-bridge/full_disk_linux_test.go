package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A smallDisk is a disk of 32 MB that is mounted for one process alone, at dir.
type smallDisk struct {
	t   *testing.T
	dir string
	p   *process
}

// newSmallDisk skips the test where a process may have no mounts of its own.
func newSmallDisk(t *testing.T) *smallDisk {
	t.Helper()
	d := &smallDisk{t: t, dir: t.TempDir()}
	try := exec.CommandContext(t.Context(), "/bin/true")
	d.mount(try)
	if out, err := try.CombinedOutput(); err != nil {
		t.Skipf("no disk can be mounted for a process here: %v %s", err, out)
	}
	return d
}

// mount lets cmd have the disk, by a shell that mounts it and becomes cmd.
func (d *smallDisk) mount(cmd *exec.Cmd) {
	args := append([]string{"sh", "-c", `mount -t tmpfs -o size=32m tmpfs "$0" && exec "$@"`, d.dir, cmd.Path}, cmd.Args[1:]...)
	cmd.Path, cmd.Args = "/bin/sh", args
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
}

// ballast is a file on the disk, as it is seen from outside.
func (d *smallDisk) ballast() string {
	return filepath.Join("/proc", fmt.Sprint(d.p.cmd.Process.Pid), "root", d.dir, "ballast")
}

func (d *smallDisk) fill() {
	d.t.Helper()
	f, err := os.Create(d.ballast())
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	zeros, err := os.Open("/dev/zero")
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = zeros.Close() }()
	if _, err := io.CopyN(f, zeros, 64<<20); err == nil {
		d.t.Fatal("the disk does not end")
	}
}

// A disk that is full is waited for, and /readyz says so. Nothing is lost by it and nothing told twice, whether it is the store
// that meets it first or the embedded NATS server.
func TestAFullDiskIsWaitedFor(t *testing.T) {
	t.Parallel() // most of it is waiting
	for name, what := range map[string]struct {
		redis  bool // the store is elsewhere, and else NATS is
		reason string
	}{
		"with the store on it":   {reason: "data_dir cannot be written to"},
		"with the streams on it": {redis: true, reason: "the stream cannot be written to"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, disk := newStopScene(t, 40), newSmallDisk(t)
			var url, more string
			if what.redis {
				addr := freeAddr(t)
				url, more = "nats://"+addr, fmt.Sprintf("nats: {listen: %q}\n", addr)+onRedis(difftest.StartRedis(t).URL)
			} else {
				url = publishertest.Start(t, publishertest.Options{}).URL()
				more = fmt.Sprintf("nats: {url: %q}\n", url)
			}
			s.dir, s.within = filepath.Join(disk.dir, "data"), disk.mount
			disk.p = s.run(180, more)
			waitFor(t, stopLimit, "the baseline", disk.p.baselinesComplete)

			disk.fill()
			ids := make([]schemas.ID, 1000) // more than fits where something was before
			for i := range ids {
				ids[i] = s.clinic.Create("patients")
			}
			disk.p.unready(what.reason)
			if err := os.Remove(disk.ballast()); err != nil {
				t.Fatal(err)
			}
			js := publishertest.JetStream(t, publishertest.Connect(t, url, nats.MaxReconnects(-1)))
			var told map[key][]schemas.Event
			waitFor(t, stopLimit, "every change", func() bool {
				stream, err := js.Stream(context.Background(), "CLINIKO")
				if err != nil || stream.CachedInfo().State.Msgs < uint64(len(ids)) {
					return false
				}
				told = events(t, js, stream.CachedInfo().Config.Name)
				return true
			})
			for _, id := range ids {
				if n := len(told[key{"patients", id}]); n != 1 {
					t.Errorf("the creation of %s was told %d times, want once", id, n)
				}
			}
			waitFor(t, stopLimit, "it is ready", func() bool { _, code := disk.p.get("/readyz"); return code == 200 })
			disk.p.stop()
		})
	}
}
