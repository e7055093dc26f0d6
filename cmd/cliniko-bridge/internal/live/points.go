package live

import (
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What the plots are made of.
const (
	pointEvery = 10 * time.Second
	pointsKept = int(3 * time.Hour / pointEvery)
	// delaysOver is what the delays of an Overview are of: so many points, the one that is not complete yet among them.
	delaysOver = int(5 * time.Minute / pointEvery)
	// delaysKept is how many delays of a point are kept. Of more a random choice is, so that the median is about right.
	delaysKept = 1000
)

// points count what happens, ten seconds at a time. A snapshot tells no change, and so has no delay.
type points struct {
	mu     sync.Mutex // guards the following
	at     time.Time  // when the ten seconds that are being counted began
	events int
	delays []delays // of the last points, the one that is being counted last
	verbs  map[schemas.Verb]int

	kept  [][]byte // the complete ones in JSON, oldest first
	total uint64   // how many were complete ever; the last kept has the number total-1
}

func newPoints(now time.Time) *points {
	return &points{at: now.Truncate(pointEvery), delays: make([]delays, 1), verbs: make(map[schemas.Verb]int)}
}

// add counts events that were told.
func (p *points) add(list []diff.Told) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events += len(list)
	for i := range list {
		p.verbs[list[i].Verb]++
		if list[i].Verb != schemas.Snapshot {
			p.delays[len(p.delays)-1].add(delay(&list[i]))
		}
	}
}

// due says which ten seconds are being counted, and whether they are over by now.
func (p *points) due(now time.Time) (at time.Time, over bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Before(p.at) { // the clock was set back
		p.at = now.Truncate(pointEvery)
	}
	return p.at, !now.Before(p.at.Add(pointEvery))
}

// close completes the point that is being counted, for which so many requests were spent, and begins the one of now. If the
// process was suspended there is none of the time between.
func (p *points) close(now time.Time, spent map[string]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := &p.delays[len(p.delays)-1]
	median, most := figures(*last)
	text, _ := json.Marshal(Point{At: p.at, Events: p.events, Spent: spent, DelayMedian: median, DelayMost: most}) // it always encodes
	if p.kept = append(p.kept, text); len(p.kept) > pointsKept {
		p.kept = slices.Delete(p.kept, 0, 1)
	}
	p.total++
	if p.delays = append(p.delays, delays{}); len(p.delays) > delaysOver {
		p.delays = slices.Delete(p.delays, 0, 1)
	}
	p.at, p.events = now.Truncate(pointEvery), 0
}

// recent are the events since the process began, by verb, and the delays of the last minutes.
func (p *points) recent() (verbs map[schemas.Verb]int, median, most float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	median, most = figures(p.delays...)
	return maps.Clone(p.verbs), median, most
}

// all is a frame of all that are kept, and the number of the next.
func (p *points) all() (text []byte, next uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return arrayFrame("points", p.kept), p.total
}

// frame is a frame of the complete points from number from on, and the number of the next; nil if there is none.
func (p *points) frame(from uint64) (text []byte, next uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if from == p.total {
		return nil, from
	}
	first := uint64(len(p.kept)) - min(p.total-from, uint64(len(p.kept)))
	return arrayFrame("points", p.kept[first:]), p.total
}

// delays are those of ten seconds.
type delays struct {
	n    int
	most float64
	some []float64
}

func (d *delays) add(seconds float64) {
	d.n++
	d.most = max(d.most, seconds)
	if len(d.some) < delaysKept {
		d.some = append(d.some, seconds)
	} else if i := rand.IntN(d.n); i < delaysKept { //nolint:gosec // a sample, no secret
		d.some[i] = seconds
	}
}

// figures are the median and the greatest of all of them, 0 if there are none.
func figures(list ...delays) (median, most float64) {
	var all []float64
	for i := range list {
		all = append(all, list[i].some...)
		most = max(most, list[i].most)
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	middle := len(all) / 2
	median = all[middle]
	if len(all)%2 == 0 {
		median = (all[middle-1] + median) / 2
	}
	return round(median), round(most)
}

// delay is how long after the record's own time its event was committed, in seconds. The two are different clocks.
func delay(t *diff.Told) float64 { return max(0, t.At.Sub(t.Time).Seconds()) }

// round leaves hundredths, which is more than anybody reads.
func round(seconds float64) float64 { return math.Round(seconds*100) / 100 }
