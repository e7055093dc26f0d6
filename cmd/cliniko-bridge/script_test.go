package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cliniko-bridge": main, "naive-poller": naiveMain})
}

// TestScripts runs testdata/script: the command as its users meet it. Beside testscript's own commands a script has
//
//	clinic                     starts a pretended clinic; sets the environment of a bridge that follows it
//	fault KIND [RESOURCE]      makes the clinic fail; KIND is one of scriptFaults
//	edit RESOURCE              changes a record; sets ID to its id
//	exits STATUS COMMAND...    runs a command that ends with this very exit status
//	await URL [REGEXP]         waits until URL answers 200, with a match in the body
//	awaitunready URL REGEXP    waits until URL answers 503, with a match in the body
//	awaitfile FILE REGEXP      waits until FILE has a match
//	awaitlistener              waits until somebody follows the events of the bridge under DATA_DIR
//	fetch URL                  prints what URL answers with 200
//	send METHOD URL [BODY]     makes a request and prints what is answered with a status of 2xx; ! send wants another status
//	pretend STATUS...          starts a server for operators at ADMIN_LISTEN, with no bridge behind it; see startPretender
//	keys FILE                  prints the keys of the JSON in FILE, one path a line
//	stream TEMPLATE            starts an embedded NATS server under DATA_DIR with the stream CLINIKO and no bridge; anew if it runs
//	tell FILE                  publishes an event for each line: account, resource, id, verb
//	takes STREAM SUBJECT       makes a stream of its own there
//	stored STREAM              prints what a stream holds; see listStored
//	resume STREAM              replays all onto replay.north, which STREAM has, with interruptions
func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Values[clinicKey{}] = new(*clinikotest.Server)
			e.Values[streamKey{}] = new(scriptStream)
			e.Setenv("ADMIN_LISTEN", freeAddr(t))
			e.Setenv("SECOND_LISTEN", freeAddr(t))
			e.Setenv("DATA_DIR", e.WorkDir+"/data")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"clinic": startClinic, "fault": injectFault, "edit": editRecord, "exits": exits, "await": await, "awaitunready": awaitUnready,
			"send": send, "pretend": startPretender, "awaitfile": awaitFile, "awaitlistener": awaitListener, "fetch": fetch, "keys": printKeys,
			"stream": startStream, "tell": tell, "takes": takeSubject, "stored": listStored, "resume": resume,
		},
	})
}

// awaitLimit is how long a script waits for anything.
const awaitLimit = time.Minute

// clinicKey finds the script's clinic: a **clinikotest.Server that points to nil until there is one.
type clinicKey struct{}

func startClinic(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 0, "clinic")
	clinic := clinikotest.New(clinikotest.Options{})
	clinic.Populate(clinikotest.Sizes{"patients": 30, "appointments": 40, "invoices": 5})
	api := clinikotest.NewServer(clinic)
	ts.Defer(api.Close)
	*ts.Value(clinicKey{}).(**clinikotest.Server) = api
	ts.Setenv("CLINIKO_API_KEY", clinic.Key())
	ts.Setenv("CLINIKO_USER_AGENT", "Northside Bridge (ops@northside.example)")
	ts.Setenv("CLINIKO_BASE_URL", api.URL)
}

func clinicOf(ts *testscript.TestScript) *clinikotest.Server {
	api := *ts.Value(clinicKey{}).(**clinikotest.Server)
	if api == nil {
		ts.Fatalf("there is no clinic yet: use clinic")
	}
	return api
}

var scriptFaults = map[string]clinikotest.Rule{
	"forbidden":    {Fault: clinikotest.Forbidden()},
	"notfound":     {Fault: clinikotest.NotFound()},
	"unsortable":   {Fault: clinikotest.RefuseSort("updated_at")},
	"unfilterable": {Fault: clinikotest.Status(http.StatusBadRequest)},
	"unavailable":  {Fault: clinikotest.Status(http.StatusServiceUnavailable)},
}

func injectFault(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) < 1 || len(args) > 2, "fault KIND [RESOURCE]")
	rule, ok := scriptFaults[args[0]]
	if !ok {
		ts.Fatalf("there is no fault %s", args[0])
	}
	if len(args) == 2 {
		rule.Resource = schemas.Resource(args[1])
	}
	clinicOf(ts).Inject(rule)
}

func editRecord(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 1, "edit RESOURCE")
	clinic, resource := clinicOf(ts).Clinic(), schemas.Resource(args[0])
	id := clinic.IDs(resource)[0]
	clinic.EditField(resource, id)
	ts.Setenv("ID", string(id))
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) < 2, "exits STATUS COMMAND...")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) < 1 || len(args) > 2, "await URL [REGEXP]")
	match := func([]byte) bool { return true }
	if len(args) == 2 {
		match = compile(ts, args[1]).Match
	}
	wait(ts, args[0], func() bool {
		body, err := download(args[0])
		return err == nil && match(body)
	})
}

func awaitUnready(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 2, "awaitunready URL REGEXP")
	re := compile(ts, args[1])
	wait(ts, args[0]+": "+args[1], func() bool {
		body, err := download(args[0])
		return err != nil && re.Match(body)
	})
}

func awaitFile(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 2, "awaitfile FILE REGEXP")
	path, re := ts.MkAbs(args[0]), compile(ts, args[1])
	wait(ts, args[0]+": "+args[1], func() bool {
		body, err := os.ReadFile(path)
		return err == nil && re.Match(body)
	})
}

// awaitListener looks for a consumer that follows the stream, which is what tail makes and the bridge does not.
func awaitListener(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 0, "awaitlistener")
	ctx := context.Background() // a script has none; wait has a limit of its own
	address, err := os.ReadFile(ts.Getenv("DATA_DIR") + "/nats/nats.url")
	ts.Check(err)
	nc, err := nats.Connect(strings.TrimSpace(string(address)))
	ts.Check(err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	ts.Check(err)
	wait(ts, "a listener", func() bool {
		stream, err := js.Stream(ctx, "CLINIKO")
		if err != nil {
			return false
		}
		found := false
		for info := range stream.ListConsumers(ctx).Info() {
			found = found || info.Config.Description == publisher.Follows
		}
		return found
	})
}

func fetch(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 1, "fetch URL")
	body, err := download(args[0])
	ts.Check(err)
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
}

// download is the body that url answers with 200.
func download(url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // what was read counts
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return body, err
}

func printKeys(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 1, "keys FILE")
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &value))
	paths := make(map[string]bool)
	keyPaths(paths, "", value)
	list := make([]string, 0, len(paths))
	for p := range paths {
		list = append(list, p)
	}
	slices.Sort(list)
	_, err := io.WriteString(ts.Stdout(), strings.Join(list, "\n")+"\n")
	ts.Check(err)
}

// keyPaths adds the path of every key in value. The keys of events are verbs, and are no part of the form.
func keyPaths(paths map[string]bool, at string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			path := strings.TrimPrefix(at+"."+key, ".")
			paths[path] = true
			if key != "events" {
				keyPaths(paths, path, inner)
			}
		}
	case []any:
		for _, inner := range v {
			keyPaths(paths, at+"[]", inner)
		}
	}
}

func usage(ts *testscript.TestScript, wrong bool, text string) {
	if wrong {
		ts.Fatalf("usage: %s", text)
	}
}

func compile(ts *testscript.TestScript, text string) *regexp.Regexp {
	re, err := regexp.Compile("(?m)" + text)
	ts.Check(err)
	return re
}

// wait asks ok twenty times a second until it says yes.
func wait(ts *testscript.TestScript, what string, ok func() bool) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(awaitLimit)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("not within %s: %s", awaitLimit, what)
		}
	}
}
