package admin

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/live"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

var update = flag.Bool("update", false, "take the pictures of the page in deploy/pictures anew")

// pictured is a bridge on an ordinary morning: nearly all is well.
func pictured(n int) (live.Overview, live.Detail) {
	overview := sampleOverview(n)
	detail := sampleDetail(overview.Accounts[0])
	find := func(name schemas.Resource) *live.Row {
		for i := range detail.Rows {
			if detail.Rows[i].Resource == name {
				return &detail.Rows[i]
			}
		}
		panic(name)
	}
	files, contacts := find("patient_attachments"), find("contacts")
	files.State, files.Baseline, files.BaselineLeft, files.BaselineSeconds, files.Sweep = live.StateBaseline, BaselineRunning, 5500, 140, ""
	files.Tracked = 11200
	contacts.State = live.StateNotice
	find("invoices").Sweeping, find("invoices").Sweep = true, "running, 0 deleted, 0 missed"
	find("individual_appointments").Events = map[schemas.Verb]int{schemas.Updated: 189, schemas.Created: 54, schemas.Cancelled: 18}
	overview.Faults = []live.Fault{{
		Account: overview.Accounts[0].Name, Resource: "contacts", State: live.StateNotice, Text: "812 records are gone at once, more than the limit allows: nothing is told of them",
		Remedy: "find out whether a right was taken away; if they are gone indeed: cliniko-bridge sweep --accept contacts",
	}}
	overview.FaultCount = 1
	overview.Accounts[0].State, overview.Accounts[0].Faults, detail.State = live.StateNotice, 1, live.StateNotice
	for i := 9; i < min(n, 13); i++ {
		overview.Accounts[i].State, overview.Accounts[i].BaselineLeft, overview.Accounts[i].BaselineSeconds = live.StateBaseline, 2100*i, 60*i
		overview.Accounts[i].Budget.Spent["baseline"] = 58
		overview.Totals.Budget.Spent["baseline"] += 58
	}
	if n > 1 {
		overview.Totals.Budget.Spent["sweep"] = n
	} else {
		overview.Totals.Budget.Spent = map[string]int{"live": 52, "side": 17, "sweep": 11, "baseline": 38}
		detail.Budget, overview.Accounts[0].Budget = overview.Totals.Budget, overview.Totals.Budget
	}
	return overview, detail
}

// The pictures of the README are of this page. With -update they are taken anew; without, it is held that they are there, and small.
func TestPictures(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "deploy", "pictures")
	for name, p := range map[string]struct {
		accounts  int
		perMinute float64
		look      screen
	}{
		"page-light.png": {1, 24, screen{width: 1440, height: 960}},
		"page-dark.png":  {1000, 900, screen{width: 1440, height: 960, dark: true}},
		"page-phone.png": {1, 24, screen{width: 390, height: 844, phone: true}},
	} {
		file := filepath.Join(dir, name)
		if *update {
			overview, detail := pictured(p.accounts)
			f := serveLive(t, overview, detail)
			f.points, f.told = samplePoints(3, p.perMinute), sampleTail(200, min(p.accounts, 30))
			b := show(t, f, "", p.look)
			b.until(`document.querySelectorAll('.rows tbody tr').length > 30 && document.querySelector('#plot-delay svg')`)
			b.frames()
			result := call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: "png"})
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, smaller(t, result.Data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		info, err := os.Stat(file)
		if err != nil || info.Size() > 200_000 {
			t.Errorf("%s: got %v, %v; want a picture of 200 kB at most", name, info, err)
		}
	}
}

// smaller is a picture in the 256 colours that stand for the most of it.
func smaller(t *testing.T, picture []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	// Colours that are nearly the same count as one; the one that is there most often stands for them.
	counts := map[color.RGBA]int{}
	most := map[color.RGBA]color.RGBA{}
	bounds := from.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(from.At(x, y)).(color.RGBA) }
	coarse := func(c color.RGBA) color.RGBA { return color.RGBA{c.R &^ 15, c.G &^ 15, c.B &^ 15, 255} }
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			counts[at(x, y)]++
		}
	}
	share := map[color.RGBA]int{}
	for c, n := range counts {
		near := coarse(c)
		share[near] += n
		if kept, ok := most[near]; !ok || n > counts[kept] {
			most[near] = c
		}
	}
	nears := slices.SortedFunc(maps.Keys(share), func(a, b color.RGBA) int { return share[b] - share[a] })
	var palette color.Palette
	for _, near := range nears[:min(256, len(nears))] {
		palette = append(palette, most[near])
	}
	index := map[color.RGBA]uint8{}
	for c := range counts {
		index[c] = uint8(palette.Index(c)) //nolint:gosec // of 256
	}
	to := image.NewPaletted(bounds, palette)
	for y := range bounds.Dy() {
		for x := range bounds.Dx() {
			to.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// BenchmarkFirstPaint says when the first of the page is seen, and when all that is in view, with 1,000 accounts of 40 resources:
// milliseconds from the beginning of the navigation, server and browser on this machine.
func BenchmarkFirstPaint(b *testing.B) {
	overview, detail := troubled(1000)
	f := serveLive(b, overview, detail)
	f.points, f.told = samplePoints(6, 900), sampleTail(200, 30)
	tab := newTab(b, f.url, desktop)
	var paint, full float64
	for b.Loop() {
		tab.do(chromedp.Navigate("about:blank"), chromedp.Navigate(f.url+"/"))
		full += eval[float64](tab, `new Promise((done) => {
			const look = () => (document.querySelectorAll('#accounts-rows tbody tr').length > 10 && document.querySelector('#tail tbody tr')
				? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : setTimeout(look, 5));
			look();
		})`)
		paint += eval[float64](tab, `performance.getEntriesByName('first-contentful-paint')[0].startTime`)
	}
	b.ReportMetric(paint/float64(b.N), "first-paint-ms")
	b.ReportMetric(full/float64(b.N), "all-in-view-ms")
}
