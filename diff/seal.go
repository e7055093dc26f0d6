package diff

import (
	"encoding/binary"
	"errors"
)

// A sealed print is an entry with the text of its shape, as a thin event carries it: what a lost store needs of a
// record that the stream does not hold. Length of the shape's text as a varint, the text, the entry.

func sealPrint(s *shape, packed []byte) []byte {
	b := binary.AppendUvarint(nil, uint64(len(s.text)))
	b = append(b, s.text...)
	return append(b, packed...)
}

func openPrint(b []byte) (s string, packed []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, errors.New("a sealed fingerprint is damaged")
	}
	return string(b[size : size+int(n)]), b[size+int(n):], nil
}
