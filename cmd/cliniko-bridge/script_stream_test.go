package main

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cliniko-bridge/cliniko-bridge/publisher"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/embedded"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A scriptStream is the embedded NATS server of a bridge that is not there, with its stream CLINIKO.
type scriptStream struct {
	server   *embedded.Server // nil while it is stopped
	nc       *nats.Conn
	js       jetstream.JetStream
	template publisher.Template
	told     int
}

type streamKey struct{}

func streamOf(ts *testscript.TestScript) *scriptStream { return ts.Value(streamKey{}).(*scriptStream) }

func (s *scriptStream) stop() {
	if s.server != nil {
		s.nc.Close()
		s.server.Shutdown()
		s.server = nil
	}
}

// startStream starts the server under DATA_DIR on a free port, again if it runs.
func startStream(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 1, "stream TEMPLATE")
	s := streamOf(ts)
	s.stop()
	template, err := publisher.ParseTemplate(args[0])
	ts.Check(err)
	s.template = template
	s.server, err = embedded.Start(embedded.Config{Dir: ts.Getenv("DATA_DIR") + "/nats", Listen: "127.0.0.1:0"})
	ts.Check(err)
	ts.Defer(s.stop)
	s.nc, err = nats.Connect(s.server.URL())
	ts.Check(err)
	s.js, err = jetstream.New(s.nc)
	ts.Check(err)
	_, err = publisher.Ensure(context.Background(), s.js, publisher.StreamConfig{Name: "CLINIKO", Template: template})
	ts.Check(err)
}

// tell publishes an event for each line of a file: account, resource, id, verb, with spaces between. Its record holds a value.
func tell(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 1, "tell FILE")
	s := streamOf(ts)
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		word := strings.Fields(line)
		s.told++
		e := schemas.Event{
			ID: word[0] + "/" + word[1] + "/" + word[2] + "/" + time.Now().Format(time.RFC3339Nano), Account: word[0],
			Resource: schemas.Resource(word[1]), RecordID: schemas.ID(word[2]), Verb: schemas.Verb(word[3]), Sequence: uint64(s.told),
			Time: time.Date(2027, 3, 27, 10, 3, 57, 0, time.UTC), Record: []byte("{\"id\": \"" + word[2] + "\",\n \"first_name\": \"Robin\"}"),
		}
		if e.Verb == schemas.Updated {
			e.Changed = []string{"first_name"}
		}
		m := nats.NewMsg(s.template.Subject(e.Account, e.Resource, e.Verb, e.RecordID))
		m.Data = e.AppendJSON(nil)
		m.Header.Set(publisher.HeaderID, e.ID)
		_, err := s.js.PublishMsg(context.Background(), m)
		ts.Check(err)
	}
}

// takeSubject makes a stream of its own.
func takeSubject(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 2, "takes STREAM SUBJECT")
	_, err := streamOf(ts).js.CreateStream(context.Background(), jetstream.StreamConfig{Name: args[0], Subjects: []string{args[1]}})
	ts.Check(err)
}

// listStored prints what a stream holds: the subject, the headers of a replay, and the subject in the body.
func listStored(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 1, "stored STREAM")
	stream, err := streamOf(ts).js.Stream(context.Background(), args[0])
	ts.Check(err)
	var out strings.Builder
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		m, err := stream.GetMsg(context.Background(), sequence)
		ts.Check(err)
		e, err := schemas.ParseEvent(m.Data)
		ts.Check(err)
		out.WriteString(strings.Join([]string{
			m.Subject, m.Header.Get(publisher.HeaderReplay), m.Header.Get(publisher.HeaderSubject), string(e.Resource) + "/" + string(e.RecordID),
		}, " ") + "\n")
	}
	_, err = ts.Stdout().Write([]byte(out.String()))
	ts.Check(err)
}

// resume runs a replay onto replay.north again and again. Three times it is slow, and is interrupted once it has told some
// events; each time the next goes on as it was told to.
func resume(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 1, "resume STREAM")
	next := "1"
	for range 3 {
		said, err := replayUntil(ts, next, "1", storedIn(ts, args[0])+2, args[0])
		exit, ok := errors.AsType[*exec.ExitError](err)
		_, rest, found := strings.Cut(said, "go on with --from-sequence ")
		if !ok || exit.ExitCode() != exitFailed || !found || !strings.Contains(said, "interrupted after ") {
			ts.Fatalf("%v, and said %s", err, said)
		}
		next = strings.TrimSpace(rest)
	}
	if said, err := replayUntil(ts, next, "1000", math.MaxUint64, args[0]); err != nil {
		ts.Fatalf("%v, and said %s", err, said)
	}
}

// replayUntil runs a replay until the stream holds so many messages, and then interrupts it; or to its end. It returns what the
// replay said on stderr, and how it ended.
func replayUntil(ts *testscript.TestScript, from, rate string, messages uint64, stream string) (string, error) {
	var stderr lockedBuffer
	cmd := exec.CommandContext(context.Background(), // it is waited for
		"cliniko-bridge", "replay", "--to", "replay.north", "--rate", rate, "--from-sequence", from)
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), "DATA_DIR="+ts.Getenv("DATA_DIR"))
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	done := false
	wait(ts, "a replay that goes on", func() bool {
		select {
		case err = <-ended:
			done = true
			return true
		default:
			return storedIn(ts, stream) >= messages
		}
	})
	if !done {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended
		err = <-ended
	}
	return stderr.String(), err
}

func storedIn(ts *testscript.TestScript, name string) uint64 {
	stream, err := streamOf(ts).js.Stream(context.Background(), name)
	ts.Check(err)
	return stream.CachedInfo().State.Msgs
}
