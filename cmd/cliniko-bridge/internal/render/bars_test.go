package render

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

// What is seen at each moment: bars that move, that end well and otherwise, and each ended line once.
func TestBars(t *testing.T) {
	for file, style := range map[string]Style{"bars.mono": Mono, "bars.color": Color} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			bars := NewBars(&out, style, 80, 0)
			time.Sleep(drawEvery / 2)
			seen := func() {
				time.Sleep(drawEvery)
				synctest.Wait()
				out.WriteString("--\n")
			}
			bars.Set("patients", Bar{Text: "patients: 7500 left, about 2m", Done: 2500, Total: 10000})
			bars.Set("invoices", Bar{Text: "invoices"})
			bars.Set("users", Bar{Text: "users"})
			seen()
			bars.Set("patients", Bar{Text: "patients: 100 left, about 1s", Done: 9900, Total: 10000})
			bars.Set("invoices", Bar{Text: "invoices: 812 held", Ended: true, Wrong: true})
			bars.Set("users", Bar{Text: "users: 0 deleted,\x1b[2J 0 missed", Ended: true})
			seen()
			bars.Say("GET /patients:\x07 503")
			bars.Set("users", Bar{Text: "never seen", Ended: true})
			bars.Set("patients", Bar{Text: "patients", Done: 10001, Total: 10000, Ended: true})
			bars.Close()
			golden(t, file, out.String())
		})
	}
}

// More bars than the terminal has lines would write over one another: the others wait, and none is forgotten.
func TestBarsThatFindNoRoomWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		bars := NewBars(&out, Mono, 80, 5)
		time.Sleep(drawEvery / 2)
		for i := range 40 {
			bars.Set(fmt.Sprint(i), Bar{Text: fmt.Sprintf("resource-%02d", i)})
		}
		time.Sleep(drawEvery)
		synctest.Wait()
		if got := strings.Count(out.String(), "\n"); got != 3 {
			t.Errorf("got %d lines, want 3:\n%s", got, out.String())
		}
		out.Reset()
		for i := range 40 {
			bars.Set(fmt.Sprint(i), Bar{Text: fmt.Sprintf("resource-%02d", i), Ended: true})
		}
		bars.Close()
		for i := range 40 {
			if got := strings.Count(out.String(), fmt.Sprintf("resource-%02d ", i)); got != 1 {
				t.Errorf("resource-%02d is in %d lines, want 1", i, got)
			}
		}
	})
}

// However soon it is closed, nothing goes on drawing.
func TestBarsThatAreClosedAtOnce(t *testing.T) {
	defer goleak.VerifyNone(t)
	for range 50 {
		NewBars(&bytes.Buffer{}, Mono, 0, 0).Close()
	}
}

func TestNoBarsShowNothing(*testing.T) {
	var bars *Bars
	bars.Set("patients", Bar{})
	bars.Say("nothing")
	bars.Close()
}
