package admin

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// The tests share one browser, which the first that needs it starts. Each has a tab of its own.
var (
	browserStarts = sync.OnceValues(startBrowser)
	browserEnds   = func() {} // set by startBrowser
)

// browser returns the context of the browser. Without Chromium the test is skipped, unless REQUIRE_SERVICES says that it is there.
func browser(tb testing.TB) context.Context {
	tb.Helper()
	_, err := exec.LookPath("chromium")
	switch {
	case err != nil && os.Getenv("REQUIRE_SERVICES") == "1":
		tb.Fatal("there is no chromium, and REQUIRE_SERVICES=1 says that there is")
	case err != nil:
		tb.Skip("there is no chromium on PATH: the page is not tried")
	}
	ctx, err := browserStarts()
	if err != nil {
		tb.Fatal(err)
	}
	return ctx
}

func startBrowser() (context.Context, error) {
	dir, err := os.MkdirTemp("", "page-chromium-*")
	if err != nil {
		return nil, err
	}
	// Without a sandbox, since that cannot be had by root, or in most containers; what is shown are our own pages.
	flags := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(dir), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, _ := chromedp.NewContext(allocator)
	browserEnds = func() {
		_ = chromedp.Cancel(ctx)
		endAllocator()
		_ = os.RemoveAll(dir)
	}
	return ctx, chromedp.Do(ctx)
}

// A browserTests closes the browser when all tests are done, before it is asked whether something still runs.
type browserTests struct{ *testing.M }

func (m browserTests) Run() int {
	defer func() { browserEnds() }()
	return m.M.Run()
}

// A tab shows the page of a fake. What goes wrong in it is an error of the test: a message on the console, an exception, a
// breach of the page's policy, a request to another host.
type tab struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // it is the tab

	mu       sync.Mutex // guards what follows
	trouble  []string
	requests []string // paths
	// offline lets the browser say that a request of the page failed, as it does whenever the bridge is away.
	offline bool
}

// How a tab looks at the page.
type screen struct {
	width, height int64
	dark, phone   bool
	calm          bool // prefers-reduced-motion
}

var desktop = screen{width: 1440, height: 1000}

// show opens the page at hash, "" or "#…", on a screen, and waits until it has shown what comes first.
func show(tb testing.TB, f *fakeLive, hash string, look screen) *tab {
	tb.Helper()
	b := newTab(tb, f.url, look)
	b.do(chromedp.Navigate(f.url + "/" + hash))
	b.until(`document.getElementById('link').dataset.is === 'live'`)
	b.frames()
	return b
}

func newTab(tb testing.TB, base string, look screen) *tab {
	tb.Helper()
	ctx, closeTab := chromedp.NewContext(browser(tb))
	tb.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	tb.Cleanup(cancel)
	b := &tab{t: tb, ctx: ctx}
	home, err := url.Parse(base)
	if err != nil {
		tb.Fatal(err)
	}
	if err := chromedp.Listen(ctx, func(event any) { b.heard(event, home.Host) }); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, trouble := range b.trouble {
			tb.Errorf("the page is in trouble: %s", trouble)
		}
	})
	b.look(look)
	// What breaks the page's policy is said on the console only at times: this says it always. And a test may make time pass.
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		addEventListener('securitypolicyviolation', (e) => console.error('policy', e.violatedDirective, e.blockedURI));
		const passed = performance.now.bind(performance);
		window.testLater = 0;
		performance.now = () => passed() + window.testLater;`})
	return b
}

func (b *tab) heard(event any, host string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		args := make([]string, len(e.Args))
		for i, arg := range e.Args {
			args[i] = string(arg.Value) + arg.Description
		}
		b.trouble = append(b.trouble, fmt.Sprintf("console.%s %s", e.Type, strings.Join(args, " ")))
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.trouble = append(b.trouble, text)
	case *log.EventEntryAdded:
		if b.offline && e.Entry.Source == log.EntrySourceNetwork {
			return
		}
		b.trouble = append(b.trouble, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
	case *network.EventRequestWillBeSent:
		to, err := url.Parse(e.Request.URL)
		if err != nil || to.Host != host {
			b.trouble = append(b.trouble, "a request to "+e.Request.URL)
			return
		}
		b.requests = append(b.requests, to.Path)
	}
}

func (b *tab) look(look screen) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: look.width, Height: look.height, DeviceScaleFactor: 1, Mobile: look.phone})
	scheme, motion := "light", "no-preference"
	if look.dark {
		scheme = "dark"
	}
	if look.calm {
		motion = "reduce"
	}
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion},
	}})
}

// expectOffline lets the browser say from now on that requests fail.
func (b *tab) expectOffline() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offline = true
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// until waits until a condition in JavaScript is true, a minute at most. (The library's own waiting makes a function from a string,
// which the page's policy does not let it.)
func (b *tab) until(condition string) {
	b.t.Helper()
	ok := eval[bool](b, `new Promise((done) => {
		const end = Date.now() + 60000;
		const look = () => {
			let is = false;
			try { is = !!(`+condition+`); } catch { /* not yet there */ }
			if (is || Date.now() > end) done(is); else setTimeout(look, 15);
		};
		look();
	})`)
	if !ok {
		b.t.Fatalf("it never came true: %s; the page says %q", condition, eval[string](b, `document.body.innerText.slice(0, 1500)`))
	}
}

// frames waits until the page has drawn what it knows.
func (b *tab) frames() {
	b.t.Helper()
	eval[bool](b, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(true)))))`)
}

// text is what an element says, "" if there is none.
func (b *tab) text(id string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`document.getElementById(%q)?.innerText ?? ''`, id))
}

// press presses keys one after the other.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.do(chromedp.KeyEvent(key))
	}
	b.frames()
}

// click clicks on the middle of an element. (The library's own way keeps a copy of all nodes, and is slow where many come and go.)
func (b *tab) click(selector string) {
	b.t.Helper()
	at := eval[[]float64](b, fmt.Sprintf(`(() => {
		const node = document.querySelector(%q);
		node.scrollIntoView({ block: 'nearest' });
		const box = node.getBoundingClientRect();
		return [box.x + box.width / 2, box.y + box.height / 2];
	})()`, selector))
	b.do(chromedp.MouseClickXY(at[0], at[1]))
	b.frames()
}

// choose takes an option of a list, as a user does.
func (b *tab) choose(id, value string) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf(`(() => {
		const list = document.getElementById(%q);
		list.value = %q;
		return list.dispatchEvent(new Event('input', { bubbles: true }));
	})()`, id, value))
	b.frames()
}

// typeInto types text into a field.
func (b *tab) typeInto(id, text string) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf(`(document.getElementById(%q).focus(), true)`, id))
	b.do(chromedp.KeyEvent(text))
	b.frames()
}

// eval evaluates JavaScript, and waits if it is a promise.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v in %s", err, script)
	}
	return value
}

func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return result
}
