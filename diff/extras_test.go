package diff_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The undocumented fields that were seen go with each shape, and with each thin event. One record that is full of odd names
// makes neither of another one any larger to speak of.
func TestOneRecordFullOfOddNamesBurdensNoOther(t *testing.T) {
	for name, length := range map[string]int{"many names": 60, "long names": 2000} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.thin = true
			b.restart(t)
			odd := row("1", -9, -9, "A")
			odd.Raw = []byte(`{"id":"1"`)
			for len(odd.Raw) < 1<<20 {
				odd.Raw = fmt.Appendf(odd.Raw, `,"%s%d":1`, strings.Repeat("f", length), len(odd.Raw))
			}
			odd.Raw = append(odd.Raw, '}')
			b.accept(t, opening(0, odd), live(5, row("2", 5, 5, "B")))
			b.wantTold(t, "created 2#1")
			if n := len(b.stream.messages[0].event.Print); n > 32<<10 {
				t.Errorf("the print of another record has %d bytes", n)
			}
		})
	}
}

// What is seen only in the record itself is compared all the same.
func TestAChangeInAFieldOfAnOddNameIsTold(t *testing.T) {
	b := newBench(t)
	long := strings.Repeat("f", 100)
	with := func(updated int, value string) schemas.Record {
		rec := row("1", -9, updated, "A")
		rec.Raw = fmt.Appendf(nil, `{"id":"1","name":"A",%q:%q}`, long, value)
		return rec
	}
	b.accept(t, opening(0, with(-9, "a")), live(5, with(5, "b")))
	b.wantTold(t, "updated 1#1 "+long)
}
