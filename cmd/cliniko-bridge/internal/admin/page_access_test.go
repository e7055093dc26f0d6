package admin

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/live"
)

// troubled is a bridge of n accounts in every state, with faults, and the details of the first with resources in every state.
func troubled(n int) (live.Overview, live.Detail) {
	overview := sampleOverview(n)
	detail := sampleDetail(overview.Accounts[0])
	states := []live.State{live.StateFailing, live.StateLate, live.StateNotice, live.StateBaseline, live.StateElsewhere, live.StateWell}
	for i, state := range states {
		row := &detail.Rows[3*i]
		row.State = state
		if state == live.StateBaseline {
			row.Baseline, row.BaselineLeft, row.BaselineSeconds, row.Sweep = BaselineRunning, 5500, 70, ""
			row.Tracked = 11200
		}
		if i < n && n > 1 {
			overview.Accounts[i].State, overview.Accounts[i].Faults = state, 2-i/2
		}
	}
	detail.Rows[4].Sweeping, detail.Rows[4].Sweep = true, "running, 3 deleted, 0 missed"
	detail.State, overview.Accounts[0].State = live.StateFailing, live.StateFailing
	overview.Faults = []live.Fault{
		{Account: "northside", Resource: detail.Rows[0].Resource, State: live.StateFailing, Text: "GET /patients: 403 Forbidden", Remedy: "give the key's user the right to see them, or leave the resource out of resources"},
		{Account: "northside", Resource: "individual_appointments_of_a_name_without_any_place_to_break_it_in_two", State: live.StateLate, Text: "no poll came through since " + strings.Repeat("0123456789", 12), Remedy: "cliniko-bridge check"},
		{Account: "northside", Resource: "contacts", State: live.StateNotice, Text: "812 records are gone at once; nothing is told of them", Remedy: "find out whether a right was taken away; if they are gone indeed: cliniko-bridge sweep --accept contacts"},
	}
	overview.FaultCount = 3
	overview.Totals.Budget.Spent["baseline"], overview.Totals.Budget.Spent["sweep"], overview.Totals.Budget.Spent["earlier"] = 41, 12, 7
	return overview, detail
}

// Nothing on a phone is wider than the phone, and what is to be touched can be hit.
func TestThePageFitsAPhone(t *testing.T) {
	for _, accounts := range []int{1, 40} {
		overview, detail := troubled(accounts)
		f := serveLive(t, overview, detail)
		f.points, f.told = samplePoints(3, 24), sampleTail(60, accounts)
		f.told[59].ID, f.told[59].Changed = "18446744073709551615", []string{strings.Repeat("a_field_of_a_long_name", 6)}
		b := show(t, f, "", screen{width: 360, height: 740, phone: true})
		b.until(`document.querySelectorAll('.rows tbody tr').length > 60 && document.querySelector('#plot-delay svg')`)
		if got := eval[[]int](b, `[document.scrollingElement.scrollWidth, innerWidth]`); got[0] > got[1] || got[1] != 360 {
			wide := eval[[]string](b, `[...document.querySelectorAll('main *')].filter((e) => e.getBoundingClientRect().right > 361).slice(0, 5).map((e) => e.outerHTML.slice(0, 120))`)
			t.Errorf("%d accounts: got width %d of %d; too wide: %q", accounts, got[0], got[1], wide)
		}
		// Within a list, too, nothing is cut off at the side.
		if got := eval[[]string](b, `[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.outerHTML.slice(0, 90))`); len(got) > 0 {
			t.Errorf("%d accounts: wider than its place: %q", accounts, got)
		}
		if got := eval[[]string](b, `[...document.querySelectorAll('button, input, select')].filter((e) => e.offsetParent && !e.closest('thead') && e.getBoundingClientRect().height < 32).map((e) => e.outerHTML)`); len(got) > 0 {
			t.Errorf("%d accounts: too small to touch: %q", accounts, got)
		}
	}
}

// On no screen is a table wider than its place.
func TestThePageFitsEveryScreen(t *testing.T) {
	overview, detail := troubled(40)
	f := serveLive(t, overview, detail)
	f.points, f.told = samplePoints(3, 24), sampleTail(60, 3)
	for _, hash := range []string{"", "#account=northside"} {
		b := show(t, f, hash, desktop)
		b.until(`document.querySelectorAll('.rows tbody tr').length > 20 && document.querySelector('#plot-delay svg')`)
		for _, width := range []int64{320, 560, 768, 901, 1219, 1221, 1440, 1920} {
			b.look(screen{width: width, height: 900})
			b.frames()
			if got := eval[[]string](b, `[document.scrollingElement, ...document.querySelectorAll('.scroll, .panel')].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML.slice(0, 90))`); len(got) > 0 {
				t.Errorf("%s, %d px: wider than its place: %q", hash, width, got)
			}
		}
	}
}

// contrasts is the least contrast of text to what is behind it, and where it is. Colours are read off a canvas, so that whatever
// a browser calls them, they are what it paints.
const contrasts = `(() => {
	const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
	const paint = (colours) => {
		canvas.clearRect(0, 0, 1, 1);
		for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
		return [...canvas.getImageData(0, 0, 1, 1).data];
	};
	const light = (rgb) => {
		const [r, g, b] = rgb.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = (node) => {
		const colours = [];
		for (let at = node; at; at = at.parentElement) colours.unshift(getComputedStyle(at).backgroundColor);
		return [getComputedStyle(document.documentElement).colorScheme.includes('dark') && matchMedia('(prefers-color-scheme: dark)').matches ? '#000' : '#fff', ...colours];
	};
	let least = 99, where = '', seen = 0;
	const look = (node, colour) => {
		const ground = behind(node);
		const a = light(paint(ground)), b = light(paint([...ground, colour]));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		seen++;
		if (ratio < least) { least = ratio; where = node.outerHTML.slice(0, 160) + ' ' + colour; }
	};
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const node = walk.currentNode.parentElement;
		if (!walk.currentNode.data.trim() || !node.checkVisibility() || node.closest('noscript, option')) continue;
		const style = getComputedStyle(node);
		look(node, node instanceof SVGElement ? style.fill : style.color);
	}
	for (const node of document.querySelectorAll('input, select')) {
		if (!node.checkVisibility()) continue;
		look(node, getComputedStyle(node).color);
		if (node.placeholder) look(node, getComputedStyle(node, '::placeholder').color);
	}
	return { least, where, seen };
})()`

// All text can be read, in light and dark: 4.5 to 1 at least, as WCAG 2.2 AA asks of small text.
func TestThePageHasContrast(t *testing.T) {
	for _, accounts := range []int{1, 40} {
		overview, detail := troubled(accounts)
		f := serveLive(t, overview, detail)
		f.points, f.told = samplePoints(3, 24), sampleTail(100, 3)
		for _, dark := range []bool{false, true} {
			look := desktop
			look.dark = dark
			b := show(t, f, "#state=well", look)
			b.until(`document.querySelectorAll('#tail tbody tr').length > 10 && document.querySelector('#plot-delay svg')`)
			got := eval[struct {
				Least float64 `json:"least"`
				Where string  `json:"where"`
				Seen  int     `json:"seen"`
			}](b, contrasts)
			if got.Least < 4.5 || got.Seen < 200 {
				t.Errorf("%d accounts, dark %t: got contrast %.2f, the least of %d, at %s; want 4.5", accounts, dark, got.Least, got.Seen, got.Where)
			}
			// It is dark if that is what the reader prefers.
			if got := eval[string](b, `getComputedStyle(document.body).backgroundColor`); (got == "rgb(14, 19, 23)") != dark {
				t.Errorf("dark %t: got the ground %s", dark, got)
			}
		}
	}
}

// What a screen reader goes by is there: landmarks, headings, a name for each control, a scope for each heading of a table, one
// live region. And no state is said by its colour alone.
func TestThePageCanBeReadAloud(t *testing.T) {
	for _, hash := range []string{"", "#account=northside"} {
		overview, detail := troubled(40)
		f := serveLive(t, overview, detail)
		f.points, f.told = samplePoints(3, 24), sampleTail(60, 3)
		b := show(t, f, hash, desktop)
		b.until(`document.querySelectorAll('#tail tbody tr').length > 3`)
		eval[bool](b, `(document.getElementById('plot-table').open = true)`)
		b.until(`document.querySelector('#plot-table tbody tr')`)
		for what, wrong := range map[string]string{
			"a control without a name": `[...document.querySelectorAll('a, button, input, select, [tabindex="0"], progress, [role=slider], table, section')]
				.filter((e) => e.checkVisibility() && !(e.getAttribute('aria-label') || e.textContent.trim() && !['TABLE', 'SECTION', 'SELECT'].includes(e.tagName) || e.labels?.length || e.querySelector('caption') || document.getElementById(e.getAttribute('aria-labelledby'))?.textContent))`,
			"a heading of a table without a scope": `[...document.querySelectorAll('th')].filter((th) => !['col', 'row'].includes(th.scope))`,
			"a row that is no row":                 `[...document.querySelectorAll('.rows tr')].filter((tr) => tr.getAttribute('role') !== 'row')`,
			"an id that is there twice":            `[...document.querySelectorAll('[id]')].filter((e) => document.querySelectorAll('[id="' + e.id + '"]').length > 1)`,
			"a live region beside the headline":    `[...document.querySelectorAll('[aria-live], [role=status], [role=alert], [role=log], output:not([aria-hidden])')].filter((e) => e.getAttribute('aria-live') !== 'polite' || !e.querySelector('h1'))`,
			"a state without a word":               `[...document.querySelectorAll('.state, #account-state, .chip')].filter((e) => e.dataset.state && !e.textContent.includes(e.dataset.state))`,
			"a picture that is read aloud":         `[...document.querySelectorAll('svg')].filter((e) => e.getAttribute('aria-hidden') !== 'true')`,
		} {
			if got := eval[[]string](b, `(`+wrong+`).map((e) => e.outerHTML.slice(0, 140))`); len(got) > 0 {
				t.Errorf("%s: %s: %q", hash, what, got)
			}
		}
		if got := eval[string](b, `['header', 'nav', 'main', 'footer', 'h1'].map((e) => document.querySelectorAll(e).length).join()`); got != "1,1,1,1,1" {
			t.Errorf("%s: got %s of header, nav, main, footer and h1; want one each", hash, got)
		}
		if got := eval[string](b, `document.documentElement.lang`); got != "en" {
			t.Errorf("got the language %q", got)
		}
	}
}

// The page can be used without a pointer: what has the focus is seen, the arrow keys walk the list, and Tab leaves it.
func TestThePageByKeyboard(t *testing.T) {
	overview, detail := troubled(300)
	f := serveLive(t, overview, detail)
	f.points, f.told = samplePoints(3, 24), sampleTail(20, 3)
	b := show(t, f, "", desktop)
	b.until(`document.querySelectorAll('#accounts-rows tbody tr').length > 10`)
	active := func() string {
		return eval[string](b, `document.activeElement.id || document.activeElement.title || document.activeElement.textContent`)
	}
	b.press(kb.Tab)
	if got := active(); got != "skip" {
		t.Fatalf("got %q first; want the link that skips", got)
	}
	b.press(kb.Enter)
	if got := active(); got != "main" {
		t.Errorf("got %q after the link that skips; want main", got)
	}
	seen := map[string]int{}
	for range 40 {
		b.press(kb.Tab)
		got := active()
		if got == "skip" || eval[bool](b, `document.activeElement === document.body`) {
			break
		}
		seen[got]++
		if ring := eval[string](b, `(({ outlineStyle, outlineWidth }) => outlineStyle + ' ' + outlineWidth)(getComputedStyle(document.activeElement))`); ring != "solid 2px" {
			t.Errorf("the focus on %q is not seen: %s", got, ring)
		}
	}
	for _, want := range []string{"find", "northside", "pause", "tail-resource", "tail-verb", "tail-text"} {
		if seen[want] == 0 {
			t.Errorf("Tab does not come to %s, only to %v", want, seen)
		}
	}
	if seen["harbour"]+seen["clinic-0100"] > 0 {
		t.Error("Tab comes to each account; want the arrow keys for that")
	}

	eval[bool](b, `(document.querySelector('#accounts-rows a[title=northside]').focus(), true)`)
	b.press(kb.ArrowDown)
	if got := active(); got != "harbour" {
		t.Errorf("got %q below northside; want harbour", got)
	}
	b.press(kb.End)
	last := active()
	if want := eval[string](b, `document.querySelector('#accounts-rows tbody tr:last-child').firstChild.textContent`); last != want {
		t.Errorf("got %q at the end; want %q", last, want)
	}
	if inside := eval[bool](b, `(() => {
		const at = document.activeElement.getBoundingClientRect(), box = document.querySelector('#accounts-rows .scroll').getBoundingClientRect();
		return at.top >= box.top && at.bottom <= box.bottom;
	})()`); !inside {
		t.Error("the account at the end has the focus and is not in view")
	}
	// A change of its state moves its row, and not the focus.
	for _, line := range overview.Accounts {
		if line.Name == last {
			line.State = live.StateFailing
			f.look(func(*live.Overview) {}, line)
		}
	}
	b.until(`document.querySelector('#chips [data-state=failing] b').textContent === '2'`)
	if got := active(); got != last {
		t.Errorf("got the focus on %q after a change; want %q", got, last)
	}
	b.press(kb.Home, kb.PageDown, kb.PageUp, kb.Enter)
	b.until(`document.activeElement.id === 'account-h'`)

	// The plots' values are read with the arrow keys, and spoken.
	eval[bool](b, `(document.querySelector('#plot-delay [role=slider]').focus(), true)`)
	b.press(kb.Home)
	first := eval[string](b, `document.activeElement.getAttribute('aria-valuetext')`)
	b.press(kb.ArrowRight, kb.ArrowRight)
	third := eval[string](b, `document.activeElement.getAttribute('aria-valuetext')`)
	if !strings.Contains(first, " UTC: median ") || !strings.Contains(third, " UTC: ") || first == third {
		t.Errorf("got %q, and %q two steps on; want two times with their delays", first, third)
	}
	if got := eval[string](b, `document.querySelector('#plot-delay .reading').textContent`); got != third {
		t.Errorf("got %q beside the plot; want %q", got, third)
	}
}

// Where the reader asks for calm nothing moves by itself.
func TestThePageIsCalm(t *testing.T) {
	overview, detail := troubled(1)
	for _, calm := range []bool{false, true} {
		b := show(t, serveLive(t, overview, detail), "", screen{width: 1440, height: 1000, calm: calm})
		b.until(`document.querySelector('progress:indeterminate:not([hidden])')`)
		want := map[bool]string{false: "1", true: "0"}[calm]
		if got := eval[string](b, `String(document.getAnimations().length)`); got != want {
			t.Errorf("calm %t: got %s things that move; want %s", calm, got, want)
		}
	}
}

// The plots put ten seconds together in minutes and more: the rates are those of the points that there are, a gap is a gap.
func TestThePlotsPutPointsTogether(t *testing.T) {
	b := show(t, serveLive(t, sampleOverview(1), sampleDetail(sampleLine(0))), "", desktop)
	got := eval[string](b, `import('/page/plots.js').then(({ gather }) => JSON.stringify(gather([
		{ atMs: 0, events: 3, delay_median_seconds: 1, delay_most_seconds: 5 },
		{ atMs: 10000, events: 0, delay_median_seconds: 0, delay_most_seconds: 0 },
		{ atMs: 20000, events: 5, delay_median_seconds: 2, delay_most_seconds: 3 },
		{ atMs: 180000, events: 0, delay_median_seconds: 0, delay_most_seconds: 0 },
	], 60000).map(({ from, rate, median, most }) => [from, rate, median ?? 'none', most ?? 'none'])))`)
	if want := `[[0,16,2,5],[180000,0,"none","none"]]`; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
	words := eval[[]string](b, `import('/page/words.js').then(({ duration, delay, happened, things }) => [
		duration(-3), duration(99.4), duration(100), duration(5999), duration(6000), duration(172800), delay(0.44), delay(9.94), delay(9.96),
		happened({ updated: 71, created: 3, deleted: 0 }), things(1, 'thing'), things(1200, 'thing')])`)
	want := "0 s|99 s|2 min|1 h 40 min|1 h 40 min|2 d|0.4 s|9.9 s|10 s|71 updated, 3 created|1 thing|1,200 things"
	if got := strings.Join(words, "|"); got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}
