package diff_test

import (
	"fmt"
	"slices"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// changesOfScheme are the ways in which the fingerprints of a store can come to be of another kind.
var changesOfScheme = map[string]func(b *bench){
	"another key":     func(b *bench) { b.secret = "q" },
	"another edition": func(b *bench) { b.edition = schemas.Edition2025 },
}

// Another key, or another edition, takes up what exists in silence, by whichever list, and tells what is news.
func TestAnotherSchemeTellsTheNewsAlone(t *testing.T) {
	type s = map[string]int
	const n = 300
	all := rows(n)
	all[7] = in("8", -500, 8, "A", nil)
	for name, change := range changesOfScheme {
		for _, snapshot := range []bool{false, true} {
			for _, killed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/snapshot=%v/killed=%v", name, snapshot, killed), func(t *testing.T) {
					b := newBench(t)
					b.snapshot = snapshot
					b.restart(t)
					b.accept(t, opening(n, all[n-1]), baseline(true, all...))
					skip := len(b.told())

					change(b)
					core, logs := observer.New(zap.WarnLevel)
					b.log = zap.New(core)
					b.restart(t)
					b.wantBaseline(t, false, n)
					b.wantBaseline(t, false, n)
					stop := func() {
						if killed {
							b.restart(t)
						}
					}
					live0 := func(rows ...schemas.Record) { b.accept(t, live(n, rows...)) }
					live0(all[200:250]...)
					stop()
					for page := range slices.Chunk(all[:240], 100) {
						b.accept(t, baseline(false, page...))
						stop()
					}
					live0(all[250:]...)
					if got := b.told()[skip:]; len(got) != 0 {
						t.Fatalf("told %q", got)
					}
					// Record 260 is under the new scheme by now.
					moved, renamed := row("7", -500, n+1, "B"), row("260", -500, n+1, "B")
					archivedRow := in("8", -500, 8, "A", s{"archived_at": n + 1})
					b.accept(t, live(n+1, moved, renamed), feed("archived", n+1, archivedRow), lost(n+1, "9"), baseline(true))
					stop()
					b.accept(t, live(n+1, moved, renamed), feed("archived", n+1, archivedRow))
					b.accept(t, live(n+2, row("7", -500, n+2, "C"), row("10", -500, n+2, "C")))
					var want []string
					for _, w := range []struct {
						what     string
						sequence int
						changed  string
					}{
						{"updated 7", 1, " name"},
						{"updated 260", 1, " name"},
						{"archived 8", 1, " archived_at"},
						{"deleted 9", 1, ""},
						{"updated 7", 2, " name"},
						{"updated 10", 1, " name"},
					} {
						if snapshot {
							w.sequence++
						}
						want = append(want, fmt.Sprintf("%s#%d%s", w.what, w.sequence, w.changed))
					}
					if got := b.told()[skip:]; !slices.Equal(got, want) {
						t.Errorf("told:\n  got  %q\n  want %q", got, want)
					}
					if got := logs.FilterMessageSnippet("fingerprint key").Len(); got != 1 {
						t.Errorf("said %d times, want once", got)
					}
				})
			}
		}
	}
}

// A record that moved, was archived or went away while the bridge was down, before the renewed baseline comes to it.
func TestAnotherSchemeAndNewsOfTheMeantime(t *testing.T) {
	type s = map[string]int
	for name, change := range changesOfScheme {
		for _, thin := range []bool{false, true} {
			for fault, inject := range faults {
				for ending, end := range endings {
					if ending == "the store is lost" {
						continue // then there is nothing of another scheme
					}
					t.Run(fmt.Sprintf("%s/thin=%v/%s/%s", name, thin, fault, ending), func(t *testing.T) {
						b := newBench(t)
						b.thin = thin
						b.restart(t)
						old := []schemas.Record{
							in("1", -500, 1, "A", nil), in("2", -500, 2, "A", nil), in("3", -500, 3, "A", nil),
							in("4", -500, 4, "A", nil), in("5", -500, 5, "A", s{"cancelled_at": 3}),
						}
						b.accept(t, opening(5, old...), baseline(true))
						change(b)
						b.restart(t)
						before := b.store.Snapshot()
						pages := []schemas.Page{
							live(9, old[0], in("2", -500, 9, "B", nil), in("5", -500, 5, "A", nil)),
							feed("archived", 9, in("3", -500, 3, "A", s{"archived_at": 9})),
							baseline(true, old[0], old[3], in("5", -500, 5, "A", nil)),
							live(10, in("2", -500, 10, "C", nil), in("1", -500, 10, "B", nil)),
						}
						for _, p := range pages {
							if _, err := b.differ.Standing(t.Context(), patients); err != nil {
								t.Fatal(err)
							}
							inject(b)
							_, _ = b.differ.Accept(t.Context(), p)
							b.store.OnLoad, b.store.OnCommit, b.stream.onPublish = nil, nil, nil
							end(t, b, before)
							b.accept(t, p)
							before = b.store.Snapshot()
						}
						b.wantTold(t, "updated 2#1", "restored 5#1", "archived 3#1", "updated 2#2 name", "updated 1#1 name")
					})
				}
			}
		}
	}
}
