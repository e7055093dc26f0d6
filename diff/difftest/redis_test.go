package difftest_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
)

// say sends one inline command and returns the first line of the reply.
func say(t *testing.T, r *difftest.Redis, command string) (string, error) {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", r.Addr)
	if err != nil {
		return "", err
	}
	defer conn.Close() //nolint:errcheck // the reply was read
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

// What Redis has acknowledged survives a SIGKILL and a restart on the same address.
func TestRedisSurvivesKill(t *testing.T) {
	r := difftest.StartRedis(t)
	if got, err := say(t, r, "SET k v"); err != nil || got != "+OK" {
		t.Fatalf("got %q and %v", got, err)
	}
	r.Kill()
	if _, err := say(t, r, "PING"); err == nil {
		t.Error("it answers although it was killed")
	}
	for range 2 { // after a crash, and while it runs
		r.Restart()
		if got, err := say(t, r, "EXISTS k"); err != nil || got != ":1" {
			t.Errorf("got %q and %v, want the key that was set", got, err)
		}
	}
}

func TestRedisTakesArguments(t *testing.T) {
	r := difftest.StartRedis(t, "--appendonly", "no")
	if got, err := say(t, r, "SET k v"); err != nil || got != "+OK" {
		t.Fatalf("got %q and %v", got, err)
	}
	r.Restart()
	if got, err := say(t, r, "EXISTS k"); err != nil || got != ":0" {
		t.Errorf("got %q and %v, want no key: there is no file", got, err)
	}
}
