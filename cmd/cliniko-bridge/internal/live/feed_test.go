package live

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Over real HTTP, a page of an account has a frame of each kind, whole and as documented, and then what is new.
func TestAPageIsToldEverythingAndThenWhatIsNew(t *testing.T) {
	source := clinics(3, 2)
	source.ours = []string{"the stream CLINIKO takes no events: maximum bytes exceeded; raise the stream's limits, or set its discard policy to old"}
	feed := New(Config{Source: source, Version: "v1.2.3", Holder: "host/1/AAAAAA"})
	feed.Tell(events(2, 3*time.Second))
	ctx, stop := context.WithCancel(t.Context())
	var ran sync.WaitGroup
	ran.Go(func() { _ = feed.Run(ctx) })
	defer ran.Wait()
	defer stop()
	server := httptest.NewServer(feed)
	defer server.Close()
	defer stop() // which ends the page, so that the server can close
	ask, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"?account=clinic-0001", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(ask)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Errorf("got %s of type %q", resp.Status, got)
	}
	r := &reader{t: t, in: newBuffered(resp)}

	whole := frameInto[Overview](r, "overview")
	if whole.Version != "v1.2.3" || whole.Holder != "host/1/AAAAAA" || whole.Now.Before(whole.Started) || len(whole.Ready) != 1 {
		t.Errorf("head: %+v", whole)
	}
	if f := whole.Faults; whole.FaultCount != 1 || len(f) != 1 || f[0].State != StateFailing || f[0].Remedy != "Raise the stream's limits, or set its discard policy to old." {
		t.Errorf("faults: %+v", f)
	}
	spent := map[string]int{"live": 180, "side": 60, "sweep": 0, "baseline": 9, "earlier": 6}
	totals := Totals{
		Accounts: 3, Followed: 3, Resources: 6, Tracked: 6000, Events: map[schemas.Verb]int{schemas.Updated: 2},
		Budget: Budget{PerMinute: 540, Spent: spent}, Lag: whole.Totals.Lag, DelayMedian: 3, DelayMost: 3,
	}
	if !reflect.DeepEqual(whole.Totals, totals) {
		t.Errorf("totals\ngot  %+v\nwant %+v", whole.Totals, totals)
	}
	if got := names(whole.Accounts); !slices.Equal(got, []string{"clinic-0000", "clinic-0001", "clinic-0002"}) || whole.Accounts[0].State != StateWell {
		t.Errorf("accounts: %+v", whole.Accounts)
	}
	detail := frameInto[Detail](r, "account")
	if len(detail.Rows) != 2 || detail.Name != "clinic-0001" || detail.Rows[1].Resource != "resource_1" || detail.Rows[1].State != StateWell ||
		detail.Rows[1].LastPoll == "" || detail.Rows[1].Sweep == "" {
		t.Errorf("detail: %+v", detail)
	}
	told := frameInto[[]Told](r, "told")
	if len(told) != 2 || told[0].ID != "343589" || told[0].Delay != 3 || !slices.Equal(told[0].Changed, []string{"notes"}) || told[0].Skipped != 0 {
		t.Errorf("told: %+v", told)
	}
	if points := frameInto[[]Point](r, "points"); len(points) > 1 {
		t.Errorf("points: %+v", points)
	}

	source.change(func(a []Account) { a[2].Resources[0].Tracked++ })
	feed.Tell(events(1, 0))
	if next := frameInto[[]Told](r, "told"); len(next) != 1 {
		t.Errorf("told then: %+v", next)
	}
	for changed := frameInto[Overview](r, "overview"); ; changed = frameInto[Overview](r, "overview") {
		if slices.ContainsFunc(changed.Accounts, func(l Line) bool { return l.Name == "clinic-0002" && l.Tracked == 2001 }) {
			break
		}
	}
}

// After the first frame only those lines come that are not as they were told; of those where only time has passed a hundred a
// look, in turn, so that each comes within ten looks of a thousand accounts.
func TestOnlyChangedLinesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, clinics(1000, 3))
		defer s.stop()
		r := s.open("")
		defer r.close()
		if first := frameInto[Overview](r, "overview"); len(first.Accounts) != 1000 {
			t.Fatalf("%d lines at first, want all", len(first.Accounts))
		}
		frameInto[Overview](r, "overview") // the first that the feed itself knows to be told
		seen := map[string]int{}
		for look := range 10 {
			s.source.change(func(a []Account) {
				if look == 4 {
					a[777].Resources[1].LastError, a[777].Resources[1].FailureClass = "poll x: GET /x: 403", "forbidden"
				}
			})
			changed := frameInto[Overview](r, "overview")
			for _, l := range changed.Accounts {
				seen[l.Name]++
			}
			if n := len(changed.Accounts); n > 101 {
				t.Errorf("look %d: %d lines", look, n)
			}
			failing := slices.ContainsFunc(changed.Accounts, func(l Line) bool { return l.Name == "clinic-0777" && l.State == StateFailing })
			if failing != (look == 4) && look <= 4 {
				t.Errorf("look %d: told of the failure: %v", look, failing)
			}
		}
		if len(seen) != 1000 {
			t.Errorf("%d of 1000 lines came within ten looks", len(seen))
		}
	})
}

// A page that does not read is not waited for. The others are told everything in time; it has, once it reads on, the newest
// events with how many were skipped, the accounts whole, and every point.
func TestAPageThatReadsSlowlyHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, clinics(2, 1))
		defer s.stop()
		slow, quick := s.open(""), s.open("")
		frameInto[[]Point](slow, "points")
		frameInto[[]Point](quick, "points")
		// Both have all there was. From here on one reads, and the other not for 25 s.
		heardBy := quick.listen()
		for second := range 25 {
			s.feed.Tell(events(40, 0))
			time.Sleep(time.Second)
			if second == 20 {
				s.source.change(func(a []Account) { a[1].Resources[0].Tracked = 7 })
			}
		}
		got := 0
		for _, h := range heardBy() {
			if h.kind == "told" {
				got += countTold(t, h.data)
			}
		}
		if got != 25*40 {
			t.Errorf("the quick page was told %d events, want all 1000", got)
		}

		heardBy = slow.listen()
		time.Sleep(6 * time.Second)
		shown, skipped, points, tracked := 0, 0, 0, 0
		for _, h := range heardBy() {
			switch h.kind {
			case "told":
				for _, one := range decode[[]Told](t, h.data) {
					shown++
					skipped += one.Skipped
				}
			case "points":
				points += len(decode[[]Point](t, h.data))
			case "overview":
				for _, line := range decode[Overview](t, h.data).Accounts {
					if line.Name == "clinic-0001" {
						tracked = line.Tracked
					}
				}
			}
		}
		if shown+skipped != 1000 || skipped < 500 || shown < toldKept {
			t.Errorf("the slow page was told %d events and that %d were skipped, want 1000 together", shown, skipped)
		}
		if points != 3 {
			t.Errorf("the slow page has %d of 3 points", points)
		}
		if tracked != 7 {
			t.Errorf("the slow page has missed a change of an account: %d", tracked)
		}
	})
}

// No second has more than 50 events, and no more than four frames of them, whatever is told.
func TestNoPageIsToldMoreThanItCanFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, clinics(1, 1))
		defer s.stop()
		r := s.open("")
		frameInto[[]Point](r, "points")
		heardBy := r.listen()
		for range 200 {
			s.feed.Tell(events(7, 0))
			time.Sleep(50 * time.Millisecond)
		}
		arrivals := heardBy()
		arrivals = slices.DeleteFunc(arrivals, func(h heard) bool { return h.kind != "told" })
		for i, first := range arrivals {
			frames, n := 0, 0
			for _, a := range arrivals[i:] {
				if a.at.Sub(first.at) < time.Second {
					frames++
					n += countTold(t, a.data)
				}
			}
			if frames > 4 || n > 50 {
				t.Fatalf("%d frames with %d events in the second from %s on", frames, n, first.at)
			}
		}
		if len(arrivals) < 30 {
			t.Errorf("%d frames in ten seconds, want about forty", len(arrivals))
		}
	})
}

// The 65th page is refused with a plain sentence, and let in once another has gone.
func TestAsManyPagesAsThereMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, clinics(1, 1))
		defer s.stop()
		var pages []*reader
		for range maxPages {
			r := s.open("")
			frameInto[[]Point](r, "points")
			pages = append(pages, r)
		}
		over := s.open("")
		if body, _ := over.in.ReadString('\n'); over.resp.StatusCode != http.StatusServiceUnavailable || body != "64 pages are open already, which is as many as there may be; close one and try again\n" {
			t.Errorf("the 65th got %s: %s", over.resp.Status, body)
		}
		over.close()
		pages[7].close()
		synctest.Wait()
		again := s.open("")
		if again.resp.StatusCode != http.StatusOK {
			t.Errorf("after one has gone: %s", again.resp.Status)
		}
		again.close()
		for _, p := range pages {
			p.close()
		}
		if none := s.open("?account=nobody"); none.resp.StatusCode != http.StatusNotFound {
			t.Errorf("an account that there is not: %s", none.resp.Status)
		} else {
			none.close()
		}
	})
}

// A page outlives the deadlines that the server has for answers, hears something every 15 s whatever happens, and one that
// takes nothing is cut off after half a minute, so that its place is free again.
func TestAPageThatIsOpenForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, clinics(1, 1))
		defer s.stop()
		r := s.open("")
		defer r.close()
		for last, end := time.Now(), time.Now().Add(5*time.Minute); time.Now().Before(end); {
			if kind, _ := r.next(); kind == "" {
				t.Fatalf("it ended after %s", 5*time.Minute-time.Until(end))
			}
			if quiet := time.Since(last); quiet > heartbeat {
				t.Errorf("nothing came for %s", quiet)
			}
			last = time.Now()
		}
		gone := s.ask("") // and never reads
		defer gone.close()
		synctest.Wait()
		if n := s.feed.open(); n != 2 {
			t.Fatalf("%d pages are open, want 2", n)
		}
		for end := time.Now().Add(patience + time.Second); time.Now().Before(end); {
			r.next()
		}
		synctest.Wait()
		if n := s.feed.open(); n != 1 {
			t.Errorf("%d pages are open, want the one that reads", n)
		}
	})
}

// A page that nothing is told hears a comment every 15 s, so that what stands between knows that it is in use.
func TestASilentPageHearsABeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStageWith(t, clinics(1, 1), func(f *Feed, ctx context.Context) error {
			<-ctx.Done() // and looks at nothing
			f.end()
			return nil
		})
		defer s.stop()
		r := s.open("")
		defer r.close()
		frameInto[[]Point](r, "points")
		for range 3 {
			last := time.Now()
			if kind, _ := r.next(); kind != ":" || time.Since(last) != heartbeat {
				t.Errorf("got %q after %s", kind, time.Since(last))
			}
		}
	})
}

// A stop ends the pages at once: those that wait for news, those that are in the middle of a write that nobody takes, and those
// that come now.
func TestAStopEndsThePagesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, clinics(1, 1))
		idle := s.open("")
		defer idle.close()
		frameInto[[]Point](idle, "points")
		stuck := s.ask("")
		defer stuck.close()
		synctest.Wait()
		began := time.Now()
		s.stop()
		if took := time.Since(began); took > time.Second { // the fake clock: Shutdown polls
			t.Errorf("the stop took %s", took)
		}
		for {
			if kind, _ := idle.next(); kind == "" {
				break
			}
		}
		late := httptest.NewRecorder()
		s.feed.ServeHTTP(late, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/live", http.NoBody))
		if late.Code != http.StatusServiceUnavailable {
			t.Errorf("a page that came late got %d", late.Code)
		}
	})
}

// While no page is open nobody looks at the accounts, and the points are counted all the same.
func TestWithoutAPageOnlyThePointsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, clinics(1, 1))
		defer s.stop()
		time.Sleep(time.Second) // off the edge of two points
		for range 60 {
			time.Sleep(10 * time.Second)
			s.feed.Tell(events(5, time.Second))
		}
		if s.source.looks != 0 {
			t.Errorf("the accounts were looked at %d times", s.source.looks)
		}
		r := s.open("")
		defer r.close()
		sum := 0
		points := frameInto[[]Point](r, "points")
		for _, p := range points {
			sum += p.Events
		}
		if len(points) < 59 || sum < 59*5 || sum > 60*5 {
			t.Errorf("%d points with %d events", len(points), sum)
		}
	})
}

// Ten minutes of 50 events a second with a page open leave the memory as it was.
func TestTenMinutesOfEventsLeaveMemoryFlat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, clinics(20, 5))
		defer s.stop()
		r := s.open("?account=clinic-0003")
		defer r.close()
		var feeding sync.WaitGroup
		ctx, enough := context.WithCancel(t.Context())
		feeding.Go(func() {
			for ctx.Err() == nil {
				s.feed.Tell(events(5, time.Second))
				time.Sleep(100 * time.Millisecond)
			}
		})
		told := 0
		heap := func(d time.Duration) uint64 {
			for end := time.Now().Add(d); time.Now().Before(end); {
				if kind, data := r.next(); kind == "told" {
					told += countTold(t, data)
				}
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		first := heap(2 * time.Minute)
		last := heap(8 * time.Minute)
		enough()
		feeding.Wait()
		if grown := int64(last) - int64(first); grown > 1<<20 {
			t.Errorf("the heap has grown from %d to %d bytes", first, last)
		}
		if told < 25_000 {
			t.Errorf("the page was told %d of 30000 events", told)
		}
	})
}
