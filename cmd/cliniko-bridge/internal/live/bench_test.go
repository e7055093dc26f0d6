package live

import (
	"encoding/json"
	"testing"
	"time"
)

// BenchmarkLook is what two seconds cost with 1,000 accounts of 40 resources and three pages open, of which one shows an
// account, when a tenth of the accounts have news: a look, and what goes to each page. Beside it is the whole of it in JSON, as
// a page that asked for everything would have it.
func BenchmarkLook(b *testing.B) {
	source := clinics(1000, 40)
	f := New(Config{Source: source})
	pages := []*page{{}, {}, {account: "clinic-0500"}}
	for _, p := range pages {
		f.enter(p)
	}
	f.look(b.Context(), 0)
	sent := 0
	tell := func() {
		for _, p := range pages {
			for _, text := range f.fresh(p, nil, 0) {
				sent += len(text)
			}
		}
	}
	tell()
	first := sent / len(pages)
	n := 0
	b.Run("look", func(b *testing.B) {
		sent, n = 0, 0
		b.ReportAllocs()
		for b.Loop() {
			b.StopTimer()
			source.change(func(all []Account) {
				for i := n % 10; i < len(all); i += 10 {
					all[i].Resources[0].Tracked++
				}
			})
			b.StartTimer()
			f.look(b.Context(), 0)
			tell()
			n++
		}
		b.ReportMetric(float64(sent)/float64(n*len(pages)), "bytes/page")
		b.ReportMetric(float64(first), "first-bytes/page")
	})
	b.Run("all in JSON", func(b *testing.B) {
		b.ReportAllocs()
		var text []byte
		for b.Loop() {
			for range pages {
				var details []Detail
				source.Each(func(a Account) {
					line, _ := lineOf(&a, time.Now())
					details = append(details, detailOf(&a, line, time.Now()))
				})
				text, _ = json.Marshal(details)
			}
		}
		b.ReportMetric(float64(len(text)), "bytes/page")
	})
}

// What a look sends of a thousand accounts, of which a tenth have news, is a small part of all that there is: what
// BenchmarkLook measures.
func TestALookSendsASmallPartOfAllThereIs(t *testing.T) {
	source := clinics(1000, 40)
	f := New(Config{Source: source})
	p := &page{}
	f.look(t.Context(), 0)
	f.fresh(p, nil, 0)
	f.look(t.Context(), 0) // from which on the lines are told
	f.fresh(p, nil, 0)
	source.change(func(all []Account) {
		for i := 0; i < len(all); i += 10 {
			all[i].Resources[0].Tracked++
		}
	})
	f.look(t.Context(), 0)
	sent := 0
	for _, text := range f.fresh(p, nil, 0) {
		sent += len(text)
	}
	if sent > 100_000 {
		t.Errorf("a look sends %d bytes", sent)
	}
}
