package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
)

// JSON writes body, which is JSON, as one line: for programs byte for byte but for white space, and on a terminal
// with escapes for what that would act upon, which is the same JSON. It returns the error of w, and one if body is not
// JSON.
func JSON(w io.Writer, style Style, body []byte) error {
	var line bytes.Buffer
	if json.Compact(&line, body) != nil { // its error may quote the body
		return fmt.Errorf("%d bytes that are not JSON", len(body))
	}
	out := line.Bytes()
	if style != Plain {
		out = escapeOdd(out)
	}
	_, err := w.Write(append(out, '\n'))
	return err
}

// escapeOdd writes what is not printable as \u escapes. In compact JSON such characters are in strings alone.
func escapeOdd(line []byte) []byte {
	var out []byte
	for _, r := range string(line) {
		switch {
		case unicode.IsPrint(r):
			out = append(out, string(r)...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
