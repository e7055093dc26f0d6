package live

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// rank is how bad a state is.
var rank = map[State]int{StateWell: 0, StateBaseline: 1, StateElsewhere: 2, StateNotice: 3, StateLate: 4, StateFailing: 5}

// worse is the worse of the two.
func worse(a, b State) State {
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// lineOf is an account in the overview, and what is wrong with it.
func lineOf(a *Account, now time.Time) (Line, []Fault) {
	faults := faultsOf(a, now)
	l := Line{
		Name: a.Name, State: standing(a), Holder: a.Holder, Lag: -1, Events: make(map[schemas.Verb]int),
		Budget: budgetOf(a), Resources: len(a.Resources), Faults: len(faults),
	}
	for i := range faults {
		l.State = worse(l.State, faults[i].State)
	}
	var lateFrom time.Time // of the one that is longest beyond its schedule
	for i := range a.Resources {
		r := &a.Resources[i]
		l.Tracked += r.Tracked
		for verb, n := range r.Events {
			l.Events[verb] += n
		}
		if !r.done() {
			l.State = worse(l.State, StateBaseline)
			l.BaselineLeft += max(r.Remaining, 0)
			l.BaselineSeconds = max(l.BaselineSeconds, seconds(r.TimeLeft))
		}
		if !r.LateFrom.IsZero() && (lateFrom.IsZero() || r.LateFrom.Before(lateFrom)) {
			lateFrom, l.Lag = r.LateFrom, lag(r.LastPoll, now)
		}
	}
	return l, faults
}

// standing is how an account is, its resources left aside.
func standing(a *Account) State {
	switch {
	case a.Followed:
		return StateWell
	case !a.Starting && !a.Us && (a.Holder != "" || !a.Ours):
		return StateElsewhere
	default:
		return StateFailing
	}
}

// detailOf is an account with its resources.
func detailOf(a *Account, line Line, now time.Time) Detail {
	d := Detail{Line: line, Rows: make([]Row, len(a.Resources))}
	for i := range a.Resources {
		d.Rows[i] = rowOf(a, &a.Resources[i], now)
	}
	return d
}

func rowOf(a *Account, r *Resource, now time.Time) Row {
	row := Row{
		Resource: r.Resource, State: StateWell, Lag: lag(r.LastPoll, now), Tracked: r.Tracked, Events: r.Events, Baseline: r.Baseline,
		LastPoll: stamp(r.LastPoll), NextPoll: stamp(r.NextPoll), Cursor: stamp(r.Cursor), Faults: rowFaults(a, r, now),
	}
	if row.Events == nil {
		row.Events = make(map[schemas.Verb]int)
	}
	if !r.done() {
		row.State = StateBaseline
		row.BaselineLeft, row.BaselineSeconds = max(r.Remaining, 0), seconds(r.TimeLeft)
	}
	for _, f := range row.Faults {
		row.State = worse(row.State, f.State)
	}
	if r.Sweep != nil {
		row.Sweep, row.Sweeping = sweepText(r.Sweep), r.Sweep.Running
	}
	return row
}

// done says that the first look at what exists is over.
func (r *Resource) done() bool { return r.Baseline == "complete" }

// late says that polls come more rarely than the schedule says.
func (r *Resource) late(now time.Time) bool { return !r.LateFrom.IsZero() && now.After(r.LateFrom) }

// sweepText says how the search for what is gone goes, or went: "running, 3 deleted, 0 missed", "27 Mar 03:30: nothing found".
// It stands in a narrow column of the page, which says that times are UTC; /status has the year.
func sweepText(s *poller.SweepStatus) string {
	found := fmt.Sprintf("%d deleted, %d missed", s.Deleted, s.Missed)
	if s.Deleted == 0 && s.Missed == 0 {
		found = "nothing found"
	}
	last := s.Last.UTC().Format("2 Jan 15:04")
	var parts []string
	switch {
	case s.Running:
		parts = append(parts, "running, "+found)
	case !s.Last.IsZero() && s.Trouble == "":
		parts = append(parts, last+": "+found)
	case !s.Last.IsZero():
		parts = append(parts, last+": "+s.Trouble)
	case s.Trouble != "":
		parts = append(parts, s.Trouble)
	}
	if s.Held > 0 {
		parts = append(parts, fmt.Sprintf("%d held", s.Held))
	}
	return strings.Join(parts, ", ")
}

func budgetOf(a *Account) Budget {
	b := Budget{PerMinute: cmp.Or(a.Budget.PerMinute, a.PerMinute), Spent: map[string]int{"earlier": a.Budget.Earlier}}
	for lane, n := range a.Budget.Spent {
		b.Spent[cliniko.Lane(lane).String()] = n
	}
	return b
}

// total adds up the lines of all accounts. What is of the whole process is not in it.
func total(lines []Line, followed int) Totals {
	t := Totals{Accounts: len(lines), Followed: followed, Lag: -1, Budget: Budget{Spent: make(map[string]int)}}
	for i := range lines {
		l := &lines[i]
		t.Resources += l.Resources
		t.Tracked += l.Tracked
		t.Lag = max(t.Lag, l.Lag)
		if l.Resources > 0 { // what this process does not follow is not its budget
			t.Budget.PerMinute += l.Budget.PerMinute
		}
		for lane, n := range l.Budget.Spent {
			t.Budget.Spent[lane] += n
		}
	}
	return t
}

// worst are the worst of faults, in an order that does not change while they last.
func worst(faults []Fault, most int) []Fault {
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(rank[b.State]-rank[a.State], cmp.Compare(a.Account, b.Account))
	})
	return slices.Clone(faults[:min(len(faults), most)])
}

// lag is how many seconds ago that was, to the tenth; -1 if it never was.
func lag(last, now time.Time) float64 {
	if last.IsZero() {
		return -1
	}
	return float64(max(0, now.Sub(last)).Round(100*time.Millisecond)) / float64(time.Second)
}

func seconds(d time.Duration) int { return max(0, int(d/time.Second)) }

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return schemas.FormatStamp(t)
}
