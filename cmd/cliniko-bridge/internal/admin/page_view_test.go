package admin

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/live"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// wants holds what an element says against what it must hold.
func (b *tab) wants(id string, parts ...string) {
	b.t.Helper()
	got := strings.Join(strings.Fields(b.text(id)), " ")
	for _, part := range parts {
		if !strings.Contains(got, part) {
			b.t.Errorf("#%s says %q; want %q in it", id, got, part)
		}
	}
}

// One account is open by itself, with each resource's state, ages by the bridge's clock, events and progress.
func TestThePageShowsOneAccountAtOnce(t *testing.T) {
	detail := sampleDetail(sampleLine(0))
	baseline, sweeping := &detail.Rows[3], &detail.Rows[11]
	baseline.State, baseline.Baseline, baseline.BaselineLeft, baseline.BaselineSeconds = live.StateBaseline, BaselineRunning, 5500, 70
	baseline.Tracked, baseline.LastPoll, baseline.NextPoll, baseline.Lag, baseline.Sweep = 11200, "", "", -1, ""
	sweeping.Sweeping, sweeping.Sweep = true, "running, 3 deleted, 0 missed"
	f := serveLive(t, sampleOverview(1), detail)
	f.points, f.told = samplePoints(3, 24), sampleTail(50, 1)
	b := show(t, f, "", desktop)
	b.until(`document.querySelectorAll('#account-rows tbody tr').length === 40`)

	b.wants("says", "All is well")
	b.wants("version", "1.4.0")
	b.wants("link-text", "live · 10:0")
	b.wants("f-delay", "3.2 s")
	b.wants("f-delay-note", "most 12 s")
	b.wants("f-tracked", "14,416")
	b.wants("f-budget", "80 of 180")
	b.wants("f-lanes", "live 61", "side 19", "sweep 0", "baseline 0")
	b.wants("f-rate-note", "282 updated", "70 created")
	b.wants("account-h", "northside")
	b.wants("tail-count", "the last 50")

	row := func(resource schemas.Resource) string {
		return fmt.Sprintf(`[...document.querySelectorAll('#account-rows tbody tr')].find((tr) => tr.firstChild.textContent === %q)`, resource)
	}
	got := eval[[]string](b, `[...`+row(baseline.Resource)+`.children].map((cell) => cell.textContent)`)
	want := []string{string(baseline.Resource), "baseline", "never", "never", "–", "11,200", "", "baseline running: 5,500 left, about 70 s"}
	got[6], want[6] = "", ""
	if !slices.Equal(got, want) {
		t.Errorf("got the row %q; want %q", got, want)
	}
	// A baseline's progress is what is known of what there is; that of a sweep is not known.
	if got, want := eval[float64](b, row(baseline.Resource)+`.querySelector('progress').position`), 11200.0/16700; got != want {
		t.Errorf("got progress %v; want %v", got, want)
	}
	if got := eval[float64](b, row(sweeping.Resource)+`.querySelector('progress').position`); got != -1 {
		t.Errorf("got progress %v of a sweep; want none", got)
	}
	// The worst is first, though its name is not.
	if got := eval[string](b, `document.querySelector('#account-rows tbody tr').firstChild.textContent`); got != string(baseline.Resource) {
		t.Errorf("got %s first; want %s", got, baseline.Resource)
	}
	// Ages and countdowns tick by the bridge's clock, and have their times in full.
	well := detail.Rows[0]
	next := row(well.Resource) + `.querySelector('.next time')`
	if got, want := eval[string](b, next+`.title`), strings.NewReplacer("T", " ", "Z", " UTC").Replace(well.NextPoll); got != want {
		t.Errorf("got the title %q; want %q", got, want)
	}
	eval[int](b, `window.testLater = 5000`)
	b.until(next + `.textContent === 'now' || ` + row(well.Resource) + `.querySelector('.lag').textContent === '` + fmt.Sprint(int(well.Lag)+6) + ` s'`)
}

// Of a thousand accounts only those in view are in the document; scrolling, finding, sorting and a state's button bring the others.
func TestOnlyAccountsInViewAreInTheDocument(t *testing.T) {
	overview := sampleOverview(1000)
	overview.Accounts[700].State, overview.Accounts[700].Faults = live.StateFailing, 2
	overview.Accounts[44].State, overview.Accounts[44].Lag = live.StateLate, 300
	f := serveLive(t, overview)
	f.points, f.told = samplePoints(6, 900), sampleTail(200, 30)
	b := show(t, f, "", desktop)
	names := func() []string {
		return eval[[]string](b, `[...document.querySelectorAll('#accounts-rows tbody tr')].map((tr) => tr.firstChild.textContent)`)
	}
	b.until(`document.querySelectorAll('#accounts-rows tbody tr').length > 10`)
	if got := names(); got[0] != "clinic-0701" || got[1] != "clinic-0045" || len(got) > 60 {
		t.Errorf("got %d rows, %v first; want few, the worst first", len(got), got[:2])
	}
	if nodes := eval[int](b, `document.querySelectorAll('*').length`); nodes > 6000 {
		t.Errorf("got %d elements; want at most 6000", nodes)
	}
	b.wants("chips", "failing", "late", "well", "998")

	eval[int](b, `document.querySelector('#accounts-rows .scroll').scrollTop = 1e7`)
	b.until(`document.querySelector('#accounts-rows tbody tr:last-child').firstChild.textContent === 'westgate'`)
	if got := eval[string](b, `document.querySelector('#accounts-rows tbody tr:last-child').getAttribute('aria-rowindex')`); got != "1001" {
		t.Errorf("got the row index %s for the last; want 1001", got)
	}

	b.typeInto("find", "clinic-09")
	b.until(`document.getElementById('accounts-count').textContent === '100 of 1,000'`)
	b.click(`#accounts-rows th.name button`)
	b.frames()
	if got := names(); got[0] != "clinic-0900" || got[1] != "clinic-0901" {
		t.Errorf("sorted by name: got %v first", got[:2])
	}
	// The view is in the address; whoever opens it sees the same.
	if got, want := eval[string](b, `location.hash`), "#find=clinic-09&sort=name"; got != want {
		t.Errorf("got the address %s; want %s", got, want)
	}
	other := show(t, f, "#find=clinic-07&state=failing", desktop)
	other.until(`document.getElementById('accounts-count').textContent === '1 of 1,000'`)
	if got := eval[string](other, `document.getElementById('find').value + document.querySelector('#chips [aria-pressed=true]').dataset.state`); got != "clinic-07failing" {
		t.Errorf("got the filters %q", got)
	}
	// What changes is shown where it is.
	line := overview.Accounts[700]
	line.State, line.Faults = live.StateWell, 0
	f.look(func(*live.Overview) {}, line)
	other.until(`document.getElementById('accounts-rows').innerText.includes('No account is like this')`)
}

// An account is opened and left by links, so that the browser's own back and a shared address work.
func TestAnAccountIsOpenedByALink(t *testing.T) {
	overview := sampleOverview(30)
	overview.Accounts[2].State, overview.Accounts[2].Holder = live.StateElsewhere, "bridge-1/99/abc"
	f := serveLive(t, overview, sampleDetail(overview.Accounts[1]), live.Detail{Line: overview.Accounts[2]})
	f.told = sampleTail(200, 30)
	b := show(t, f, "", desktop)
	b.click(`#accounts-rows a[title=harbour]`)
	b.until(`document.querySelectorAll('#account-rows tbody tr').length === 40`)
	b.wants("account-h", "harbour")
	if got := eval[bool](b, `document.getElementById('accounts').hidden && document.activeElement.id === 'account-h'`); !got {
		t.Error("the list is still there, or the focus did not follow")
	}
	// Its events alone are in the tail.
	if got := eval[bool](b, `[...document.querySelectorAll('#tail tbody a.who')].every((who) => who.textContent === 'harbour')`); !got {
		t.Error("the tail shows other accounts' events")
	}
	b.do(chromedp.NavigateBack())
	b.until(`!document.getElementById('accounts').hidden && document.activeElement.title === 'harbour'`)

	elsewhere := show(t, f, "#account=elm-street", desktop)
	elsewhere.until(`document.getElementById('account-note').textContent.includes('bridge-1/99/abc')`)

	// The bridge refuses an account that it does not know; the page says so, and shows the rest.
	none := newTab(t, f.url, desktop)
	none.expectOffline()
	none.do(chromedp.Navigate(f.url + "/#account=nobody"))
	none.until(`document.getElementById('account-note').textContent.includes('no account of this name')`)
	none.wants("says", "All is well")
	none.click("#back")
	none.until(`document.querySelectorAll('#accounts-rows tbody tr').length > 5`)
}

// What is wrong is said in plain words, worst first, with what to do; the headline says how many things there are.
func TestThePageSaysWhatIsWrong(t *testing.T) {
	overview := sampleOverview(30)
	f := serveLive(t, overview, sampleDetail(overview.Accounts[0]))
	b := show(t, f, "", desktop)
	if got := eval[bool](b, `document.getElementById('faults').hidden`); !got {
		t.Error("the list of faults is there with nothing in it")
	}
	held := live.Fault{Account: "harbour", Resource: "patients", State: live.StateNotice, Text: "812 records are gone at once; nothing is told of them", Remedy: "run cliniko-bridge sweep --accept patients"}
	f.look(func(o *live.Overview) { o.Faults, o.FaultCount = []live.Fault{held}, 1 })
	b.until(`document.getElementById('says').textContent === 'Well, and 1 thing waits for you'`)

	refused := live.Fault{Account: "northside", Resource: "invoices", State: live.StateFailing, Text: "GET /invoices: 403 Forbidden", Remedy: "give the key's user the right to see it"}
	late := live.Fault{Account: "elm-street", State: live.StateLate, Text: "no poll came through for 3 minutes", Remedy: "cliniko-bridge check"}
	many := []live.Fault{held, late, refused}
	for i := range 97 {
		many = append(many, live.Fault{Account: accountName(i % 30), State: live.StateNotice, Text: fmt.Sprintf("%d rows are set aside", i), Remedy: "look at them"})
	}
	f.look(func(o *live.Overview) { o.Faults, o.FaultCount = many, 312 })
	b.until(`document.getElementById('says').textContent === '312 things need you'`)
	b.until(`document.querySelectorAll('#faults-list li').length === 4`)
	got := eval[[]string](b, `[...document.querySelectorAll('#faults-list li')].slice(0, 2).map((li) => li.textContent)`)
	want := []string{
		"failingnorthside / invoicesGET /invoices: 403 ForbiddenWhat to do: give the key's user the right to see it",
		"lateelm-streetno poll came through for 3 minutesWhat to do: cliniko-bridge check",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
	b.wants("faults-more", "and 212 more")
	if got := eval[string](b, `document.title`); got != "312 things need you · cliniko-bridge" {
		t.Errorf("got the title %q", got)
	}
	b.click("#faults-all")
	b.until(`document.querySelectorAll('#faults-list li').length === 100`)

	// With an account open, what is wrong there, of its resources too; said once.
	detail := sampleDetail(overview.Accounts[0])
	detail.Rows[5].Faults = []live.Fault{{Resource: detail.Rows[5].Resource, State: live.StateNotice, Text: "one row is set aside", Remedy: "look at it"}}
	detail.Rows[6].Faults = []live.Fault{refused}
	f.look(func(o *live.Overview) { o.Faults, o.FaultCount = []live.Fault{held, refused}, 3 })
	f.open(detail)
	b.until(`document.querySelectorAll('#faults-list li').length === 2`)
	b.click(`#faults-list a[href="#account=northside"]`)
	b.until(`document.querySelectorAll('#faults-list li').length === 2 && document.getElementById('faults-h').textContent.endsWith('northside')`)
	b.wants("faults-more", "1 thing at other accounts")

	f.look(func(o *live.Overview) { o.Ready = []string{"NATS cannot be reached", "the store does not answer"} })
	b.until(`document.getElementById('says').textContent === 'Not ready: NATS cannot be reached'`)
	b.wants("more", "the store does not answer")
	f.look(func(o *live.Overview) { o.Ready, o.Faults, o.FaultCount = nil, nil, 0 })
	b.until(`document.getElementById('says').textContent === 'All is well'`)
}

// Whatever an id, a name or a sentence holds is shown as text and becomes nothing else.
func TestThePageShowsDataAsText(t *testing.T) {
	evil := `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`
	overview := sampleOverview(2)
	overview.Accounts[1].Name, overview.Version, overview.Holder = evil, evil, evil
	overview.Faults = []live.Fault{{Account: evil, Resource: schemas.Resource(evil), State: live.State(evil), Text: evil, Remedy: evil}}
	overview.FaultCount, overview.Ready = 1, []string{evil}
	detail := sampleDetail(overview.Accounts[0])
	detail.Rows[0].Resource, detail.Rows[0].Sweep, detail.Rows[0].State = schemas.Resource(evil), evil, live.State(evil)
	detail.Rows[0].Events = map[schemas.Verb]int{schemas.Verb(evil): 3}
	f := serveLive(t, overview, detail)
	f.told = []live.Told{{At: sampleNow, Account: evil, Resource: schemas.Resource(evil), ID: schemas.ID(evil), Verb: schemas.Verb(evil), Sequence: 1, Changed: []string{evil}}}
	for _, hash := range []string{"", "#account=northside", "#find=%3Cscript%3E&text=%3Cscript%3E&resource=%3Cb%3E"} {
		b := show(t, f, hash, desktop)
		b.frames()
		if got := eval[int](b, `document.querySelectorAll('img, script, b script').length`); got != 1 {
			t.Errorf("%s: got %d scripts and pictures; want the page's own script alone", hash, got)
		}
		if title := eval[string](b, `document.title`); title == "owned" {
			t.Errorf("%s: a name was run", hash)
		}
		b.wants("says", "<script>")
	}
	b := show(t, f, "", desktop)
	b.until(`document.querySelector('#tail tbody .id').textContent.includes('<script>')`)
}
