package diff

import (
	"encoding/json"
	"slices"
	"sort"
)

// A shape is the form of a record: which top-level fields it has. Many records share one, so an entry holds only the
// shape's number and a tag for each field, and the store holds each shape once.
type shape struct {
	number uint32
	text   string
	shapeText
}

// shapeText is a shape as the store keeps it, as JSON.
type shapeText struct {
	// Scheme names the fingerprint key, the canonical form and the edition of the API. Tags of different schemes cannot
	// be compared.
	Scheme string `json:"k"`
	// Generation is the number of the baseline that was the last to begin when the record was hashed; 0 is the first.
	Generation int `json:"g,omitempty"`
	// Fields are the names of the fields that have a tag, sorted. updated_at and id are not among them.
	Fields []string `json:"f"`
	// Extras are the undocumented fields that the bridge had seen on this resource when the record was hashed, sorted,
	// whether or not this record has them. A field that is neither documented nor among them came to the API later:
	// its coming is no change of the record.
	Extras []string `json:"x,omitempty"`
}

func (k *printer) newShape(fields, extras []string) *shape {
	return k.makeShape(shapeText{Scheme: k.scheme, Generation: k.generation, Fields: fields, Extras: extras})
}

func (k *printer) makeShape(t shapeText) *shape {
	s := &shape{shapeText: t}
	text, _ := json.Marshal(s.shapeText) // strings always encode
	s.text = string(text)
	s.number = uint32(k.hash(text))
	return s
}

// parseShape reads what newShape wrote. Whatever is wrong with it, the answer is a shape that compares with nothing.
func parseShape(number uint32, text string) *shape {
	s := &shape{number: number, text: text}
	if json.Unmarshal([]byte(text), &s.shapeText) != nil || !sort.StringsAreSorted(s.Fields) || !sort.StringsAreSorted(s.Extras) {
		s.shapeText = shapeText{}
	}
	return s
}

func (s *shape) knows(extra string) bool {
	_, found := slices.BinarySearch(s.Extras, extra)
	return found
}

// scheme is empty for a shape that the store has lost.
func (s *shape) scheme() string {
	if s == nil {
		return ""
	}
	return s.Scheme
}

func (s *shape) generation() int {
	if s == nil {
		return 0
	}
	return s.Generation
}
