package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// send makes a request, as a test of an integrator's does. It sets ID to the id in the answer, if there is one.
func send(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) < 2 || len(args) > 3, "[!] send METHOD URL [BODY]")
	ctx, cancel := context.WithTimeout(context.Background(), awaitLimit)
	defer cancel()
	var body io.Reader
	if len(args) == 3 {
		body = strings.NewReader(args[2])
	}
	req, err := http.NewRequestWithContext(ctx, args[0], args[1], body)
	ts.Check(err)
	client := http.Client{Timeout: 30 * time.Second}
	resp, err := client.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }() // what was read counts
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	_, err = ts.Stdout().Write(answer)
	ts.Check(err)
	if good := resp.StatusCode/100 == 2; good == neg {
		ts.Fatalf("%s %s: %s %s", args[0], args[1], resp.Status, answer)
	}
	if _, rest, ok := strings.Cut(string(answer), `"id":"`); ok {
		id, _, _ := strings.Cut(rest, `"`)
		ts.Setenv("ID", id)
	}
}
