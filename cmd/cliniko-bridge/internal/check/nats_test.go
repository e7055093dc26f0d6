package check_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/check"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/render"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/embedded"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// onNATS is the report of a setup with the server at url, after change.
func onNATS(t *testing.T, url string) check.Report {
	t.Helper()
	s := newSetup(t, clinikotest.Options{})
	s.nats = fmt.Sprintf("{url: %q}", url)
	s.more = "    resources: [patients]"
	return s.run()
}

// A server without our stream is well: run makes the stream, and the check does not.
func TestNATS(t *testing.T) {
	srv := publishertest.Start(t, publishertest.Options{})
	report := onNATS(t, srv.URL())
	wants(t, report, "NATS", render.OK, "connected to "+strings.TrimPrefix(srv.URL(), "nats://"))
	wants(t, report, "NATS permissions", render.OK, "no restrictions")
	wants(t, report, "JetStream", render.OK, "0 bytes of ")
	wants(t, report, "stream CLINIKO", render.OK, "`run` makes it, for cliniko.*.*")
	if report.Wrong() > 0 {
		t.Errorf("something is wrong:\n%s", shown(report))
	}
	for name := range srv.JetStream(t).StreamNames(t.Context()).Name() {
		t.Errorf("the check made stream %s", name)
	}
}

func TestNATSUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	report := onNATS(t, "nats://ops:zzsecretzz@"+addr)
	wants(t, report, "NATS", render.Wrong, "connect to nats://"+addr)
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("it took %s", d)
	}
	if strings.Contains(shown(report), "zzsecretzz") {
		t.Error("the password is in the report")
	}
}

func TestNATSRefusesThePassword(t *testing.T) {
	srv := publishertest.Start(t, publishertest.Options{User: "ops", Password: "right"})
	addr := strings.TrimPrefix(srv.URL(), "nats://")
	report := onNATS(t, "nats://ops:zzsecretzz@"+addr)
	wants(t, report, "NATS", render.Wrong, "Authorization Violation")
	if strings.Contains(shown(report), "zzsecretzz") {
		t.Error("the password is in the report")
	}
}

func TestNATSWithoutJetStream(t *testing.T) {
	srv := publishertest.Start(t, publishertest.Options{NoJetStream: true})
	wants(t, onNATS(t, srv.URL()), "JetStream", render.Wrong, "without JetStream")
}

// One that passes over what a bridge relies on.
func TestNATSThatIsTooOld(t *testing.T) {
	report := onNATS(t, publishertest.StartFake(t, "2.10.29"))
	wants(t, report, "NATS version", render.Wrong, "nats-server 2.10.29 is too old; install 2.11 or later")
}

// A stream that has no room left is told before a bridge finds out.
func TestAFullStream(t *testing.T) {
	srv := publishertest.Start(t, publishertest.Options{})
	js := srv.JetStream(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "CLINIKO", Subjects: []string{"cliniko.>"}, MaxAge: 720 * time.Hour, Discard: jetstream.DiscardNew, MaxMsgs: 1,
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "cliniko.patients.updated", nil); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, row := range onNATS(t, srv.URL()) {
		if row.What == "stream CLINIKO" && row.State == render.Warning {
			found = append(found, row.Detail)
		}
	}
	if !strings.Contains(strings.Join(found, "\n"), "the stream is full") {
		t.Errorf("got %q, want that it is full", found)
	}
}

// Faults and warnings of a stream that is there are rows, and so is what keeps one from being made.
func TestStreams(t *testing.T) {
	for name, c := range map[string]struct {
		stream      jetstream.StreamConfig
		state, want string
	}{
		"as wanted":     {jetstream.StreamConfig{Name: "CLINIKO", Subjects: []string{"cliniko.>"}, MaxAge: 720 * time.Hour}, render.OK, "it takes cliniko.*.*"},
		"a work queue":  {jetstream.StreamConfig{Name: "CLINIKO", Subjects: []string{"cliniko.>"}, Retention: jetstream.WorkQueuePolicy}, render.Wrong, "deletes what was consumed"},
		"another age":   {jetstream.StreamConfig{Name: "CLINIKO", Subjects: []string{"cliniko.>"}, MaxAge: time.Hour}, render.Warning, "keeps events for 1h0m0s, not 720h0m0s"},
		"another's own": {jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"cliniko.>"}}, render.Wrong, "stream OTHER has subjects"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := publishertest.Start(t, publishertest.Options{})
			if _, err := srv.JetStream(t).CreateStream(t.Context(), c.stream); err != nil {
				t.Fatal(err)
			}
			wants(t, onNATS(t, srv.URL()), "stream CLINIKO", c.state, c.want)
		})
	}
}

// What a user may do is told without a message: nothing is published for it.
func TestPermissions(t *testing.T) {
	api := []string{"$JS.API.>", "$SYS.REQ.USER.INFO"}
	for name, c := range map[string]struct {
		publish, subscribe *server.SubjectPermission
		state, want        string
	}{
		"enough":       {&server.SubjectPermission{Allow: append([]string{"cliniko.>"}, api...)}, nil, render.OK, "may publish the events"},
		"not events":   {&server.SubjectPermission{Allow: append([]string{"cliniko.patients.*"}, api...)}, nil, render.Wrong, "may not publish on cliniko.*.*"},
		"some denied":  {&server.SubjectPermission{Deny: []string{"cliniko.users.>"}}, nil, render.Wrong, "may not publish on cliniko.*.*"},
		"no consumers": {&server.SubjectPermission{Deny: []string{"$JS.API.CONSUMER.>"}}, nil, render.Wrong, "$JS.API.CONSUMER.CREATE.CLINIKO.>"},
		"no answers":   {nil, &server.SubjectPermission{Deny: []string{"_INBOX.other.>"}}, render.Wrong, "subscribe to _INBOX.>"},
		"not told":     {&server.SubjectPermission{Deny: []string{"$SYS.>"}}, nil, render.Warning, "not known"},
	} {
		t.Run(name, func(t *testing.T) {
			url := startWithPermissions(t, &server.Permissions{Publish: c.publish, Subscribe: c.subscribe})
			wants(t, onNATS(t, url), "NATS permissions", c.state, c.want)
		})
	}
}

// A stream that is not there has to be made by `run`: what keeps it from that is wrong. Where the stream is there, it is
// in nobody's way.
func TestAStreamThatCannotBeMade(t *testing.T) {
	const create = "$JS.API.STREAM.CREATE.CLINIKO"
	url := startWithPermissions(t, &server.Permissions{Publish: &server.SubjectPermission{Deny: []string{create}}})
	wants(t, onNATS(t, url), "stream CLINIKO", render.Wrong, "the user may not make it; allow publishing on "+create)

	for name, c := range map[string]struct {
		limits string
		want   string
	}{
		"enough":         {"{max_streams: 2}", ""},
		"no room":        {"{max_streams: 1}", "has the 1 that it may have"},
		"bytes required": {"{max_streams: 2, max_bytes_required: true}", "wants max_bytes of each"},
	} {
		t.Run(name, func(t *testing.T) {
			url := startWithLimits(t, c.limits)
			js := publishertest.JetStream(t, publishertest.Connect(t, url))
			if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"other"}, MaxBytes: 1 << 20}); err != nil {
				t.Fatal(err)
			}
			report := onNATS(t, url)
			if c.want == "" {
				wants(t, report, "stream CLINIKO", render.OK, "`run` makes it")
				return
			}
			wants(t, report, "stream CLINIKO", render.Wrong, c.want)
		})
	}
}

// startWithLimits starts a server whose one account has those limits of JetStream.
func startWithLimits(t *testing.T, limits string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nats.conf")
	text := fmt.Sprintf(`
jetstream: {store_dir: %q}
accounts: {CLINIC: {jetstream: %s, users: [{user: ops, password: pw}]}}
`, t.TempDir(), limits)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opts.Host, opts.Port, opts.NoLog, opts.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	return startServer(t, opts)
}

func startWithPermissions(t *testing.T, p *server.Permissions) string {
	t.Helper()
	return startServer(t, &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
		Users: []*server.User{{Username: "ops", Password: "pw", Permissions: p}},
	})
}

// startServer returns the URL of a server for the user ops.
func startServer(t *testing.T, opts *server.Options) string {
	t.Helper()
	ns, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	})
	if !ns.ReadyForConnections(30 * time.Second) {
		t.Fatal("nats-server is not ready")
	}
	return "nats://ops:pw@" + ns.Addr().String()
}

// The embedded server: its port is free, or taken, or open to the network, or a bridge is running it.
func TestEmbedded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := newSetup(t, clinikotest.Options{})
	s.more = "    resources: [patients]"
	s.nats = fmt.Sprintf("{listen: %q}", l.Addr())
	wants(t, s.run(), "NATS", render.Wrong, "give nats.listen another port")
	s.nats = `{listen: "0.0.0.0:0"}`
	wants(t, s.run(), "NATS", render.Warning, "open to the network")

	srv, err := embedded.Start(embedded.Config{Dir: s.dir + "/nats", Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	report := s.run()
	wants(t, report, "NATS", render.OK, "connected to "+strings.TrimPrefix(srv.URL(), "nats://"))
	wants(t, report, "stream CLINIKO", render.OK, "`run` makes it")
}

// The address of the status page: free, somebody else's, or that of a bridge.
func TestAdminListen(t *testing.T) {
	s := newSetup(t, clinikotest.Options{})
	s.more = "    resources: [patients]"
	wants(t, s.run(), "admin.listen", render.OK, "is free")
	s.admin = strings.TrimSuffix(strings.TrimPrefix(s.api.URL, "http://"), "/v1")
	wants(t, s.run(), "admin.listen", render.Wrong, "address already in use")
}
