package live

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/poller"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// What is wrong is told in plain words, with what to do.
func TestFaultsSayWhatToDo(t *testing.T) {
	now := time.Date(2027, 3, 27, 10, 0, 0, 0, time.UTC)
	failed := func(class, text string) func(*Account, *Resource) {
		return func(_ *Account, r *Resource) {
			r.FailureClass, r.LastError = class, "poll northside/patients since 2027-03-27T09:58:00Z: "+text
		}
	}
	for name, c := range map[string]struct {
		make         func(*Account, *Resource)
		state        State
		text, remedy string // what they begin with
	}{
		"a wrong key": {
			failed("unauthorized", "GET /patients: 401"), StateFailing,
			"patients: Cliniko does not take the API key of account northside (401).", "Make a key in Cliniko under My info, Manage API keys, and put it into api_key;",
		},
		"a right that is missing": {
			failed("forbidden", "GET /patients: 403"), StateFailing,
			"patients: the key's user may not see it (403).", "Give that user the right in Cliniko, or leave patients out of the account's resources;",
		},
		"a resource that is not there": {
			failed("not_found", "GET /patients: 404"), StateFailing,
			"patients: the account has no such list (404).", "Leave patients out of the account's resources;",
		},
		"an API that is down": {
			failed("network", "GET /patients: dial tcp 127.0.0.1:9: connect: connection refused"), StateFailing,
			"patients: Cliniko cannot be reached (dial tcp 127.0.0.1:9: connect: connection refused).", "See that this machine can reach the account's base_url:",
		},
		"an API that fails": {
			failed("server", "GET /patients: 503"), StateFailing, "patients: Cliniko answers with an error of its own (503).", "Wait: nothing is lost,",
		},
		"a proxy that answers": {
			failed("bad_body", "GET /patients: 200: not a JSON object"), StateFailing,
			"patients: the answer is not the list (200: not a JSON object).", "See that base_url is the API of the account's shard,",
		},
		"too many requests": {
			failed("rate_limited", "GET /patients: 429: wait for 40s"), StateFailing,
			"patients: more requests were sent than Cliniko takes of one user in a minute (429).", "Wait: it goes on by itself; if it comes again, another program uses the same user:",
		},
		"NATS that is away": {
			failed(poller.ClassInternal, "northside/patients: publish 3 events: publish northside/patients: not sent: nats: connection closed"), StateFailing,
			"patients: its events cannot be published (not sent: nats: connection closed).", "See that the NATS server runs and that the stream takes events;",
		},
		"a store that is away": {
			failed(poller.ClassInternal, "northside/patients: load: load northside/patients: dial tcp 127.0.0.1:9: connect: connection refused"), StateFailing,
			"patients: the store does not take what was read (dial tcp 127.0.0.1:9: connect: connection refused).", "See that Redis, or the disk of data_dir, takes writes;",
		},
		"an account that was taken over": {
			failed(poller.ClassInternal, "northside/patients: commit: the lease is lost"), StateFailing,
			"patients: another bridge has taken the account over.", "Wait: it is followed there;",
		},
		"something else": {
			failed(poller.ClassInternal, "a page without a single row that can be read"), StateFailing,
			"patients: it could not be read (a page without a single row that can be read).", "Look at the log of the bridge,",
		},
		"late by the budget": {
			func(a *Account, r *Resource) {
				r.LastPoll, r.LateFrom = now.Add(-5*time.Minute), now.Add(-time.Minute)
				a.Budget.Spent[cliniko.LaneLive] = 170
			}, StateLate,
			"patients: it was read 5m0s ago, which is longer than three of its intervals.", "Lengthen the schedules of some resources, such as resources.patients.schedule,",
		},
		"late for another reason": {
			func(_ *Account, r *Resource) { r.LastPoll, r.LateFrom = now.Add(-5*time.Minute), now.Add(-time.Minute) }, StateLate,
			"patients: it was read 5m0s ago", "Wait if it is read parent by parent,",
		},
		"a pause": {
			func(a *Account, _ *Resource) { a.Budget.PausedUntil = now.Add(40 * time.Second) }, StateNotice,
			"Cliniko has told account northside to send nothing until 2027-03-27T10:00:40Z.", "Wait: it goes on by itself;",
		},
		"a side list that is forbidden": {
			func(_ *Account, r *Resource) {
				r.Notes = []string{"the list of archived records answers 403: it is asked again every 10 minutes"}
			}, StateNotice,
			"patients: the list of archived records answers 403: it is asked again every 10 minutes.", "Give that user the right in Cliniko, or leave patients out",
		},
		"a list without a sort": {
			func(_ *Account, r *Resource) {
				r.Notes = []string{"the list does not come sorted by updated_at: it is read window by window"}
			}, StateNotice,
			"patients: the list does not come sorted by updated_at: it is read window by window.", "Nothing has to be done:",
		},
		"a record that is too large": {
			func(_ *Account, r *Resource) {
				r.Aside = diff.Asides{Count: 1, Newest: []diff.SetAside{{ID: "343589", List: "live", Reason: "larger than the stream takes"}}}
			}, StateNotice,
			"1 record of patients cannot be handled as it is, and nothing is told of it; the newest is 343589 (live list): larger than the stream takes.",
			"Raise the stream's max_msg_size and the NATS server's max_payload, or set events.data to thin;",
		},
		"rows that are no records": {
			func(_ *Account, r *Resource) {
				r.Aside = diff.Asides{Count: 3, Newest: []diff.SetAside{{List: "live", Stamp: "2027-03-27T09:00:00Z", Reason: "it has no id"}}}
			}, StateNotice,
			"3 records of patients cannot be handled as they are, and nothing is told of them; the newest is a row of 2027-03-27T09:00:00Z (live list): it has no id.",
			"Look at the record in Cliniko,",
		},
		"a mass disappearance": {
			func(_ *Account, r *Resource) { r.Sweep.Held = 412 }, StateNotice,
			"412 records of patients are gone at once, and nothing is told of them.",
			"Find out why, a right that was taken away or an account that moved; if they are really gone, run cliniko-bridge sweep --accept patients --account northside.",
		},
		"a sweep that failed": {
			func(_ *Account, r *Resource) { r.Sweep.Trouble = "GET /patients: 503" }, StateNotice,
			"The search for what is gone of patients did not come through: GET /patients: 503.", "Mend what it says; the next one is made by sweep.schedule, or now by cliniko-bridge sweep patients --account northside.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := clinic("northside", 1)
			a.Resources[0].Resource, a.Resources[0].LateFrom = "patients", now.Add(time.Minute)
			c.make(&a, &a.Resources[0])
			got := faultsOf(&a, now)
			if len(got) != 1 {
				t.Fatalf("got %d faults, want 1: %+v", len(got), got)
			}
			if f := got[0]; f.State != c.state || f.Account != "northside" || !strings.HasPrefix(f.Text, c.text) || !strings.HasPrefix(f.Remedy, c.remedy) {
				t.Errorf("got %+v", f)
			}
			plain(t, got[0])
			if line, _ := lineOf(&a, now); line.State != c.state || line.Faults != 1 {
				t.Errorf("the line says %s with %d faults", line.State, line.Faults)
			}
		})
	}
}

// plain fails the test if a fault is not two sentences.
func plain(t *testing.T, f Fault) {
	t.Helper()
	for _, text := range []string{f.Text, f.Remedy} {
		if !strings.HasSuffix(text, ".") || strings.ContainsAny(text, "{}\n") || strings.Contains(text, "..") {
			t.Errorf("not a sentence: %q", text)
		}
	}
}

// Every kind of failure that the client knows has words of its own.
func TestEveryKindOfFailureHasItsWords(t *testing.T) {
	for kind := cliniko.Kind(0); kind.String() != "unknown"; kind++ {
		_, ofAccount := wide[kind.String()]
		_, ofResource := single[kind.String()]
		if ofAccount == ofResource {
			t.Errorf("%s: of the account %v, of the resource %v; want one of them", kind, ofAccount, ofResource)
		}
	}
}

// An account that is not followed says why, whose it is, or nothing while the process is starting: that says its own reason.
func TestAnAccountThatIsNotFollowed(t *testing.T) {
	for name, c := range map[string]struct {
		a     Account
		state State
		text  string // "" if there is no fault
	}{
		"starting":             {Account{Starting: true}, StateFailing, ""},
		"another bridge's":     {Account{Holder: "other/1/B"}, StateElsewhere, ""},
		"whose is not known":   {Account{}, StateElsewhere, ""},
		"ours, held elsewhere": {Account{Ours: true, Holder: "other/1/B"}, StateNotice, "Account northside is this bridge's share, and is still held by other/1/B."},
		"nobody's":             {Account{Ours: true}, StateFailing, "Account northside is followed by no bridge."},
		"a wrong key": {
			Account{Ours: true, Us: true, Trouble: "the edition of its API is not known yet: GET /individual_appointments: 401"},
			StateFailing,
			"Account northside cannot be followed: the edition of its API is not known yet: GET /individual_appointments: 401.",
		},
	} {
		c.a.Name = "northside"
		line, faults := lineOf(&c.a, time.Now())
		text := ""
		if len(faults) > 0 {
			text = faults[0].Text
			plain(t, faults[0])
		}
		if line.State != c.state || text != c.text || line.Lag != -1 {
			t.Errorf("%s: got %s and %q, want %s and %q", name, line.State, text, c.state, c.text)
		}
		if name == "a wrong key" && faults[0].Remedy != wide["unauthorized"].remedy {
			t.Errorf("got %q", faults[0].Remedy)
		}
	}
}

// What fails for one reason is one fault of the account, and stays one of each resource in its detail; what is set aside is
// told beside it.
func TestWhatFailsAlikeIsToldOnce(t *testing.T) {
	a := clinic("northside", 40)
	now := time.Now()
	for i := range a.Resources {
		a.Resources[i].FailureClass, a.Resources[i].LastError = "unauthorized", "poll: GET /x: 401"
	}
	for i := 30; i < 40; i++ {
		a.Resources[i].FailureClass, a.Resources[i].LastError = poller.ClassInternal, fmt.Sprintf("poll: northside/resource_%d: commit: refused", i)
	}
	a.Resources[7].Sweep.Held = 3
	a.Resources[8].FailureClass = "forbidden"
	var got []string
	line, faults := lineOf(&a, now)
	for _, f := range faults {
		got = append(got, string(f.Resource)+" "+f.Text)
	}
	want := []string{
		" Cliniko does not take the API key of account northside (401): 29 resources are not read.",
		" The store does not take what was read (commit: refused): 10 resources are not read.",
		"resource_7 3 records of resource_7 are gone at once, and nothing is told of them.",
		"resource_8 resource_8: the key's user may not see it (403).",
	}
	slices.Sort(got)
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if len(got) != len(want) || line.State != StateFailing {
		t.Errorf("%d faults, %s", len(got), line.State)
	}
	if d := detailOf(&a, line, now); len(d.Rows[3].Faults) != 1 || len(d.Rows[7].Faults) != 2 || d.Rows[3].State != StateFailing {
		t.Errorf("rows: %+v", d.Rows[3])
	}
}

// The reasons of /readyz are faults, too: what they say behind a semicolon is what to do.
func TestReasonsAreFaults(t *testing.T) {
	for reason, want := range map[string][2]string{
		"the stream CLINIKO takes no events: maximum messages exceeded; raise the stream's limits, or set its discard policy to old": {
			"The stream CLINIKO takes no events: maximum messages exceeded.", "Raise the stream's limits, or set its discard policy to old.",
		},
		"Redis is full and takes no writes; raise its maxmemory": {"Redis is full and takes no writes.", "Raise its maxmemory."},
		"the store does not answer":                              {"The store does not answer.", "Start Redis, or see what keeps"},
		"NATS is not connected: nats: EOF":                       {"NATS is not connected: nats: EOF.", "Start the NATS server, or see"},
		"data_dir cannot be written to; it goes on when there is room: disk full": {
			"data_dir cannot be written to; it goes on when there is room: disk full.", "Make room on the disk of data_dir,",
		},
		"the stream CLINIKO does not answer in time: too few of its replicas run, or the NATS server has too much to do": {
			"The stream CLINIKO does not answer in time:", "Look at the log of the bridge and",
		},
		"it waits for NATS: dial tcp: refused": {"It waits for NATS: dial tcp: refused.", "Start the NATS server, or correct nats.url;"},
	} {
		got := reasonFault(reason)
		if !strings.HasPrefix(got.Text, want[0]) || !strings.HasPrefix(got.Remedy, want[1]) || got.State != StateFailing {
			t.Errorf("%s: got %+v", reason, got)
		}
		plain(t, got)
	}
	all := make([]string, 30)
	for i := range all {
		all[i] = fmt.Sprint(i)
	}
	if got := reasons(nil, all); len(got) != reasonsShown+1 || got[reasonsShown] != "and 10 more" {
		t.Errorf("got %v", got)
	}
	if reasons(nil, nil) == nil {
		t.Error("no reasons are null in JSON")
	}
}

// A hundred faults are shown at most, the worst first, and it is said how many there are.
func TestTheWorstFaultsAreShown(t *testing.T) {
	source := clinics(300, 1)
	for i := range source.accounts {
		r := &source.accounts[i].Resources[0]
		if i%3 == 0 {
			r.FailureClass, r.LastError = "forbidden", "GET /x: 403"
		} else {
			r.Notes = []string{"the list refuses a filter (archived_at:*): what it hides is not seen this way"}
		}
	}
	f := New(Config{Source: source})
	f.look(t.Context(), 0)
	text, _ := f.board.overview(0)
	o := decode[Overview](t, dataOf(text))
	if o.FaultCount != 300 || len(o.Faults) != 100 || o.Faults[99].State != StateFailing || o.Faults[1].Account != "clinic-0003" {
		t.Errorf("%d of %d: %+v", len(o.Faults), o.FaultCount, o.Faults)
	}
}
