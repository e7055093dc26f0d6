package live

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fake is a Source of the test's making.
type fake struct {
	mu       sync.Mutex
	accounts []Account
	ours     []string
	looks    int // how often all accounts were asked for
}

// clinic is an account on its schedule, with so many resources that were polled just now.
func clinic(name string, resources int) Account {
	a := Account{
		Name: name, PerMinute: 180, Ours: true, Us: true, Holder: "host/1/AAAAAA", Followed: true,
		Budget: cliniko.Stats{PerMinute: 180, Spent: [4]int{60, 20, 0, 3}, Earlier: 2},
	}
	now := time.Now().UTC()
	for i := range resources {
		r := Resource{Status: poller.Status{
			Resource: schemas.Resource(fmt.Sprintf("resource_%d", i)), Baseline: "complete", Tracked: 1000, Cursor: now, LastPoll: now,
			NextPoll: now.Add(5 * time.Second), LateFrom: now.Add(75 * time.Second), Events: map[schemas.Verb]int{schemas.Updated: 3},
			Sweep: &poller.SweepStatus{Last: now, Deleted: 1},
		}}
		a.Resources = append(a.Resources, r)
	}
	return a
}

func clinics(accounts, resources int) *fake {
	f := &fake{}
	for i := range accounts {
		f.accounts = append(f.accounts, clinic(fmt.Sprintf("clinic-%04d", i), resources))
	}
	return f
}

// change changes accounts behind the feed's back. The resources are copied, as others may hold them.
func (f *fake) change(do func(accounts []Account)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := make([]Account, len(f.accounts))
	for i, a := range f.accounts {
		a.Resources = append([]Resource(nil), a.Resources...)
		next[i] = a
	}
	do(next)
	f.accounts = next
}

func (f *fake) all() []Account {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.accounts
}

func (f *fake) Each(do func(Account)) {
	f.mu.Lock()
	f.looks++
	f.mu.Unlock()
	for _, a := range f.all() {
		do(a)
	}
}

func (f *fake) Account(name string) (Account, bool) {
	for _, a := range f.all() {
		if a.Name == name {
			return a, true
		}
	}
	return Account{}, false
}

func (f *fake) Reasons(context.Context) (ours, accounts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.ours...), nil
}

func (f *fake) Spent(from, until time.Time) map[string]int {
	return map[string]int{"live": int(until.Sub(from) / time.Second), "side": 1}
}

// events are n events of one page.
func events(n int, delay time.Duration) []diff.Told {
	now := time.Now().UTC()
	list := make([]diff.Told, n)
	for i := range list {
		list[i] = diff.Told{
			Account: "northside", Resource: "patients", ID: "343589", Verb: schemas.Updated, Sequence: 4,
			Changed: []string{"notes"}, Time: now.Add(-delay), At: now,
		}
	}
	return list
}

// A pipes is a listener in memory, so that a server can be talked to on the fake clock.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	ended chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.ended) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A stage is a feed that runs, behind a server with the deadlines that the bridge's has.
type stage struct {
	t      *testing.T
	feed   *Feed
	source *fake
	lines  *pipes
	stop   func()
}

func newStage(t *testing.T, source *fake) *stage {
	t.Helper()
	return newStageWith(t, source, (*Feed).Run)
}

// newStageWith is newStage with another way to run the feed.
func newStageWith(t *testing.T, source *fake, run func(*Feed, context.Context) error) *stage {
	t.Helper()
	feed := New(Config{Source: source, Version: "v1.2.3", Holder: "host/1/AAAAAA"})
	lines := &pipes{conns: make(chan net.Conn), ended: make(chan struct{})}
	server := &http.Server{Handler: feed, ReadTimeout: 15 * time.Second, WriteTimeout: 15 * time.Second, ReadHeaderTimeout: 5 * time.Second}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _ = server.Serve(lines) })
	all.Go(func() {
		if err := run(feed, ctx); err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return &stage{t, feed, source, lines, sync.OnceFunc(func() {
		cancel()
		down, late := context.WithTimeout(context.Background(), time.Minute)
		defer late()
		if err := server.Shutdown(down); err != nil {
			t.Errorf("the server had to wait for a page: %v", err)
		}
		all.Wait()
	})}
}

// A reader is a browser with the page open.
type reader struct {
	t    *testing.T
	conn net.Conn
	resp *http.Response
	in   *bufio.Reader
}

// ask connects, and does not read the answer.
func (s *stage) ask(query string) *reader {
	s.t.Helper()
	ours, theirs := net.Pipe()
	s.lines.conns <- theirs
	if _, err := io.WriteString(ours, "GET /live"+query+" HTTP/1.1\r\nHost: bridge\r\n\r\n"); err != nil {
		s.t.Fatal(err)
	}
	return &reader{t: s.t, conn: ours}
}

// open connects, and reads the head of the answer.
func (s *stage) open(query string) *reader {
	s.t.Helper()
	r := s.ask(query)
	r.head()
	return r
}

func (r *reader) head() {
	r.t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(r.conn), nil) //nolint:bodyclose // the connection is closed under it
	if err != nil {
		r.t.Fatal(err)
	}
	r.resp, r.in = resp, bufio.NewReader(resp.Body)
}

func (r *reader) close() { _ = r.conn.Close() }

// next is the next frame: its kind and its data. A comment's kind is ":". At the end kind is "".
func (r *reader) next() (kind, data string) {
	r.t.Helper()
	for {
		line, err := r.in.ReadString('\n')
		if err != nil {
			return "", ""
		}
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "event: "):
			kind = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = line[len("data: "):]
		case line == ":":
			kind = ":"
		case line == "" && kind != "":
			return kind, data
		}
	}
}

// frame reads up to a frame of a kind, into a value strictly.
func frameInto[T any](r *reader, want string) (value T) {
	r.t.Helper()
	for {
		kind, data := r.next()
		if kind == "" {
			r.t.Fatalf("the stream ended before a frame %q", want)
		}
		if kind == want {
			d := json.NewDecoder(strings.NewReader(data))
			d.DisallowUnknownFields()
			if err := d.Decode(&value); err != nil {
				r.t.Fatalf("frame %s: %v", kind, err)
			}
			return value
		}
	}
}

// A heard is a frame, and when it came.
type heard struct {
	kind, data string
	at         time.Time
}

// listen reads everything from now on. The function that it returns closes the page, and gives what was heard.
func (r *reader) listen() func() []heard {
	var list []heard
	var reading sync.WaitGroup
	reading.Go(func() {
		for {
			kind, data := r.next()
			if kind == "" {
				return
			}
			list = append(list, heard{kind, data, time.Now()})
		}
	})
	return func() []heard {
		synctest.Wait()
		r.close()
		reading.Wait()
		return list
	}
}

func newBuffered(resp *http.Response) *bufio.Reader { return bufio.NewReader(resp.Body) }

func decode[T any](t *testing.T, data string) (value T) {
	t.Helper()
	if err := json.Unmarshal([]byte(data), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func countTold(t *testing.T, data string) int {
	t.Helper()
	return len(decode[[]Told](t, data))
}

func names(lines []Line) (list []string) {
	for _, l := range lines {
		list = append(list, l.Name)
	}
	return list
}
