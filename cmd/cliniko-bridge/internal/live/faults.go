package live

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What is wrong is told in one plain sentence, and what to do in another: remedies.go has those. Both are made of texts of the
// bridge's own, names, counts and times.

// crowd is how many resources of an account fail in one way before it is said of the account, and not of each.
const crowd = 3

// faultsOf is what is wrong with an account and its resources.
func faultsOf(a *Account, now time.Time) []Fault {
	list := accountFaults(a, now)
	var alike map[saying]int // resources that fail in one way
	for i := range a.Resources {
		if how, ok := shared(&a.Resources[i], now); ok {
			if alike == nil {
				alike = make(map[saying]int)
			}
			alike[how]++
		}
	}
	for i := range a.Resources {
		r := &a.Resources[i]
		faults := rowFaults(a, r, now)
		if how, ok := shared(r, now); ok && (alike[how] >= crowd || alike[how] == said) {
			faults = faults[1:]
			if n := alike[how]; n != said {
				list = append(list, manyFault(a, r, how, n, now))
				alike[how] = said
			}
		}
		list = append(list, faults...)
	}
	return list
}

// said stands for the number of resources that fail in one way once it is told of the account.
const said = -1

// late is for what comes, but too rarely; lateFault says what of it.
var late = saying{text: "late"}

// shared is how a resource fails, if that is such that others fail in the same way: what rowFaults says first of all.
func shared(r *Resource, now time.Time) (how saying, ok bool) {
	switch {
	case r.LastError == "":
		return late, r.late(now)
	case r.FailureClass == poller.ClassInternal:
		return inward(r.LastError)
	}
	how, ok = wide[r.FailureClass]
	return how, ok
}

// manyFault says of the account what n of its resources have in common with r.
func manyFault(a *Account, r *Resource, how saying, n int, now time.Time) Fault {
	if how == late {
		f := lateFault(a, r, now)
		f.Resource = ""
		f.Text = sentence(fmt.Sprintf("%d resources are polled more rarely than their schedules say", n))
		return f
	}
	return Fault{
		Account: a.Name, State: StateFailing, Remedy: fill(how.remedy, a, r),
		Text: sentence(fmt.Sprintf("%s: %d resources are not read", fill(how.text, a, r), n)),
	}
}

// accountFaults is what is wrong with the whole account.
func accountFaults(a *Account, now time.Time) []Fault {
	var list []Fault
	say := func(state State, remedy, format string, args ...any) {
		list = append(list, Fault{Account: a.Name, State: state, Text: sentence(fmt.Sprintf(format, args...)), Remedy: remedy})
	}
	switch {
	case a.Starting:
	case a.Trouble != "":
		remedy := "Look at the log of the bridge, and run cliniko-bridge check; it is tried again by itself."
		if class := statusClass(a.Trouble); class != "" {
			remedy = wide[class].remedy
		}
		say(StateFailing, remedy, "account %s cannot be followed: %s", a.Name, a.Trouble)
	case a.Followed:
	case a.Us || a.Holder == "" && a.Ours:
		say(StateFailing, "Wait a few seconds: its lease is being taken; if it stays so, look at the log of the bridge, and whether the store takes writes.",
			"account %s is followed by no bridge", a.Name)
	case a.Ours:
		say(StateNotice, "Wait a quarter of a minute: it is handed over; if it stays so, look at that process, which may hang.",
			"account %s is this bridge's share, and is still held by %s", a.Name, a.Holder)
	}
	if until := a.Budget.PausedUntil; until.After(now.Add(time.Second)) {
		say(StateNotice, wide["rate_limited"].remedy, "Cliniko has told account %s to send nothing until %s", a.Name, stamp(until))
	}
	return list
}

// rowFaults is what is wrong with one resource: first why it is not read as it should be, if it is not.
func rowFaults(a *Account, r *Resource, now time.Time) []Fault {
	var list []Fault
	say := func(state State, text, remedy string) {
		list = append(list, Fault{Account: a.Name, Resource: r.Resource, State: state, Text: sentence(text), Remedy: remedy})
	}
	switch {
	case r.LastError != "":
		known, ok := shared(r, now)
		if !ok {
			known = cmp.Or(single[r.FailureClass], odd)
		}
		say(StateFailing, fmt.Sprintf("%s: %s", r.Resource, fill(known.text, a, r)), fill(known.remedy, a, r))
	case r.late(now):
		list = append(list, lateFault(a, r, now))
	}
	for _, note := range r.Notes {
		say(StateNotice, fmt.Sprintf("%s: %s", r.Resource, note), fill(noteRemedy(note), a, r))
	}
	if r.Aside.Count > 0 {
		text, remedy := asideText(r)
		say(StateNotice, text, remedy)
	}
	if s := r.Sweep; s != nil {
		if s.Held > 0 {
			say(StateNotice, fmt.Sprintf("%d records of %s are gone at once, and nothing is told of them", s.Held, r.Resource),
				fmt.Sprintf("Find out why, a right that was taken away or an account that moved; if they are really gone, run cliniko-bridge sweep --accept %s --account %s.",
					r.Resource, a.Name))
		}
		if s.Trouble != "" && !s.Running && !passing(s.Trouble) {
			say(StateNotice, fmt.Sprintf("the search for what is gone of %s did not come through: %s", r.Resource, s.Trouble),
				fmt.Sprintf("Mend what it says; the next one is made by sweep.schedule, or now by cliniko-bridge sweep %s --account %s.", r.Resource, a.Name))
		}
	}
	return list
}

func lateFault(a *Account, r *Resource, now time.Time) Fault {
	f := Fault{
		Account: a.Name, Resource: r.Resource, State: StateLate,
		Text: sentence(fmt.Sprintf("%s: it was read %s ago, which is longer than three of its intervals", r.Resource, now.Sub(r.LastPoll).Round(time.Second))),
	}
	b := &a.Budget
	switch {
	case b.PausedUntil.After(now):
		f.Remedy = wide["rate_limited"].remedy
	case b.PerMinute > 0 && b.Total() >= b.PerMinute*9/10:
		f.Remedy = fmt.Sprintf("Lengthen the schedules of some resources, such as resources.%s.schedule, follow fewer, or raise requests_per_minute (200 at the most): "+
			"they ask for more than the budget; cliniko-bridge check says for how much.", r.Resource)
	default:
		f.Remedy = "Wait if it is read parent by parent, which takes as long as there are parents; else look at the log of the bridge: a request or a commit hangs."
	}
	return f
}

func asideText(r *Resource) (text, remedy string) {
	what := "1 record"
	if r.Aside.Count > 1 {
		what = fmt.Sprintf("%d records", r.Aside.Count)
	}
	text = fmt.Sprintf("%s of %s cannot be handled as they are, and nothing is told of them", what, r.Resource)
	if r.Aside.Count == 1 {
		text = fmt.Sprintf("1 record of %s cannot be handled as it is, and nothing is told of it", r.Resource)
	}
	var newest diff.SetAside
	if len(r.Aside.Newest) > 0 {
		newest = r.Aside.Newest[0]
		text += fmt.Sprintf("; the newest is %s", newest)
	}
	if strings.Contains(newest.Reason, "larger than the stream takes") {
		return text, "Raise the stream's max_msg_size and the NATS server's max_payload, or set events.data to thin; each is tried again when it changes."
	}
	return text, "Look at the record in Cliniko, and correct what the reason says; cliniko-bridge status lists them all, and each is tried again when it changes."
}

// passing says that a trouble of a sweep is none: it goes by itself.
func passing(trouble string) bool {
	return trouble == "the baseline is not complete" || strings.HasPrefix(trouble, "accepted:")
}

// reasonFault is a reason of /readyz that is of the process and its servers. Many have their remedy behind a semicolon.
func reasonFault(reason string) Fault {
	f := Fault{State: StateFailing, Text: sentence(reason), Remedy: reasonRemedy(reason)}
	if at := strings.LastIndex(reason, "; "); at > 0 && f.Remedy == "" {
		f.Text, f.Remedy = sentence(reason[:at]), sentence(reason[at+2:])
	}
	f.Remedy = cmp.Or(f.Remedy, "Look at the log of the bridge and at that of the server that it names; it goes on by itself.")
	return f
}

// fill puts names into a text of a table, and why the last poll failed.
func fill(text string, a *Account, r *Resource) string {
	if !strings.Contains(text, "{") {
		return text
	}
	return strings.NewReplacer("{account}", a.Name, "{resource}", string(r.Resource), "{cause}", cause(r.LastError, a.Name, r.Resource)).Replace(text)
}

// cause is the last part of an error of a poll: what the API or the network did, or the sink.
func cause(text, account string, resource schemas.Resource) string {
	if rest, ok := behind(text, "GET /"); ok {
		if _, why, ok := strings.Cut(rest, ": "); ok {
			return why
		}
	}
	if rest, ok := behind(text, account+"/"+string(resource)+": "); ok {
		return rest
	}
	if _, rest, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(text, "poll ") { // "poll northside/patients since …: "
		return rest
	}
	return text
}

// behind is what comes behind the last sep.
func behind(text, sep string) (rest string, ok bool) {
	at := strings.LastIndex(text, sep)
	if at < 0 {
		return "", false
	}
	return text[at+len(sep):], true
}

// sentence begins with a capital, unless its first word is a name, and ends with a full stop.
func sentence(text string) string {
	text = strings.TrimRight(strings.Join(strings.Fields(text), " "), ".")
	first, _, _ := strings.Cut(text, " ")
	if first != "" && !strings.ContainsAny(first, "_:./") && text[0] >= 'a' && text[0] <= 'z' {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	return text + "."
}
