package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
)

// stopLimit is how long a test waits for the moment at which it stops the bridge.
const stopLimit = 2 * time.Minute

// stopScene is a clinic and what a bridge of it needs.
type stopScene struct {
	*testing.T
	clinic *clinikotest.Clinic
	api    *clinikotest.Server
	dir    string
	within func(*exec.Cmd) // see startProcessWithin
}

func newStopScene(t *testing.T, patients int) *stopScene {
	t.Helper()
	clinic := clinikotest.New(clinikotest.Options{})
	clinic.Populate(clinikotest.Sizes{"patients": patients})
	api := clinikotest.NewServer(clinic)
	t.Cleanup(api.Close)
	return &stopScene{T: t, clinic: clinic, api: api, dir: t.TempDir()}
}

// run starts a bridge that follows the patients; more is added to its configuration, and perMinute is its budget.
func (s *stopScene) run(perMinute int, more string) *process {
	s.Helper()
	return startProcessWithin(s, fmt.Sprintf(`
accounts:
  - {api_key: %q, user_agent: "Stop (ops@clinic.example)", base_url: %q, api: 2017, resources: [patients], requests_per_minute: %d}
resources: {patients: {schedule: "@every 1s"}}
data_dir: %q
admin: {listen: ADMIN}
`, s.clinic.Key(), s.api.URL, perMinute, s.dir)+more, s.within)
}

// hang lets no request be answered any more, and returns when one waits.
func (s *stopScene) hang() {
	asked := make(chan struct{})
	s.api.Inject(clinikotest.Rule{Fault: clinikotest.Drift(func(*clinikotest.Clinic) { close(asked) }), Next: 1})
	s.api.Inject(clinikotest.Rule{Fault: clinikotest.Slow(time.Hour)})
	<-asked
}

const embeddedNATS = `nats: {listen: "127.0.0.1:0"}`

func onRedis(url string) string {
	return fmt.Sprintf("\nstate: {redis_url: %q, fingerprint_key: 0123456789abcdef0123456789abcdef}\n", url)
}

// says waits until the bridge's log has a match.
func (p *process) says(pattern string) {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	waitFor(p.t, stopLimit, "the log says "+pattern, func() bool { return re.MatchString(p.stderr.String()) })
}

// unready waits until /readyz gives a reason that holds text.
func (p *process) unready(text string) {
	p.t.Helper()
	waitFor(p.t, stopLimit, "/readyz says "+text, func() bool {
		body, code := p.get("/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(string(body), text)
	})
}

// first is the resource that a scene's bridge follows, once it is followed.
func (p *process) first() (r admin.Resource, ok bool) {
	s, ok := p.status()
	if !ok || len(s.Accounts) == 0 || len(s.Accounts[0].Resources) == 0 {
		return r, false
	}
	return s.Accounts[0].Resources[0], true
}

// silent is a server that takes connections and never says a word.
func silent(tb testing.TB) string {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l.Addr().String() // the system takes connections as long as its queue has room
}

// A relay passes bytes on to a server until it is frozen; then it holds them and keeps the connections.
type relay struct {
	addr   string
	frozen chan struct{}
	freeze func()
}

func startRelay(tb testing.TB, to string) *relay {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r := &relay{addr: l.Addr().String(), frozen: make(chan struct{})}
	r.freeze = sync.OnceFunc(func() { close(r.frozen) })
	var all sync.WaitGroup
	over, end := context.WithCancel(context.Background())
	tb.Cleanup(func() { r.freeze(); end(); _ = l.Close(); all.Wait() })
	pass := func(from, to net.Conn) {
		defer context.AfterFunc(over, func() { _ = from.Close() })()
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			if err != nil {
				_ = to.Close()
				return
			}
			select {
			case <-r.frozen:
				<-over.Done()
				_ = from.Close()
				return
			default:
				_, _ = to.Write(buffer[:n]) // whoever has gone is noticed by the next read
			}
		}
	}
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(over, "tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			all.Go(func() { pass(client, server) })
			all.Go(func() { pass(server, client) })
		}
	})
	return r
}

// SIGTERM ends a bridge within ten seconds and with status 0, whatever it is doing and whatever hangs.
func TestItStopsInTheMiddleOfAnything(t *testing.T) {
	if testing.Short() {
		t.Skip("takes twenty seconds")
	}
	if _, err := binary(); err != nil { // built before all of them want it
		t.Fatal(err)
	}
	for name, reach := range map[string]func(*stopScene) *process{
		"the first look": func(s *stopScene) *process {
			s.api.Inject(clinikotest.Rule{Fault: clinikotest.Slow(time.Second)})
			p := s.run(180, embeddedNATS)
			waitFor(s, stopLimit, "the first look", func() bool { return len(s.api.Requests()) > 0 })
			return p
		},
		"a baseline": func(s *stopScene) *process {
			p := s.run(20, embeddedNATS)
			waitFor(s, stopLimit, "a baseline", func() bool {
				r, ok := p.first()
				return ok && r.Baseline == admin.BaselineRunning && r.Tracked > 0
			})
			return p
		},
		"waiting for its budget": func(s *stopScene) *process {
			p := s.run(2, embeddedNATS)
			waitFor(s, stopLimit, "a spent budget", func() bool { return len(s.api.Requests()) >= 2 })
			return p
		},
		"a sweep": func(s *stopScene) *process {
			p := s.run(180, embeddedNATS)
			waitFor(s, stopLimit, "the baseline", p.baselinesComplete)
			s.api.Inject(clinikotest.Rule{Fault: clinikotest.Slow(300 * time.Millisecond)})
			p.post("/sweep")
			waitFor(s, stopLimit, "a sweep", func() bool {
				r, ok := p.first()
				return ok && r.Sweep != nil && r.Sweep.Running
			})
			return p
		},
		"waiting for a Redis that refuses": func(s *stopScene) *process {
			p := s.run(180, embeddedNATS+onRedis("redis://"+freeAddr(s)))
			p.unready("it waits for the store")
			p.says(`"message":"waiting","for":"the store"`)
			return p
		},
		"waiting for a Redis that says nothing": func(s *stopScene) *process {
			p := s.run(180, embeddedNATS+onRedis("redis://"+silent(s)))
			p.unready("it waits for the store")
			return p
		},
		"waiting for a NATS that refuses": func(s *stopScene) *process {
			p := s.run(180, fmt.Sprintf("nats: {url: %q}", "nats://"+freeAddr(s)))
			p.unready("it waits for NATS")
			p.says("waiting for nats")
			return p
		},
		"waiting for a NATS of five servers that say nothing": func(s *stopScene) *process {
			list := make([]string, 5)
			for i := range list {
				list[i] = "nats://" + silent(s)
			}
			p := s.run(180, fmt.Sprintf("nats: {url: %q}", strings.Join(list, ",")))
			p.unready("it waits for NATS")
			return p
		},
		"beside another bridge": func(s *stopScene) *process {
			more := onRedis(difftest.StartRedis(s).URL) + fmt.Sprintf("nats: {url: %q}", publishertest.Start(s, publishertest.Options{}).URL())
			one := s.run(180, more)
			waitFor(s, stopLimit, "the baseline", one.baselinesComplete)
			two := s.run(180, more)
			two.says(`the accounts are shared out.*"bridges":2`) // whose share the one account is, is by chance
			return two
		},
		"a stalled answer of the API": func(s *stopScene) *process {
			p := s.run(180, embeddedNATS)
			waitFor(s, stopLimit, "the baseline", p.baselinesComplete)
			s.hang()
			return p
		},
		"a stalled publish": func(s *stopScene) *process {
			proxy := publishertest.StartProxy(s, publishertest.Start(s, publishertest.Options{}).URL())
			p := s.run(180, fmt.Sprintf("nats: {url: %q}", proxy.URL()))
			waitFor(s, stopLimit, "the baseline", p.baselinesComplete)
			swallowed := proxy.Arm(publishertest.SwallowAcks, 0)
			s.clinic.EditField("patients", s.clinic.IDs("patients")[0])
			<-swallowed
			return p
		},
		"a stalled Redis": func(s *stopScene) *process {
			relay := startRelay(s, strings.TrimSuffix(strings.TrimPrefix(difftest.StartRedis(s).URL, "redis://"), "/0"))
			p := s.run(180, embeddedNATS+onRedis("redis://"+relay.addr))
			waitFor(s, stopLimit, "the baseline", p.baselinesComplete)
			relay.freeze()
			p.unready("the store does not answer")
			return p
		},
		"catching up": func(s *stopScene) *process {
			server := publishertest.Start(s, publishertest.Options{})
			relay := startRelay(s, strings.TrimPrefix(server.URL(), "nats://"))
			p := s.run(180, fmt.Sprintf("baseline: publish\nnats: {url: %q}", "nats://"+relay.addr))
			waitFor(s, stopLimit, "the baseline", p.baselinesComplete)
			p.kill()
			if err := os.Remove(filepath.Join(s.dir, "state.db")); err != nil {
				s.Fatal(err)
			}
			p.start()
			p.says(`has the lease.*\n(.*\n)*.*has the lease`)
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reach(newStopScene(t, 300)).stop()
		})
	}
}

// A second signal ends the bridge at once, with a status that is not 0.
func TestASecondSignalEndsItAtOnce(t *testing.T) {
	s := newStopScene(t, 10)
	p := s.run(180, embeddedNATS)
	waitFor(t, stopLimit, "the baseline", p.baselinesComplete)
	s.hang()
	p.signal(syscall.SIGTERM)
	p.says(`"message":"stopping"`)
	again := time.NewTicker(50 * time.Millisecond) // one that comes at once is the same signal
	defer again.Stop()
	for limit := time.After(stopLimit); p.cmd != nil; {
		select {
		case <-again.C:
			_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		case err := <-p.ended:
			if err == nil {
				t.Error("the status is 0, although it was cut short")
			}
			p.cmd = nil
		case <-limit:
			t.Error("it still runs")
			p.kill()
			p.cmd = nil
		}
	}
	if got := strings.Count(p.stderr.String(), "a second signal"); got != 1 {
		t.Errorf("it says %d times that it ends at once, want once", got)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// post gives the bridge an order.
func (p *process) post(path string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.addr+path, strings.NewReader("{}"))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode/100 != 2 {
		p.t.Fatalf("POST %s: %s %s", path, resp.Status, body)
	}
}
