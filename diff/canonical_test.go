package diff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func canonical(t interface{ Fatalf(string, ...any) }, raw string) string {
	var w walker
	var out strings.Builder
	if err := w.object([]byte(`{"v":`+raw+`}`), func(_, c []byte) { out.Write(c) }); err != nil {
		t.Fatalf("canonical form of %s: %v", raw, err)
	}
	return out.String()
}

func TestCanonicalFormIsOneForEverySpelling(t *testing.T) {
	for _, same := range [][]string{
		{`1`, `1.0`, `1e0`, `10e-1`, `0.1E+1`, `100e-2`},
		{`0`, `-0`, `0.0`, `0e5`, `-0.00e-7`},
		{`-12.50`, `-125e-1`, `-1.25E1`},
		{`9007199254740993`, `9007199254740993.0`, `9.007199254740993e15`},
		{`"a/b"`, `"a\/b"`, `"\u0061/b"`},
		{`"\ud83d\ude00"`, `"😀"`},
		{`{"a":1,"b":[1,2]}`, `{ "b" : [ 1 , 2.0 ] , "a" : 1 }`, `{"\u0062":[1,2],"a":1}`},
		{`[]`, `[ ]`},
		{`{}`, "{\n}"},
	} {
		for _, other := range same[1:] {
			if a, b := canonical(t, same[0]), canonical(t, other); a != b {
				t.Errorf("%s and %s differ: %q, %q", same[0], other, a, b)
			}
		}
	}
}

func TestCanonicalFormKeepsEveryDifference(t *testing.T) {
	seen := make(map[string]string)
	for _, v := range []string{
		`null`, `""`, `false`, `true`, `0`, `"0"`, `"null"`, `[]`, `{}`, `[null]`, `[[]]`, `[[],[]]`, `{"":null}`, `{"a":null}`,
		`1`, `-1`, `10`, `100`, `0.1`, `0.01`, `1e400`, `1e401`, `1e-400`, `1e99999999999`, `1e999999999999`,
		`9007199254740992`, `9007199254740993`, `18446744073709551616`, `18446744073709551617`,
		`"a"`, `"a "`, `"A"`, `"\u0000"`, `"\\u0000"`, `["a","b"]`, `["ab"]`, `["b","a"]`, `{"a":1}`, `{"a":"1"}`, `{"b":1}`, `{"a":1,"b":1}`,
		`{"a":{"b":1}}`, `{"a":{"b":1},"c":1}`, `{"a":{"b":1,"c":1}}`, "\"\xff\"", "\"\xfe\"",
	} {
		c := canonical(t, v)
		if other, ok := seen[c]; ok {
			t.Errorf("%s and %s have one canonical form", v, other)
		}
		seen[c] = v
	}
}

func TestRecordsThatHaveNoCanonicalForm(t *testing.T) {
	deep := strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)
	for _, c := range []struct {
		raw  string
		want error
	}{
		{`[1]`, errNotObject},
		{`null`, errNotObject},
		{``, errNotObject},
		{`{"a":1`, errSyntax},
		{`{"a":1} {}`, errSyntax},
		{`{"a":01}`, errSyntax},
		{`{"a":{"b":1,"b":2}}`, errDuplicate},
		{`{"a":` + deep + `}`, errTooDeep},
	} {
		var w walker
		if err := w.object([]byte(c.raw), func(_, _ []byte) {}); !errors.Is(err, c.want) {
			t.Errorf("%.40s: got %v, want %v", c.raw, err, c.want)
		}
	}
}

// respell writes a decoded JSON value in another spelling of the same value.
func respell(t *rapid.T, b *bytes.Buffer, v any) {
	space := func() { b.WriteString(rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "space")) }
	space()
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		if len(keys) > 0 {
			keys = rapid.Permutation(keys).Draw(t, "order")
		}
		b.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				b.WriteByte(',')
			}
			respell(t, b, k)
			b.WriteByte(':')
			respell(t, b, v[k])
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			respell(t, b, e)
		}
		b.WriteByte(']')
	case string:
		b.WriteByte('"')
		for _, r := range v {
			if r > 0xffff || r >= ' ' && r != '"' && r != '\\' && rapid.Bool().Draw(t, "plain") {
				b.WriteRune(r)
			} else {
				fmt.Fprintf(b, `\u%04x`, r)
			}
		}
		b.WriteByte('"')
	case json.Number:
		n, ok := new(big.Int).SetString(v.String(), 10)
		if !ok {
			b.WriteString(v.String())
			break
		}
		shift := rapid.IntRange(0, 3).Draw(t, "shift")
		scaled := n.Mul(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(shift)), nil))
		fmt.Fprintf(b, "%se-%d", scaled, shift)
	case nil:
		b.WriteString("null")
	default:
		fmt.Fprint(b, v)
	}
	space()
}

func anyValue(depth int) *rapid.Generator[any] {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab\"\\/\n é😀\u0000")), 0, 4, -1)
	kinds := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), text.AsAny(),
		rapid.Custom(func(t *rapid.T) any {
			return json.Number(fmt.Sprint(rapid.OneOf(rapid.Int64Range(-3, 3), rapid.Int64()).Draw(t, "n")))
		}),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.SliceOfN(anyValue(depth-1), 0, 3).AsAny(),
			rapid.MapOfN(text, anyValue(depth-1), 0, 4).AsAny())
	}
	return rapid.OneOf(kinds...)
}

// Key order, white space, escapes and the spelling of numbers never change the canonical form, and two values with one
// canonical form are equal.
func TestCanonicalFormIsTheValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spell := func(v any) string {
			var b bytes.Buffer
			respell(t, &b, v)
			return b.String()
		}
		x, y := anyValue(3).Draw(t, "x"), anyValue(3).Draw(t, "y")
		first, second, third := spell(x), spell(x), spell(y)
		if canonical(t, first) != canonical(t, second) {
			t.Fatalf("one value, two forms: %s and %s", first, second)
		}
		xb, _ := json.Marshal(x)
		yb, _ := json.Marshal(y)
		if (canonical(t, first) == canonical(t, third)) != bytes.Equal(xb, yb) {
			t.Fatalf("%s and %s: form and value disagree", xb, yb)
		}
	})
}

// FuzzCanonical: whatever the bytes, the walker ends, and what it takes is what encoding/json takes.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":{"b":[1,2,{"c":null}]}}`, `{"a":1e5,"b":-0.10}`, `{"a":"\ud800"}`, "{\"\xff\":1}", `{`, `{"a":1}x`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var w walker
		err := w.object(raw, func(_, _ []byte) {})
		if err == nil && !json.Valid(raw) {
			t.Fatalf("took %q, which is not JSON", raw)
		}
		if errors.Is(err, errSyntax) && json.Valid(raw) {
			t.Fatalf("refused %q, which is JSON", raw)
		}
	})
}
