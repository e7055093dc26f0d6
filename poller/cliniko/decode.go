package cliniko

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A reader goes over a body once, from its first byte to its last. Where a name stands twice in an object the later
// value counts, as in nearly every parser.
type reader struct {
	body    []byte
	dec     *jsontext.Decoder
	scratch []byte // holds a string whose escapes had to be resolved, until the next one
}

func newReader(body []byte) *reader {
	// Text that is not UTF-8 is somebody's note, pasted from an old program: no reason to lose a page.
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return &reader{body: body, dec: dec}
}

// decodePage reads a list response: the rows under key, total_entries, and whether there is a next link. An error has
// a constant text but for names and an offset, and means that body is not that list. The records alias body.
func decodePage(body []byte, key, stamp string) (Page, error) {
	r := newReader(body)
	page := Page{Total: -1}
	found := false
	_, err := r.object(func(name []byte) error {
		switch string(name) {
		case key:
			found = true
			return r.rows(&page, key, stamp)
		case "total_entries":
			value, err := r.dec.ReadValue()
			page.Total = parseCount(value)
			return err
		case "links":
			return r.links(&page)
		default:
			return r.dec.SkipValue()
		}
	})
	if err != nil {
		return Page{}, r.plain(err)
	}
	if !found {
		return Page{}, fmt.Errorf("an object without %q", key)
	}
	return page, r.plain(r.end())
}

// decodeObject returns the bytes of the one object, with at least one member, that body consists of.
func decodeObject(body []byte) ([]byte, error) {
	r := newReader(body)
	members := 0
	object, err := r.object(func([]byte) error {
		members++
		return r.dec.SkipValue()
	})
	if err != nil {
		return nil, r.plain(err)
	}
	if members == 0 {
		return nil, errors.New("an empty object")
	}
	return object, r.plain(r.end())
}

var errNotObject = errors.New("not a JSON object")

// object reads an object and returns its bytes. For each member it calls member with the name, which is lost with the
// next read; member must read the value.
func (r *reader) object(member func(name []byte) error) ([]byte, error) {
	if r.dec.PeekKind() != '{' {
		return nil, errNotObject
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, err
	}
	start := r.dec.InputOffset() - 1
	for r.dec.PeekKind() != '}' { // and if there is no more to peek at, the next read says why
		name, err := r.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		if err := member(r.text(name)); err != nil {
			return nil, err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, err
	}
	end := r.dec.InputOffset()
	return r.body[start:end:end], nil
}

// maxRows is far more than a list gives at once, whatever it is asked for: 100, by its documentation. A row of two bytes
// becomes a hundred here, so that a body that is all rows would take a hundred times its size.
const maxRows = 10_000

// rows reads the array of a list.
func (r *reader) rows(page *Page, key, stamp string) error {
	if r.dec.PeekKind() != '[' {
		return fmt.Errorf("%q is not an array", key)
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	page.Records, page.Bad = nil, nil
	for r.dec.PeekKind() != ']' {
		if page.Rows() == maxRows {
			return fmt.Errorf("more than %d rows", maxRows)
		}
		if r.dec.PeekKind() != '{' {
			if err := r.dec.SkipValue(); err != nil {
				return err
			}
			page.Bad = append(page.Bad, schemas.BadRow{Reason: "not an object"})
			continue
		}
		record, reason, err := r.row(stamp)
		switch {
		case err != nil:
			return err
		case reason != "":
			page.Bad = append(page.Bad, schemas.BadRow{ID: record.ID, Stamp: record.Stamp, Reason: reason})
		default:
			page.Records = append(page.Records, record)
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

// row reads one object of a list. If reason is not "" it is no record, though its ID may be known.
func (r *reader) row(stamp string) (record schemas.Record, reason string, err error) {
	badID, badStamp := noID, ""
	if stamp != "" {
		badStamp = "no " + stamp
	}
	record.Raw, err = r.object(func(name []byte) error {
		isID, isCreated, isUpdated := string(name) == "id", string(name) == "created_at", string(name) == "updated_at"
		isStamp := stamp != "" && string(name) == stamp
		if !isID && !isCreated && !isUpdated && !isStamp {
			return r.dec.SkipValue()
		}
		value, err := r.dec.ReadValue()
		if err != nil {
			return err
		}
		if isID {
			record.ID, badID = r.id(value)
		}
		if isCreated {
			record.CreatedAt, _ = r.stamp(value) // some resources have none, and nothing hangs on it
		}
		if isUpdated {
			record.UpdatedAt, _ = r.stamp(value)
		}
		if isStamp {
			var ok bool
			record.Stamp, ok = r.stamp(value)
			badStamp = ""
			switch {
			case value.Kind() == 'n':
				badStamp = "no " + stamp
			case !ok:
				badStamp = stamp + " is not a time"
			}
		}
		return nil
	})
	if badID == noID && stamp == "deleted_at" && err == nil {
		record.ID, badID = selfID(record.Raw) // a stub of a deleted record may have no more than its own link
	}
	if badID != "" {
		return record, badID, err
	}
	return record, badStamp, err
}

const noID = "no id"

// selfID is the id in the link that a row has to itself.
func selfID(raw []byte) (id schemas.ID, reason string) {
	var row struct {
		Links struct {
			Self string `json:"self"`
		} `json:"links"`
	}
	if json.Unmarshal(raw, &row) != nil {
		return "", noID
	}
	id, ok := LinkID(row.Links.Self)
	if !ok {
		return "", noID
	}
	return id, ""
}

// id reads an id, a number or a string (they became strings by December 2020), and says what is wrong with it.
func (r *reader) id(value jsontext.Value) (id schemas.ID, reason string) {
	text := []byte(value)
	if value.Kind() == 'n' {
		return "", noID
	}
	if value.Kind() == '"' {
		text = r.text(value)
	}
	id, ok := parseDigits(text)
	if !ok {
		return "", "id is not a whole number"
	}
	return id, ""
}

// stamp reads an RFC 3339 time and cuts it to whole seconds, UTC.
func (r *reader) stamp(value jsontext.Value) (time.Time, bool) {
	if value.Kind() != '"' {
		return time.Time{}, false
	}
	var t time.Time
	if t.UnmarshalText(r.text(value)) != nil {
		return time.Time{}, false
	}
	return t.UTC().Truncate(time.Second), true
}

// links looks for a link to a next page.
func (r *reader) links(page *Page) error {
	page.Next = false
	if r.dec.PeekKind() != '{' {
		return r.dec.SkipValue()
	}
	_, err := r.object(func(name []byte) error {
		isNext := string(name) == "next"
		value, err := r.dec.ReadValue()
		if isNext && err == nil {
			page.Next = value.Kind() == '"' && len(value) > len(`""`)
		}
		return err
	})
	return err
}

// text is what a JSON string says. It is lost with the next read or the next call.
func (r *reader) text(quoted jsontext.Value) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	// The error is for text that is not UTF-8; what is wrong is replaced.
	r.scratch, _ = jsontext.AppendUnquote(r.scratch[:0], quoted)
	return r.scratch
}

func parseCount(value jsontext.Value) int {
	n, err := strconv.ParseUint(string(value), 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

// end makes sure that nothing but space is left.
func (r *reader) end() error {
	switch _, err := r.dec.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return errors.New("more than one JSON value")
	}
}

// plain replaces an error of the decoder, whose text may quote the body, by one that says where and no more.
func (r *reader) plain(err error) error {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("JSON that ends early, at byte %d", len(r.body))
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON at byte %d", syntax.ByteOffset)
	default:
		return err
	}
}
