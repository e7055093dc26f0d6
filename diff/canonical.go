package diff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// The canonical form of a JSON value is a string of bytes that two values share if and only if they mean the same:
// white space, the order of keys, escapes in strings and the spelling of numbers do not matter, every digit does.
// It is hashed and thrown away, never stored.
//
//	null t f         z t f
//	a number         n, its digits without zeros at either end, e, its exponent, ;   1.50 and 15e-1 are n15e-1;
//	a string         s, its length as a varint, its bytes
//	an array         [ its values ]
//	an object        { its members by name: the name as a string, the value }

var (
	errNotObject = errors.New("not a JSON object")
	errDuplicate = errors.New("an object has two members of one name")
	errTooDeep   = errors.New("nested too deep")
	errSyntax    = errors.New("not valid JSON")
)

// maxDepth is how deep a record may be nested. Rows of the API are three deep.
const maxDepth = 64

// A walker brings JSON to its canonical form. The zero value is ready; it may be used again, by one goroutine at a time.
type walker struct {
	dec   jsontext.Decoder
	buf   bytes.Buffer
	out   []byte
	spare []byte
}

// object calls f with the name and the canonical value of each member of the JSON object in raw, in the order in
// which they stand. Both are valid until f returns.
func (w *walker) object(raw []byte, f func(name, canonical []byte)) error {
	w.buf = *bytes.NewBuffer(raw)
	w.dec.Reset(&w.buf, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if w.dec.PeekKind() != '{' {
		return errNotObject
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return errSyntax
	}
	for w.dec.PeekKind() != '}' {
		name, err := w.dec.ReadValue()
		if err != nil {
			return errSyntax
		}
		w.out = appendText(w.out[:0], name)
		if !utf8.Valid(w.out) {
			w.out = bytes.ToValidUTF8(w.out, []byte("\ufffd")) // a shape keeps it as JSON, which knows no other text
		}
		start := len(w.out)
		if w.out, err = w.value(w.out, 1); err != nil {
			return err
		}
		f(w.out[:start], w.out[start:])
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return errSyntax
	}
	if _, err := w.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errSyntax
	}
	return nil
}

func (w *walker) value(b []byte, depth int) ([]byte, error) {
	switch kind := w.dec.PeekKind(); kind {
	case '{', '[':
		if depth == maxDepth {
			return b, errTooDeep
		}
		if _, err := w.dec.ReadToken(); err != nil {
			return b, errSyntax
		}
		if kind == '{' {
			return w.members(append(b, '{'), depth+1)
		}
		return w.elements(append(b, '['), depth+1)
	default:
		raw, err := w.dec.ReadValue()
		if err != nil {
			return b, errSyntax
		}
		return appendScalar(b, raw), nil
	}
}

func (w *walker) elements(b []byte, depth int) ([]byte, error) {
	var err error
	for w.dec.PeekKind() != ']' {
		if b, err = w.value(b, depth); err != nil {
			return b, err
		}
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return b, errSyntax
	}
	return append(b, ']'), nil
}

// members appends the members of the object that was just entered, sorted by name.
func (w *walker) members(b []byte, depth int) ([]byte, error) {
	type span struct{ start, value, end int }
	var few [8]span
	spans := few[:0]
	start, sorted := len(b), true
	for w.dec.PeekKind() != '}' {
		name, err := w.dec.ReadValue()
		if err != nil {
			return b, errSyntax
		}
		s := span{start: len(b)}
		b = appendString(b, appendText(nil, name))
		s.value = len(b)
		if b, err = w.value(b, depth); err != nil {
			return b, err
		}
		s.end = len(b)
		if n := len(spans); n > 0 && bytes.Compare(b[spans[n-1].start:spans[n-1].value], b[s.start:s.value]) >= 0 {
			sorted = false
		}
		spans = append(spans, s)
	}
	if _, err := w.dec.ReadToken(); err != nil {
		return b, errSyntax
	}
	if sorted {
		return append(b, '}'), nil
	}
	name := func(s span) []byte { return b[s.start:s.value] }
	slices.SortFunc(spans, func(x, y span) int { return bytes.Compare(name(x), name(y)) })
	w.spare = w.spare[:0]
	for i, s := range spans {
		if i > 0 && bytes.Equal(name(spans[i-1]), name(s)) {
			return b, errDuplicate
		}
		w.spare = append(w.spare, b[s.start:s.end]...)
	}
	return append(append(b[:start], w.spare...), '}'), nil
}

func appendScalar(b []byte, raw jsontext.Value) []byte {
	switch raw.Kind() {
	case '"':
		if bytes.IndexByte(raw, '\\') < 0 {
			return appendString(b, raw[1:len(raw)-1])
		}
		return appendString(b, appendText(nil, raw))
	case '0':
		return appendNumber(b, raw)
	case 't', 'f':
		return append(b, raw[0])
	default:
		return append(b, 'z')
	}
}

func appendString(b, text []byte) []byte {
	b = append(b, 's')
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// appendText appends the text of the JSON string quoted. Bytes that are not UTF-8 stay as they are.
func appendText(b []byte, quoted jsontext.Value) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return append(b, quoted[1:len(quoted)-1]...)
	}
	start := len(b)
	if text, err := jsontext.AppendUnquote(b, quoted); err == nil {
		return text
	}
	return append(b[:start], quoted[1:len(quoted)-1]...)
}

// appendNumber appends the JSON number raw, which is valid. No digit is lost, whatever its size: it is never a float.
func appendNumber(b []byte, raw []byte) []byte {
	b = append(b, 'n')
	start := len(b)
	mantissa, exponentText := raw, []byte(nil)
	if i := bytes.IndexAny(raw, "eE"); i >= 0 {
		mantissa, exponentText = raw[:i], raw[i+1:]
	}
	exponent := 0
	if exponentText != nil {
		n, err := strconv.Atoi(string(bytes.TrimPrefix(exponentText, []byte("+"))))
		if err != nil || n > 1<<30 || n < -1<<30 {
			return append(append(b, raw...), ';') // beyond any meaning: compare as it is spelt
		}
		exponent = n
	}
	if mantissa[0] == '-' {
		b, mantissa = append(b, '-'), mantissa[1:]
	}
	digits := len(b)
	for i, c := range mantissa {
		switch {
		case c == '.':
			exponent -= len(mantissa) - i - 1
		case c != '0' || len(b) > digits:
			b = append(b, c)
		}
	}
	for len(b) > digits && b[len(b)-1] == '0' {
		b = b[:len(b)-1]
		exponent++
	}
	if len(b) == digits {
		return append(b[:start], '0', ';') // zero has no sign and no exponent
	}
	b = append(b, 'e')
	b = strconv.AppendInt(b, int64(exponent), 10)
	return append(b, ';')
}
