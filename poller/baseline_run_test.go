package poller

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const (
	// requestTime is what each request of a practice takes.
	requestTime = 200 * time.Millisecond
	// perMinute is the budget of a practice: the default.
	perMinute = 180
)

// A practice is a clinic with 20,000 patients, 3,000 of them from one import, and what its poller is made of: the real
// client with the real budget, over a transport in memory. Its resources are all of 2025, on their default schedules.
// It lives in a synctest bubble.
type practice struct {
	t       *testing.T
	clinic  *clinikotest.Clinic
	handler *clinikotest.Handler
	specs   []schemas.Spec
	sinks   sinks

	mu     sync.Mutex // guards the following
	began  time.Time
	sent   []sending
	onSent func(sending) // nil: nobody watches
	dead   bool          // what comes in now is lost, as if the process were dead
}

// A sending is one request as it leaves.
type sending struct {
	at   time.Duration // since the run began
	lane cliniko.Lane
	path string
}

func newPractice(t *testing.T) *practice {
	t.Helper()
	p := &practice{t: t, sinks: make(sinks)}
	p.clinic = clinikotest.New(clinikotest.Options{Edition: clinikotest.Edition2025, BaseURL: "http://127.0.0.1/v1", KeepVersions: 1})
	sizes := clinikotest.SmallClinic()
	sizes["patients"] = 17_000
	p.clinic.Populate(sizes)
	p.clinic.Import("patients", 3000)
	time.Sleep(time.Hour)
	p.clinic.Create("patients") // the newest: the import lies within the baseline
	p.handler = clinikotest.NewHandler(p.clinic)
	for _, spec := range schemas.Catalogue(schemas.Edition2025) {
		if !spec.Off && (spec.Shape == schemas.Collection || spec.Shape == schemas.Singleton) {
			p.specs = append(p.specs, spec)
			p.sinks[spec.Resource] = &guardedSink{sink: newSink(t)}
		}
	}
	p.open()
	return p
}

// open takes the first look at every feed, so that a run begins with following and the baseline.
func (p *practice) open() {
	p.t.Helper()
	for _, res := range p.poller().resources {
		for _, r := range res.readers {
			if res.spec.Shape == schemas.Singleton {
				r.poll(p.t.Context(), p.t.Context())
			} else if _, _, err := r.begin(p.t.Context(), p.t.Context()); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

// complete ends all baselines where they stand.
func (p *practice) complete() {
	for _, s := range p.sinks {
		for _, feed := range []string{schemas.Live, "archived", "cancelled", "deleted", "inactive"} {
			if mark, open := s.standing.Marks[feed]; open {
				s.standing.Marks[schemas.BaselineOf(feed)] = schemas.Mark{Cursor: mark.Cursor, Done: true}
			}
		}
	}
}

func (p *practice) poller() *Poller {
	p.t.Helper()
	client, err := cliniko.New(cliniko.Config{
		APIKey: clinikotest.DefaultKey, UserAgent: "Northside Bridge (ops@northside.example)", BaseURL: "http://127.0.0.1/v1",
		RequestsPerMinute: perMinute,
	}, p, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	made, err := New(Config{
		Account: "northside", Source: laned{client}, Sink: p, Specs: p.specs,
		Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return made
}

// run runs a new poller for d, beside a clinic at work, and returns what it sent. It has a budget of its own: let the
// window of the last one pass.
func (p *practice) run(d time.Duration) []sending {
	p.t.Helper()
	time.Sleep(2 * time.Minute)
	ctx, stop := context.WithTimeout(p.t.Context(), d)
	defer stop()
	p.mu.Lock()
	p.began, p.sent, p.dead = time.Now(), nil, false
	onSent := p.onSent
	p.onSent = func(s sending) {
		if onSent != nil {
			onSent(s)
		}
		if p.killed() {
			stop()
		}
	}
	p.mu.Unlock()
	ids := p.clinic.IDs("patients")
	var work sync.WaitGroup
	work.Go(func() {
		for i := 0; rest(ctx, 7*time.Second); i += 97 {
			p.clinic.EditField("patients", ids[i])
		}
	})
	p.poller().Run(ctx)
	work.Wait()
	p.onSent = onSent
	return p.sent
}

// kill is what becomes of a process that is killed while a request is on its way: what comes back is lost.
func (p *practice) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

func (p *practice) killed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

type laneKey struct{}

// laned is a client that tells its transport which lane pays.
type laned struct{ *cliniko.Client }

func (l laned) List(ctx context.Context, q cliniko.Query) (cliniko.Page, error) {
	return l.Client.List(context.WithValue(ctx, laneKey{}, q.Lane), q)
}

func (l laned) Get(ctx context.Context, q cliniko.Query) ([]byte, time.Time, error) {
	return l.Client.Get(context.WithValue(ctx, laneKey{}, q.Lane), q)
}

func (p *practice) RoundTrip(r *http.Request) (*http.Response, error) {
	lane, _ := r.Context().Value(laneKey{}).(cliniko.Lane)
	p.mu.Lock()
	s := sending{time.Since(p.began), lane, r.URL.Path}
	p.sent = append(p.sent, s)
	onSent := p.onSent
	p.mu.Unlock()
	if onSent != nil {
		onSent(s)
	}
	if !rest(r.Context(), requestTime) {
		return nil, r.Context().Err()
	}
	in := r.Clone(r.Context())
	in.Host = r.URL.Host
	answer := httptest.NewRecorder()
	p.handler.ServeHTTP(answer, in)
	return answer.Result(), nil
}

func (p *practice) Standing(ctx context.Context, name schemas.Resource) (schemas.Standing, error) {
	return p.sinks.Standing(ctx, name)
}

func (p *practice) Accept(ctx context.Context, page schemas.Page) (schemas.Outcome, error) {
	if p.killed() {
		return schemas.Outcome{}, errors.New("the process is dead")
	}
	for i := range page.Records {
		page.Records[i].Raw = nil // nobody asks for them
	}
	return p.sinks.Accept(ctx, page)
}

func (p *practice) Renew(ctx context.Context, name schemas.Resource) error {
	return p.sinks.Renew(ctx, name)
}

// of are the requests of a lane.
func of(sent []sending, lane cliniko.Lane) []sending {
	return slices.DeleteFunc(slices.Clone(sent), func(s sending) bool { return s.lane != lane })
}

// minute is how many requests there are in the minute that ends at a time.
func minute(sent []sending, end time.Duration) int {
	n := 0
	for _, s := range sent {
		if s.at > end-time.Minute && s.at <= end {
			n++
		}
	}
	return n
}

// While a baseline of 20,000 records is read beside live polling, at least 95 % of the budget are used and never more
// than all of it, and no live poll begins later than without the baseline by more than the time of one request. And a
// baseline that is killed twice, once in the middle of an import, asks for at most 2 % of its pages twice.
func TestABaselineBesideLivePolling(t *testing.T) {
	const long = 6 * time.Minute
	var alone, beside, broken []sending
	synctest.Test(t, func(t *testing.T) {
		p := newPractice(t)
		p.complete()
		alone = p.run(long)
	})
	synctest.Test(t, func(t *testing.T) {
		p := newPractice(t)
		beside = p.run(long)
		for name, s := range p.sinks {
			if !s.standing.Marks[schemas.Baseline].Done {
				t.Errorf("the baseline of %s did not end", name)
			}
		}
		if got := len(p.sinks["patients"].seen); got != len(p.clinic.IDs("patients")) {
			t.Errorf("%d patients were met, the clinic has %d", got, len(p.clinic.IDs("patients")))
		}
	})

	base := of(beside, cliniko.LaneBaseline)
	first, last := base[0].at, base[len(base)-1].at
	for _, s := range beside {
		n := minute(beside, s.at)
		if n > perMinute || n < perMinute*95/100 && s.at-time.Minute >= first && s.at <= last {
			t.Errorf("%d requests in the minute to %s, want %d to %d", n, s.at, perMinute*95/100, perMinute)
		}
	}
	late(t, alone, beside)

	kills := []int{2 + rand.N(165), 185 + rand.N(15)} // pages of the patients; the second lies in the import, the last 30 of 200
	synctest.Test(t, func(t *testing.T) {
		p := newPractice(t)
		n := 0
		p.onSent = func(s sending) {
			if s.lane != cliniko.LaneBaseline || s.path != "/v1/patients" {
				return
			}
			if n++; slices.Contains(kills, n) {
				p.kill()
			}
		}
		for range len(kills) + 1 {
			broken = append(broken, of(p.run(long), cliniko.LaneBaseline)...)
		}
		if !p.sinks["patients"].standing.Marks[schemas.Baseline].Done {
			t.Error("after two kills the baseline did not end")
		}
	})
	if twice := len(broken) - len(base); twice < len(kills) || twice > len(base)*2/100 {
		t.Errorf("killed at pages %v of %d, it asked for %d of them twice", kills, len(base), twice)
	}
}

// late fails the test for every live request that began later than without the baseline.
func late(t *testing.T, alone, beside []sending) {
	t.Helper()
	times := make(map[string][]time.Duration)
	for _, s := range of(beside, cliniko.LaneLive) {
		times[s.path] = append(times[s.path], s.at)
	}
	for _, s := range of(alone, cliniko.LaneLive) {
		if len(times[s.path]) == 0 {
			t.Errorf("a live request of %s at %s was not made beside the baseline", s.path, s.at)
			continue
		}
		at := times[s.path][0]
		times[s.path] = times[s.path][1:]
		if at > s.at+requestTime {
			t.Errorf("a live request of %s was sent at %s, and at %s beside the baseline", s.path, s.at, at)
		}
	}
}
