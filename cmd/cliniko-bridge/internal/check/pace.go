package check

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// schedules returns the schedule of each resource: the configuration's or the catalogue's.
func schedules(cfg *config.Config) func(schemas.Spec) string {
	return func(s schemas.Spec) string {
		if set := cfg.Resources[s.Resource].Schedule; set != "" {
			return set
		}
		return s.Schedule
	}
}

// pace says whether budget, in requests a minute, is enough for the schedules of what is served, and how long the
// first look at existing records takes with what they leave.
func pace(name string, served []finding, schedule func(schemas.Spec) string, budget int) Report {
	var out Report
	wanted, pages := 0.0, 0
	most, often := "", 0.0
	now := time.Now().UTC()
	var fresh freshness
	for _, f := range served {
		text := schedule(f.spec)
		s, err := poller.ParseSchedule(text)
		if err != nil {
			out.bad(name+": polling", "the schedule of %s: %s", f.spec.Resource, err)
			return out
		}
		rate := busiest(s, now)
		if f.spec.Parent != "" {
			rate = daily(s, now) // reading takes until it is done, behind what is more urgent
		}
		rate *= poller.RequestsPerPoll(f.spec, f.parents)
		if wanted += rate; rate > often {
			most, often = fmt.Sprintf("%s by %q", f.spec.Resource, text), rate
		}
		fresh.note(f.spec, rests(s, now))
		pages += max(1, (f.total+f.rows-1)/max(f.rows, 1), f.parents)
	}
	if wanted > float64(budget) {
		out.warn(name+": polling", "the schedules ask for %.0f requests a minute and the budget is %d: polls come %.1f times as "+
			"seldom as they say; lengthen some, or follow fewer resources", wanted, budget, wanted/float64(budget))
	} else {
		out.ok(name+": polling", "%.0f of %d requests a minute; the most often %s", math.Ceil(wanted), budget, most)
	}
	out.ok(name+": freshness", "%s", fresh.text(max(1, wanted/float64(budget))))
	kept := float64(budget) / 20 // that lanes get which would starve otherwise: see cliniko.Budget
	if left := float64(budget) - wanted; left < kept {
		out.warn(name+": baseline", "%s, %s: polling leaves them a twentieth of the budget", count(pages, "request"), about(float64(pages)/kept))
	} else {
		out.ok(name+": baseline", "%s, %s with what polling leaves of the budget", count(pages, "request"), about(float64(pages)/left))
	}
	return out
}

// A freshness is how long after it was made a change may be read at the latest: a poll may have passed just before.
type freshness struct {
	soon, late    time.Duration // of the resource that is polled most often, and of the one that is polled least
	often, seldom schemas.Resource
	hidden        bool // some resource has records that its own list hides
}

func (f *freshness) note(spec schemas.Spec, rest time.Duration) {
	if f.often == "" || rest < f.soon {
		f.soon, f.often = rest, spec.Resource
	}
	if f.seldom == "" || rest > f.late {
		f.late, f.seldom = rest, spec.Resource
	}
	f.hidden = f.hidden || len(spec.Feeds) > 1
}

// text says it, with polls that come slower times as seldom as they are to.
func (f *freshness) text(slower float64) string {
	stretch := func(d time.Duration) string { return time.Duration(float64(d) * slower).Round(time.Second).String() }
	text := fmt.Sprintf("a change of %s is read within %s", f.often, stretch(f.soon))
	if f.seldom != f.often {
		text += fmt.Sprintf(", of %s within %s", f.seldom, stretch(f.late))
	}
	if f.hidden {
		text += "; what a list hides, in three times as long"
	}
	return text
}

// rests is the longest time between two runs of s, of those that begin within a day of the next run.
func rests(s cron.Schedule, now time.Time) time.Duration {
	first := s.Next(now)
	longest := time.Duration(0)
	for run := first; run.Sub(first) < 24*time.Hour; {
		next := s.Next(run)
		if next.IsZero() {
			break // cron looks five years ahead: a 29 February may be the last
		}
		longest, run = max(longest, next.Sub(run)), next
	}
	return longest
}

// busiest is how many runs a minute s asks for, over the busiest of the next 24 hours: a schedule may be for the hours
// of work alone.
func busiest(s cron.Schedule, now time.Time) float64 {
	runs := hours(s, now)
	return float64(slices.Max(runs[:])) / 60
}

// daily is how many runs a minute s asks for, over a day.
func daily(s cron.Schedule, now time.Time) float64 {
	sum := 0
	for _, n := range hours(s, now) {
		sum += n
	}
	return float64(sum) / (24 * 60)
}

// hours is how often s runs in each of the next 24 hours.
func hours(s cron.Schedule, now time.Time) (runs [24]int) {
	for t := s.Next(now); !t.IsZero() && t.Sub(now) <= 24*time.Hour; t = s.Next(t) {
		runs[min(int(t.Sub(now)/time.Hour), 23)]++
	}
	return runs
}

// about is a number of minutes as people say it.
func about(minutes float64) string {
	switch {
	case minutes <= 1:
		return "less than a minute"
	case minutes < 90:
		return fmt.Sprintf("about %.0f minutes", math.Ceil(minutes))
	default:
		return fmt.Sprintf("about %.0f hours", math.Ceil(minutes/60))
	}
}
