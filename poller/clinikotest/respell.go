package clinikotest

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
)

// respell writes a JSON value in another spelling that means the same: other white space, key order, number spelling
// and escapes. Numbers under a key "id" stay as they are: they name things and are not amounts.
func respell(raw []byte, rng *rand.Rand) []byte {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	s := &speller{dec: dec, rng: rng}
	return s.value(nil, "")
}

type speller struct {
	dec *json.Decoder
	rng *rand.Rand
}

// value appends the next value, which stands under key. What it reads, this package has written: it is whole.
func (s *speller) value(b []byte, key string) []byte {
	token, _ := s.dec.Token()
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return s.object(b)
		}
		return s.array(b)
	case json.Number:
		return append(b, s.number(t, key)...)
	case string:
		return s.string(b, t)
	case bool:
		return strconv.AppendBool(b, t)
	default:
		return append(b, "null"...)
	}
}

func (s *speller) object(b []byte) []byte {
	var members [][]byte
	for s.dec.More() {
		name, _ := s.dec.Token()
		key := name.(string)
		member := append(s.string(nil, key), ':')
		members = append(members, s.value(s.space(member), key))
	}
	_, _ = s.dec.Token() // the end
	s.rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return append(s.join(append(b, '{'), members), '}')
}

func (s *speller) array(b []byte) []byte {
	var elements [][]byte
	for s.dec.More() {
		elements = append(elements, s.value(nil, ""))
	}
	_, _ = s.dec.Token() // the end
	return append(s.join(append(b, '['), elements), ']')
}

func (s *speller) join(b []byte, parts [][]byte) []byte {
	for i, part := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(s.space(b), part...)
	}
	return s.space(b)
}

func (s *speller) space(b []byte) []byte {
	return append(b, pick(s.rng, []string{"", "", " ", "\n  ", "\t"})...)
}

func (s *speller) number(n json.Number, key string) string {
	text := n.String()
	if key == "id" || text == "0" || strings.ContainsAny(text, ".eE") {
		return text
	}
	return pick(s.rng, []string{text, text + ".0", text + "e0", text + "0E-1"})
}

// string now and then escapes the first character, which says the same.
func (s *speller) string(b []byte, text string) []byte {
	quoted, _ := json.Marshal(text)
	if len(text) > 0 && text[0] >= 'a' && text[0] <= 'z' && s.rng.IntN(4) == 0 {
		hex := strconv.FormatInt(int64(text[0]), 16)
		quoted = append([]byte(`"\u`+strings.Repeat("0", 4-len(hex))+hex), quoted[2:]...)
	}
	return append(b, quoted...)
}
