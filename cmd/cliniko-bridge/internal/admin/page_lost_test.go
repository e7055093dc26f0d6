package admin

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/live"
)

// A lost connection is said at once, and as of when that is which is shown; nothing grows older meanwhile. It comes back by
// itself, and then shows what is, with no event twice.
func TestThePageComesBack(t *testing.T) {
	overview := sampleOverview(3)
	f := serveLive(t, overview)
	f.told = numbered(1, 100)
	b := show(t, f, "", desktop)
	b.until(newestID + ` === '100'`)
	lag := `document.getElementById('f-lag').textContent`

	b.expectOffline()
	f.refuse(true)
	b.until(`document.getElementById('says').textContent === 'Connection lost'`)
	b.wants("more", "What is shown is as of 10:0", "UTC")
	b.wants("link-text", "connection lost")
	before := eval[string](b, lag)
	eval[int](b, `window.testLater = 3600000`)
	b.until(`document.getElementById('link').dataset.is === 'lost'`)
	eval[bool](b, `new Promise((done) => setTimeout(() => done(true), 1200))`) // one tick of the page's clock
	if got := eval[string](b, lag); got != before {
		t.Errorf("got the age %q; want %q, as it was when the connection was lost", got, before)
	}
	if got := eval[int](b, `document.querySelectorAll('#tail tbody tr').length`); got != 100 {
		t.Errorf("got %d events; want the 100 that were there", got)
	}

	// The bridge has begun anew meanwhile: an account is gone, and of its last events the page knows some.
	f.mu.Lock()
	f.overview.Accounts = f.overview.Accounts[:2]
	f.overview.Totals.Accounts, f.overview.Totals.Followed = 2, 2
	f.told = numbered(91, 20)
	f.mu.Unlock()
	f.refuse(false)
	b.until(`document.getElementById('link').dataset.is === 'live' && document.querySelectorAll('#accounts-rows tbody tr').length === 2`)
	b.wants("says", "All is well")
	b.until(newestID + ` === '110'`)
	if got := eval[[]int](b, `[...document.querySelectorAll('#tail tbody .id')].map((id) => Number(id.textContent))`); len(got) != 110 || got[0] != 110 || got[109] != 1 {
		t.Errorf("got %d events, %v; want 110 to 1, each once", len(got), got)
	}
	if got := eval[int](b, `document.querySelectorAll('#tail .skipped').length`); got != 0 {
		t.Error("it says that events are missing, and none is")
	}

	// If nothing that comes was known, some may be missing between, and that is said.
	f.refuse(true)
	b.until(`document.getElementById('link').dataset.is === 'lost'`)
	f.mu.Lock()
	f.told = numbered(301, 5)
	f.mu.Unlock()
	f.refuse(false)
	b.until(newestID + ` === '305'`)
	b.wants("tail-rows", "events may be missing here")
}

// A connection over which nothing comes any more is taken for lost, though nobody closed it.
func TestThePageNoticesASilentConnection(t *testing.T) {
	f := serveLive(t, sampleOverview(1), sampleDetail(sampleLine(0)))
	b := show(t, f, "", desktop)
	b.until(`document.querySelectorAll('#account-rows tbody tr').length === 40`)
	f.mu.Lock()
	f.silent = true
	connections := len(f.asked)
	f.mu.Unlock()
	eval[int](b, `window.testLater = 11000`)
	b.until(`document.getElementById('link').dataset.is === 'lost'`)
	b.until(`document.getElementById('link').dataset.is === 'live'`)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.asked) <= connections {
		t.Error("it is live again without a new connection")
	}
}

// A page that is opened while the bridge is away says so, and fills when it is there.
func TestThePageWaitsForTheBridge(t *testing.T) {
	f := serveLive(t, sampleOverview(1), sampleDetail(sampleLine(0)))
	f.refuse(true)
	b := newTab(t, f.url, desktop)
	b.expectOffline()
	b.do(chromedp.Navigate(f.url + "/"))
	b.until(`document.getElementById('says').textContent === 'The bridge does not answer'`)
	f.refuse(false)
	b.until(`document.querySelectorAll('#account-rows tbody tr').length === 40`)
	b.wants("says", "All is well")
}

// Off loopback a browser gives the token as a password, and gives it for the page's files and for what is live, too.
func TestThePageWorksWithAToken(t *testing.T) {
	token := config.NewSecret("a-token-for-operators")
	f := serveLiveWith(t, "0.0.0.0:0", Deps{Token: func() config.Secret { return token }}, sampleOverview(1), sampleDetail(sampleLine(0)))
	b := newTab(t, f.url, desktop)
	b.do(chromedp.Navigate("http://operator:a-token-for-operators@" + f.url[len("http://"):] + "/"))
	b.until(`document.querySelectorAll('#account-rows tbody tr').length === 40`)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.password != "a-token-for-operators" {
		t.Errorf("got the password %q with /live", f.password)
	}
}

// A standby that follows nothing is well, and says so.
func TestAStandbyIsNoFault(t *testing.T) {
	overview := sampleOverview(2)
	overview.Totals.Followed = 0
	for i := range overview.Accounts {
		overview.Accounts[i].State, overview.Accounts[i].Holder, overview.Accounts[i].Lag = live.StateElsewhere, "bridge-1/99/abc", -1
	}
	b := show(t, serveLive(t, overview), "", desktop)
	b.wants("says", "Standing by: other bridges follow the accounts")
	b.until(`document.getElementById('accounts-rows').textContent.includes('followed by bridge-1/99/abc')`)
}
