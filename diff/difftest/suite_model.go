package difftest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/cliniko-bridge/cliniko-bridge/diff"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// known is what a map knows of one resource.
type known struct {
	state   []byte
	entries map[schemas.ID][]byte
	shapes  map[uint32]string
}

var (
	modelResources = []schemas.Resource{"patients", "appointments"}
	modelIDs       = []schemas.ID{"1", "01", "11", "9007199254740993", "18446744073709551615", "a:b", "\x00"}
	modelSizes     = []int{1, 2, 63, 64, 65, 128, 1000}
)

// Any sequence of commits, some on a stale state and some under a lost lease, leaves what a plain map would hold, and
// each of them returns what the map says that it must.
func model(t *testing.T, s diff.Store) {
	t.Helper()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &machine{
			t: t, s: s, account: fmt.Sprintf("model-%d", run),
			want: map[schemas.Resource]*known{}, states: [][]byte{nil, {}, []byte("other")},
		}
		for _, r := range modelResources {
			m.want[r] = &known{entries: map[schemas.ID][]byte{}, shapes: map[uint32]string{}}
		}
		m.takeLease(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"commit":     m.commit,
			"take lease": m.takeLease,
			"":           m.check,
		})
	})
}

// machine is one run of the model.
type machine struct {
	t       *testing.T // for its context
	s       diff.Store
	account string
	want    map[schemas.Resource]*known
	leases  []diff.Lease // all that were ever given; the last is current
	states  [][]byte     // all that any resource ever had, for stale commits
}

func (m *machine) takeLease(rt *rapid.T) {
	if n := len(m.leases); n > 0 && rapid.Bool().Draw(rt, "released") {
		if err := m.s.Release(m.t.Context(), m.leases[n-1]); err != nil {
			rt.Fatal(err)
		}
	}
	lease, err := m.s.Acquire(m.t.Context(), m.account, "model", long)
	if err != nil {
		rt.Fatal(err)
	}
	if n := len(m.leases); n > 0 && lease.Token <= m.leases[n-1].Token {
		rt.Fatalf("got token %d after %d", lease.Token, m.leases[n-1].Token)
	}
	m.leases = append(m.leases, lease)
}

func (m *machine) commit(rt *rapid.T) {
	c := diff.Commit{
		Account: m.account, Resource: rapid.SampledFrom(modelResources).Draw(rt, "resource"),
		State: fmt.Appendf(nil, "state %d", len(m.states)), Expect: rapid.SampledFrom([]int{0, 10, 100_000}).Draw(rt, "expect"),
		Entries: map[schemas.ID][]byte{}, Shapes: map[uint32]string{},
	}
	for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom(modelIDs), 0, 4, rapid.ID).Draw(rt, "ids") {
		size := rapid.SampledFrom(modelSizes).Draw(rt, "size")
		c.Entries[id] = bytes.Repeat([]byte{rapid.Byte().Draw(rt, "byte")}, size)
	}
	for _, n := range rapid.SliceOfN(rapid.Uint32Range(0, 3), 0, 2).Draw(rt, "shapes") {
		c.Shapes[n] = rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "shape")
	}

	want, now := error(nil), m.want[c.Resource]
	c.Was = now.state
	if rapid.IntRange(0, 3).Draw(rt, "stale") == 0 {
		c.Was = rapid.SampledFrom(m.states).Draw(rt, "was")
	}
	if !same(c.Was, now.state) {
		want = diff.ErrConflict
	}
	lease := m.leases[len(m.leases)-1]
	if rapid.IntRange(0, 3).Draw(rt, "zombie") == 0 {
		lease = rapid.SampledFrom(m.leases).Draw(rt, "lease")
	}
	if lease != m.leases[len(m.leases)-1] {
		want = diff.ErrLeaseLost
	}

	if got := m.s.Commit(m.t.Context(), lease, c); !errors.Is(got, want) {
		rt.Fatalf("got error %v, want %v", got, want)
	}
	if want == nil {
		now.state = c.State
		maps.Copy(now.entries, c.Entries)
		maps.Copy(now.shapes, c.Shapes)
		m.states = append(m.states, c.State)
	}
}

// check compares the whole of both resources; rapid calls it after every step.
func (m *machine) check(rt *rapid.T) {
	for resource, want := range m.want {
		got, err := m.s.Load(m.t.Context(), m.account, resource, modelIDs)
		if err != nil {
			rt.Fatal(err)
		}
		if !same(got.State, want.state) || got.Tracked != len(want.entries) || !maps.Equal(got.Shapes, want.shapes) {
			rt.Fatalf("%s: got state %q, %d records, shapes %v, want %q, %d, %v",
				resource, got.State, got.Tracked, got.Shapes, want.state, len(want.entries), want.shapes)
		}
		for i, id := range modelIDs {
			if !same(got.Entries[i], want.entries[id]) {
				rt.Fatalf("%s: id %q: got %.20q, want %.20q", resource, id, got.Entries[i], want.entries[id])
			}
		}
	}
}
