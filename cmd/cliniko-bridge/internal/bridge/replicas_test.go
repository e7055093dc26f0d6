package bridge

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/admin"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/diff/difftest"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/publisher/publishertest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// briefTTL is the leases' in this test, for a test that does not last.
const briefTTL = 3 * time.Second

// hurriedBudget is that of accounts which are asked for more than it gives, all the time.
const hurriedBudget = 15

// A practice is one account, and who asked it when.
type practice struct {
	name    string
	hurried bool
	clinic  *clinikotest.Clinic
	url     string
	edited  schemas.ID
	edits   int

	mu    sync.Mutex // guards asked
	asked []asking
}

// An asking is one request, when it arrived, by the machine's clock.
type asking struct {
	at  time.Time
	who string // the bridge
}

func newPractice(t *testing.T, name string, hurried bool) *practice {
	t.Helper()
	p := &practice{name: name, hurried: hurried, clinic: clinikotest.New(clinikotest.Options{BaseURL: "https://api.cliniko.com/v1"})}
	p.clinic.Populate(clinikotest.Sizes{"patients": 5, "practitioners": 1, "businesses": 1})
	p.edited = p.clinic.IDs("patients")[0]
	api := clinikotest.NewHandler(p.clinic)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _, _ := strings.Cut(r.UserAgent(), " ")
		p.mu.Lock()
		p.asked = append(p.asked, asking{time.Now(), who})
		p.mu.Unlock()
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.url = server.URL + "/v1"
	return p
}

// A group is some practices, and the bridges that share them.
type group struct {
	practices []*practice
	names     []string
	bridges   map[string]*Bridge
	js        jetstream.JetStream
	nats      string
}

// newGroup makes six practices. Those that are three's share when one, two and three are there are hurried: they move most.
func newGroup(t *testing.T) *group {
	t.Helper()
	server := publishertest.Start(t, publishertest.Options{})
	g := &group{bridges: make(map[string]*Bridge), js: server.JetStream(t), nats: server.URL()}
	for i := range 6 {
		g.names = append(g.names, fmt.Sprintf("practice-%d", i))
	}
	shares := diff.Share(g.names, []string{"one", "three", "two"})
	for _, name := range g.names {
		g.practices = append(g.practices, newPractice(t, name, shares[name] == "three"))
	}
	return g
}

// join starts a bridge under that name.
func (g *group) join(t *testing.T, who, redis string) (stop func()) {
	t.Helper()
	var text strings.Builder
	text.WriteString("accounts:\n")
	for _, p := range g.practices {
		budget := 180
		if p.hurried {
			budget = hurriedBudget
		}
		fmt.Fprintf(&text, "  - {name: %s, api_key: %q, user_agent: %q, base_url: %q, api: %q, requests_per_minute: %d, resources: [patients, practitioners, businesses]}\n",
			p.name, p.clinic.Key(), who+" (ops@clinic.example)", p.url, p.clinic.Edition(), budget)
	}
	fmt.Fprintf(&text, `
resources: {patients: {schedule: "@every 1s"}, practitioners: {schedule: "@every 4s"}, businesses: {schedule: "@every 4s"}}
nats: {url: %q, subject: "cliniko.{account}.{resource}.{verb}"}
state: {redis_url: %q, fingerprint_key: "a secret that the bridges of this test share"}
data_dir: %q
`, g.nats, redis, t.TempDir())
	path := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(cfg, Options{Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	b.holder, b.leaseTTL = who, briefTTL
	g.bridges[who] = b
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// shared waits until each account is led by the one of who whose share it is, and all of them are ready.
func (g *group) shared(t *testing.T, who ...string) {
	t.Helper()
	began := time.Now()
	want := diff.Share(g.names, who)
	within(t, time.Minute, fmt.Sprintf("the accounts are shared by %v", who), func() bool {
		got := make(map[string]string)
		for _, name := range who {
			if len(g.bridges[name].Ready(t.Context())) > 0 {
				return false
			}
			for _, a := range g.bridges[name].Status().Accounts {
				if a.Leader {
					got[a.Name] = name
				}
			}
		}
		return maps.Equal(got, want)
	})
	t.Logf("shared by %v after %s", who, time.Since(began).Round(100*time.Millisecond))
	within(t, time.Minute, "what is there is known", func() bool { return g.known(who) })
	for _, p := range g.practices {
		if !p.hurried {
			p.clinic.EditField("patients", p.edited)
			p.edits++
		}
	}
	for _, p := range g.practices {
		s := &scene{account: p.name, resource: "patients", id: p.edited, clinic: p.clinic}
		if told := s.told(t, g.js, p.edits); len(told) != p.edits {
			t.Fatalf("%s: told %v of %d edits", p.name, told, p.edits)
		}
	}
}

// known says that the baselines of all that is in no hurry are complete.
func (g *group) known(who []string) bool {
	for _, name := range who {
		for i, a := range g.bridges[name].Status().Accounts {
			for _, r := range a.Resources {
				if !g.practices[i].hurried && r.Baseline != admin.BaselineComplete {
					return false
				}
			}
		}
	}
	return true
}

// One bridge has all, two more join it, one is cut off from the store, one stops: each account is at one bridge at a time,
// its budget holds whoever spends it, every change is told once, and those who stay have all.
func TestBridgesShareTheAccounts(t *testing.T) {
	redis := difftest.StartRedis(t)
	g := newGroup(t)
	cable := newCable(t, redis.Addr)
	stopOne := g.join(t, "one", redis.URL)
	g.shared(t, "one")
	g.join(t, "two", redis.URL)
	g.join(t, "three", "redis://"+cable.addr+"/0")
	g.shared(t, "one", "three", "two")
	cable.cut()
	g.shared(t, "one", "two")
	stopOne()
	g.shared(t, "two")
	for _, p := range g.practices {
		p.judge(t)
		if told := publishertest.Collect(t, g.js, "CLINIKO", "cliniko."+p.name+".>"); len(told) != p.edits {
			t.Errorf("%s: told %d events of %d edits", p.name, len(told), p.edits)
		}
	}
}

// judge looks at who asked the account when.
func (p *practice) judge(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []clinikotest.Request
	began := make(map[string]time.Time) // when one who followed on another began
	stray := 0
	for i, a := range p.asked {
		all = append(all, clinikotest.Request{At: a.at})
		if i > 0 && p.asked[i-1].who != a.who {
			// Who comes back had the lease in between, and that takes longer than a TTL.
			if other := began[p.asked[i-1].who]; !began[a.who].IsZero() && a.at.Sub(other) < briefTTL {
				stray++
				continue
			}
		}
		if i == 0 || p.asked[i-1].who != a.who {
			began[a.who] = a.at
		}
	}
	if stray > 1 { // one may have been in flight
		t.Errorf("%s was asked by two bridges at once", p.name)
	}
	if p.hurried {
		n := clinikotest.MostWithin(time.Minute, all)
		t.Logf("%s: %d requests in a minute by %d bridges", p.name, n, len(began))
		if n > hurriedBudget {
			t.Errorf("%s: %d requests in one minute, of a budget of %d", p.name, n, hurriedBudget)
		}
		if n < hurriedBudget*2/3 {
			t.Errorf("%s: %d requests in one minute: nothing was in a hurry", p.name, n)
		}
	}
}

// A cable leads to a server until it is cut.
type cable struct {
	addr   string
	listen net.Listener

	mu   sync.Mutex // guards what follows
	done bool
	ends []net.Conn
	wg   sync.WaitGroup
}

func newCable(t *testing.T, server string) *cable {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{addr: l.Addr().String(), listen: l}
	c.wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", server)
			if err != nil {
				_ = near.Close()
				continue
			}
			c.join(near, far)
		}
	})
	t.Cleanup(c.cut)
	return c
}

func (c *cable) join(near, far net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, near, far)
	if c.done {
		_ = near.Close()
		_ = far.Close()
		return
	}
	pass := func(from, to net.Conn) {
		_, _ = io.Copy(to, from)
		_ = from.Close()
		_ = to.Close()
	}
	c.wg.Go(func() { pass(near, far) })
	c.wg.Go(func() { pass(far, near) })
}

// cut ends all that goes over the cable, for good.
func (c *cable) cut() {
	_ = c.listen.Close()
	c.mu.Lock()
	c.done = true
	for _, end := range c.ends {
		_ = end.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}
