package admin

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/memory"
	"github.com/chromedp/cdproto/runtime"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/live"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// numbered are n events from number first on; their ids are their numbers.
func numbered(first, n int) []live.Told {
	told := make([]live.Told, n)
	for i := range told {
		told[i] = sampleTold(first+i, 3)
		told[i].ID, told[i].Sequence = schemas.ID(fmt.Sprint(first+i)), 3 // the sequence is the record's own
	}
	return told
}

const newestID = `(document.querySelector('#tail tbody tr .id')?.textContent)`

// However many events there are, the newest 500 at most are in the document, the newest first, each once.
func TestTheTailUnderLoad(t *testing.T) {
	f := serveLive(t, sampleOverview(3))
	b := show(t, f, "", desktop)
	b.until(`document.getElementById('tail-rows').innerText.includes('No event yet')`)
	for i := range 80 { // as fast as the page takes them; a bridge sends four times a second
		f.tell(numbered(1+i*13, 13)...)
	}
	b.until(newestID + ` === '1040'`)
	ids := eval[[]string](b, `[...document.querySelectorAll('#tail tbody .id')].map((id) => id.textContent)`)
	if len(ids) != 500 {
		t.Errorf("got %d rows; want 500", len(ids))
	}
	for i, id := range ids {
		if want := fmt.Sprint(1040 - i); id != want {
			t.Fatalf("got %s in row %d; want %s", id, i, want)
		}
	}
	b.wants("tail-count", "the last 500")

	more := numbered(1041, 1)
	more[0].Skipped, more[0].Changed = 1204, []string{"notes", "patient_arrived"}
	f.tell(more...)
	b.until(newestID + ` === '1041'`)
	got := eval[[]string](b, `[...document.querySelector('#tail tbody tr').children].map((cell) => cell.innerText.replace(/\s+/g, ' '))`)
	want := fmt.Sprintf("%s %s / %s", more[0].Verb, more[0].Account, more[0].Resource)
	if at := got[1] + " " + got[2]; at != want {
		t.Errorf("got %q; want %q", at, want)
	}
	if want := "1041 notes, patient_arrived 1,204 before this are not shown: more than a page can follow"; got[4] != want {
		t.Errorf("got %q; want %q", got[4], want)
	}
}

// The filters look through what the page remembers, which is more than it shows; what comes later is filtered as well.
func TestTheTailIsFilteredAndHeld(t *testing.T) {
	f := serveLive(t, sampleOverview(3))
	told := numbered(1, 1500)
	told[3].Resource, told[3].Verb, told[3].Changed = "patients", schemas.Restored, []string{"archived_at"}
	b := show(t, f, "", desktop)
	f.tell(told...)
	b.until(newestID + ` === '1500'`)
	rows := `document.querySelectorAll('#tail tbody tr').length`

	b.choose("tail-verb", "restored")
	b.until(rows + ` === 1 && ` + newestID + ` === '4'`)
	b.choose("tail-resource", "patients")
	b.typeInto("tail-text", "ARCHIVED")
	b.until(rows + ` === 1`)
	if got, want := eval[string](b, `location.hash`), "#resource=patients&verb=restored&text=ARCHIVED"; got != want {
		t.Errorf("got the address %s; want %s", got, want)
	}
	another := numbered(1501, 2)
	another[0].Verb, another[0].Resource, another[0].Changed = schemas.Restored, "patients", []string{"archived_at", "notes"}
	another[1].Verb, another[1].Resource = schemas.Restored, "invoices"
	f.tell(another...)
	b.until(rows + ` === 2 && ` + newestID + ` === '1501'`)

	// While it is held nothing moves, and it says how much there is since.
	b.click("#pause")
	third := numbered(1503, 3)
	third[2].Verb, third[2].Resource, third[2].Changed = schemas.Restored, "patients", []string{"archived_at"}
	f.tell(third...)
	b.until(`document.getElementById('tail-count').textContent === 'paused, 3 since'`)
	if got := eval[string](b, newestID); got != "1501" {
		t.Errorf("got %s while it was held; want 1501", got)
	}
	b.click("#pause")
	b.until(rows + ` === 3 && ` + newestID + ` === '1505'`)

	// An address with filters opens with them.
	f.tell(append(numbered(1506, 20), another[0])...)
	other := show(t, f, "#verb=restored&resource=patients", desktop)
	other.until(newestID + ` === '1501'`)
	if got := eval[string](other, `document.getElementById('tail-resource').value + document.getElementById('tail-verb').value`); got != "patientsrestored" {
		t.Errorf("got the filters %q", got)
	}
}

// An open page does not grow: neither its heap nor the nodes that it holds, in the document or out of it. What four minutes of 50
// events a second bring is sent as fast as the page takes it.
func TestThePageDoesNotGrow(t *testing.T) {
	kilobytes, nodes := growth(t, 4)
	t.Logf("grew by %d kB and %d nodes", kilobytes, nodes)
	if kilobytes > 2000 || nodes > 1000 {
		t.Errorf("grew by %d kB and %d nodes in four minutes; want as good as nothing", kilobytes, nodes)
	}
}

// BenchmarkAnHourOfThePage says by how much an open page grows in an hour of 50 events a second.
func BenchmarkAnHourOfThePage(b *testing.B) {
	for b.Loop() {
		kilobytes, nodes := growth(b, 60)
		b.ReportMetric(float64(kilobytes), "grown-kB")
		b.ReportMetric(float64(nodes), "grown-nodes")
	}
}

// growth shows the page as many minutes of 50 events a second, and an overview, an account and a point as often as they come,
// after as much has come before as fills all that it keeps.
func growth(tb testing.TB, minutes int) (kilobytes, nodes int) {
	tb.Helper()
	overview := sampleOverview(40)
	detail := sampleDetail(overview.Accounts[0])
	f := serveLive(tb, overview, detail)
	f.points = samplePoints(24, 3000)
	b := show(tb, f, "#account=northside", desktop)
	sent := 0
	minute := func() {
		for range 6 { // ten seconds each
			told := numbered(sent+1, 500)
			for i := range told {
				told[i].Account = "northside"
			}
			sent += len(told)
			f.tell(told[:250]...)
			f.tell(told[250:]...)
			f.look(func(o *live.Overview) { o.Totals.Events[schemas.Updated] += 500 }, overview.Accounts...)
			for i := range detail.Rows {
				detail.Rows[i].Tracked++
			}
			f.open(detail)
			at := sampleNow.AddDate(0, 0, 1+sent/500)
			f.mu.Lock()
			f.send("", "points", []live.Point{{At: at, Events: 500, DelayMedian: 2, DelayMost: 5}})
			f.mu.Unlock()
		}
		b.until(newestID + fmt.Sprintf(` === '%d'`, sent))
	}
	measure := func() (int, int) {
		call(b, heapprofiler.CollectGarbage, cdp.Empty{})
		heap := call(b, runtime.GetHeapUsage, cdp.Empty{})
		counters := call(b, memory.GetDOMCounters, cdp.Empty{})
		return int(heap.UsedSize), int(counters.Nodes)
	}
	minute()
	minute()
	heapBefore, nodesBefore := measure()
	for range minutes {
		minute()
	}
	heapAfter, nodesAfter := measure()
	return (heapAfter - heapBefore) / 1000, nodesAfter - nodesBefore
}
