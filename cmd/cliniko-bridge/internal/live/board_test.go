package live

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A page that applies what it is told to what it has, and misses looks as it likes, has after each that it sees every line as
// it is, but for what moves with the clock.
func TestAPageThatMissesLooksIsNeverWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBoard()
		truth := map[string]Line{}
		for i := range rapid.IntRange(1, 5).Draw(t, "accounts") {
			name := fmt.Sprint("clinic-", i)
			truth[name] = Line{Name: name, State: StateWell, Budget: Budget{Spent: map[string]int{}}}
		}
		has := map[string]Line{}
		seen := 0
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			var lines []Line
			for name, line := range truth {
				switch rapid.IntRange(0, 4).Draw(t, "change") {
				case 0:
					line.Tracked++
				case 1:
					line.State = rapid.SampledFrom([]State{StateWell, StateLate, StateFailing}).Draw(t, "state")
				case 2:
					line.Lag++
				case 3:
					line.Events = map[schemas.Verb]int{schemas.Updated: rapid.IntRange(0, 2).Draw(t, "events")}
				}
				truth[name] = line
				lines = append(lines, line)
			}
			b.put(Overview{}, lines)
			if rapid.IntRange(0, 3).Draw(t, "miss") == 0 {
				continue
			}
			var text []byte
			text, seen = b.overview(seen)
			for _, line := range decodeIn[Overview](t, dataOf(text)).Accounts {
				has[line.Name] = line
			}
			for name, want := range truth {
				if got := has[name]; !steady(&got, &want) {
					t.Fatalf("%s: the page has %+v, want %+v", name, got, want)
				}
			}
			if again, _ := b.overview(seen); again != nil {
				t.Fatal("there is something new in a look that was seen")
			}
		}
	})
}
