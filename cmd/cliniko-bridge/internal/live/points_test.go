package live

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// dataOf is the data of a frame, "" if there is none.
func dataOf(text []byte) string {
	_, data, _ := strings.Cut(string(text), "\ndata: ")
	return strings.TrimSuffix(data, "\n\n")
}

// Whatever happens when: each event is in one point, in the ten seconds in which it was noted; points lie on whole tens of
// seconds and follow one another; their figures are those of their delays, to the hundredth; and a page that asks now and then
// has each once. Snapshots count, and have no delay.
func TestPointsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2027, 3, 27, 10, 0, 3, 0, time.UTC)
		now := start
		p := newPoints(now)
		want := []Point{{At: start.Truncate(pointEvery)}} // the last is being counted
		var delays [][]float64
		delays = append(delays, nil)
		var read []Point
		var cursor uint64
		verbs := map[schemas.Verb]int{}
		tick := func() { // as the feed does
			if at, over := p.due(now); over {
				p.close(now, map[string]int{"live": int(at.Unix() % 7)})
				want = append(want, Point{At: now.Truncate(pointEvery)})
				delays = append(delays, nil)
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0, 1:
				n := rapid.IntRange(0, 5).Draw(t, "events")
				list := make([]diff.Told, n)
				for i := range list {
					verb := rapid.SampledFrom(schemas.Verbs()).Draw(t, "verb")
					ms := 20 * rapid.IntRange(-250, 5000).Draw(t, "20 ms") // the API's clock may be ahead; a mean of two is whole hundredths
					list[i] = diff.Told{Verb: verb, At: now, Time: now.Add(-time.Duration(ms) * time.Millisecond)}
					verbs[verb]++
					if verb != schemas.Snapshot {
						last := len(delays) - 1
						delays[last] = append(delays[last], float64(max(0, ms))/1000)
					}
				}
				p.add(list)
				want[len(want)-1].Events += n
			case 2:
				now = now.Add(time.Duration(rapid.SampledFrom([]int{1, 500, 9_999, 10_000, 10_001, 3_600_000}).Draw(t, "ms")) * time.Millisecond)
				tick()
			case 3:
				var text []byte
				if text, cursor = p.frame(cursor); text != nil {
					read = append(read, decodeIn[[]Point](t, dataOf(text))...)
				}
			}
		}
		text, _ := p.frame(cursor)
		if text != nil {
			read = append(read, decodeIn[[]Point](t, dataOf(text))...)
		}
		if len(read) != len(want)-1 {
			t.Fatalf("%d points were read, want %d", len(read), len(want)-1)
		}
		for i, got := range read {
			median, most := reference(delays[i])
			if got.At != want[i].At || got.Events != want[i].Events || got.Spent["live"] != int(got.At.Unix()%7) ||
				got.DelayMedian != median || got.DelayMost != most || got.At.Unix()%10 != 0 {
				t.Errorf("point %d: got %+v, want %+v with %v and %v", i, got, want[i], median, most)
			}
			if i > 0 && !got.At.After(read[i-1].At) {
				t.Errorf("point %d is of %s, behind one of %s", i, got.At, read[i-1].At)
			}
		}
		all, median, most := p.recent()
		wantMedian, wantMost := reference(slices.Concat(delays[max(0, len(delays)-delaysOver):]...))
		if median != wantMedian || most != wantMost {
			t.Errorf("of the last minutes: got %v and %v, want %v and %v", median, most, wantMedian, wantMost)
		}
		for _, verb := range schemas.Verbs() {
			if all[verb] != verbs[verb] {
				t.Errorf("%s: got %d, want %d", verb, all[verb], verbs[verb])
			}
		}
	})
}

// reference is the median and the greatest, as one would write it on paper.
func reference(list []float64) (median, most float64) {
	if len(list) == 0 {
		return 0, 0
	}
	list = slices.Sorted(slices.Values(list))
	n := len(list)
	return round((list[(n-1)/2] + list[n/2]) / 2), round(list[n-1])
}

func decodeIn[T any](t *rapid.T, data string) (value T) {
	t.Helper()
	if err := json.Unmarshal([]byte(data), &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// Of a flood of events a choice is kept, and the median is about right; of a day of points the last three hours are.
func TestPointsAreBounded(t *testing.T) {
	now := time.Date(2027, 3, 27, 10, 0, 0, 0, time.UTC)
	p := newPoints(now)
	for i := range 100_000 {
		p.add([]diff.Told{{Verb: schemas.Updated, At: now, Time: now.Add(-time.Duration(i) * time.Millisecond)}})
	}
	if n := len(p.delays[0].some); n != delaysKept {
		t.Errorf("%d delays are kept", n)
	}
	if _, median, most := p.recent(); median < 40 || median > 60 || most != 100 {
		t.Errorf("got %v and %v, want about 50 and 100", median, most)
	}
	for range 8640 {
		now = now.Add(pointEvery)
		p.close(now, nil)
	}
	if _, median, most := p.recent(); median != 0 || most != 0 || len(p.delays) != delaysOver {
		t.Errorf("a day later: %v and %v of %d points", median, most, len(p.delays))
	}
	text, next := p.all()
	points := decode[[]Point](t, dataOf(text))
	if len(points) != pointsKept || next != 8640 || !points[0].At.Equal(now.Add(-3*time.Hour)) {
		t.Errorf("%d points from %s on, and %d is next", len(points), points[0].At, next)
	}
}

// A clock that is set back does not stop the points.
func TestPointsGoOnWhenTheClockIsSetBack(t *testing.T) {
	now := time.Date(2027, 3, 27, 10, 0, 0, 0, time.UTC)
	p := newPoints(now)
	back := now.Add(-time.Hour)
	if at, over := p.due(back); over || !at.Equal(back) {
		t.Errorf("an hour back: %s, %v", at, over)
	}
	if _, over := p.due(back.Add(pointEvery)); !over {
		t.Error("the point does not end")
	}
}
