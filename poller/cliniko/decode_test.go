package cliniko

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

const stamped = `"updated_at":"2026-05-02T09:00:00Z"`

func TestAPageIsReadAsItCame(t *testing.T) {
	body := ` {"links":{"self":"x","next":"y"},"patients":[
		{"id":7,"created_at":"2026-05-01T00:00:00Z",` + stamped + `,"notes":"\u00e9 é","n":1.50},
		{ "updated_at" : "2026-05-02T19:00:01.75+10:00", "id" : "9007199254740993" } ] , "total_entries" : 212 } ` + "\n"
	page, err := decodePage([]byte(body), "patients", "updated_at")
	if err != nil {
		t.Fatal(err)
	}
	if page.Total != 212 || !page.Next || page.Rows() != 2 || len(page.Bad) != 0 {
		t.Fatalf("got %+v", page)
	}
	first, second := page.Records[0], page.Records[1]
	if want := `{"id":7,"created_at":"2026-05-01T00:00:00Z",` + stamped + `,"notes":"\u00e9 é","n":1.50}`; string(first.Raw) != want {
		t.Errorf("got %s, want %s", first.Raw, want)
	}
	if want := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC); !first.CreatedAt.Equal(want) {
		t.Errorf("created: got %s, want %s", first.CreatedAt, want)
	}
	if want := time.Date(2026, 5, 2, 9, 0, 1, 0, time.UTC); second.Stamp != want {
		t.Errorf("stamp: got %s, want %s, UTC and to the second", second.Stamp, want)
	}
	if !second.CreatedAt.IsZero() || second.ID != "9007199254740993" || first.ID != "7" {
		t.Errorf("got %+v", page.Records)
	}
	if _ = append(first.Raw, make([]byte, 50)...); second.Raw[0] != '{' {
		t.Error("appending to a record overwrote the next")
	}
}

func TestIDsAreExact(t *testing.T) {
	for _, tt := range []struct{ id, want, reason string }{
		{`1`, "1", ""},
		{`"1"`, "1", ""},
		{`"007"`, "007", ""},
		{`"\u0031\u0032"`, "12", ""},
		{`9007199254740993`, "9007199254740993", ""},
		{`"1844674407370955161712"`, "1844674407370955161712", ""},
		{`1844674407370955161712`, "1844674407370955161712", ""},
		{`null`, "", "no id"},
		{`1.0`, "", "id is not a whole number"},
		{`1e3`, "", "id is not a whole number"},
		{`-1`, "", "id is not a whole number"},
		{`true`, "", "id is not a whole number"},
		{`{"id":1}`, "", "id is not a whole number"},
		{`[1]`, "", "id is not a whole number"},
		{`""`, "", "id is not a whole number"},
		{`"abc"`, "", "id is not a whole number"},
		{`"1.*"`, "", "id is not a whole number"},
		{`"\u0661"`, "", "id is not a whole number"},
		{strings.Repeat("9", 65), "", "id is not a whole number"},
	} {
		body := `{"x":[{"id":` + tt.id + `,` + stamped + `}]}`
		page, err := decodePage([]byte(body), "x", "updated_at")
		switch {
		case err != nil:
			t.Errorf("%s: %v", tt.id, err)
		case tt.reason != "" && (len(page.Bad) != 1 || page.Bad[0].ID != "" || page.Bad[0].Reason != tt.reason):
			t.Errorf("%s: got %+v, want it to be bad: %s", tt.id, page, tt.reason)
		case tt.reason == "" && (len(page.Records) != 1 || string(page.Records[0].ID) != tt.want):
			t.Errorf("%s: got %+v, want id %s", tt.id, page, tt.want)
		}
	}
}

// One bad row is set aside with its reason; those around it come through.
func TestABadRowDoesNotHarmTheOthers(t *testing.T) {
	for _, tt := range []struct {
		row  string
		want schemas.BadRow
	}{
		{`null`, schemas.BadRow{Reason: "not an object"}},
		{`[1]`, schemas.BadRow{Reason: "not an object"}},
		{`"x"`, schemas.BadRow{Reason: "not an object"}},
		{`{}`, schemas.BadRow{Reason: "no id"}},
		{`{` + stamped + `}`, schemas.BadRow{Stamp: time.Date(2026, 5, 2, 9, 0, 0, 0, time.UTC), Reason: "no id"}},
		{`{"id":3}`, schemas.BadRow{ID: "3", Reason: "no updated_at"}},
		{`{"id":3,"updated_at":null}`, schemas.BadRow{ID: "3", Reason: "no updated_at"}},
		{`{"id":3,"updated_at":""}`, schemas.BadRow{ID: "3", Reason: "updated_at is not a time"}},
		{`{"id":3,"updated_at":1774606000}`, schemas.BadRow{ID: "3", Reason: "updated_at is not a time"}},
		{`{"id":3,"updated_at":"2026-05-02"}`, schemas.BadRow{ID: "3", Reason: "updated_at is not a time"}},
		{`{"id":3,"updated_at":"2026-13-02T09:00:00Z"}`, schemas.BadRow{ID: "3", Reason: "updated_at is not a time"}},
		{`{"in":{"id":3,` + stamped + `}}`, schemas.BadRow{Reason: "no id"}},
	} {
		body := `{"x":[{"id":1,` + stamped + `},` + tt.row + `,{"id":2,` + stamped + `}]}`
		page, err := decodePage([]byte(body), "x", "updated_at")
		if err != nil || len(page.Records) != 2 || page.Records[1].ID != "2" || page.Rows() != 3 {
			t.Errorf("%s: got %+v, %v, want the rows around it", tt.row, page, err)
			continue
		}
		if page.Bad[0] != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.row, page.Bad[0], tt.want)
		}
	}
}

// A stub of a deleted record may have no more than a link to itself; any other row needs an id.
func TestTheIDOfAStubIsInItsLink(t *testing.T) {
	row := `{"x":[{"deleted_at":"2026-05-02T09:00:00Z","updated_at":"2026-05-02T09:00:00Z","links":{"self":"https://api.au1.cliniko.com/v1/patients/343589"}}]}`
	page, err := decodePage([]byte(row), "x", "deleted_at")
	if err != nil || len(page.Records) != 1 || page.Records[0].ID != "343589" {
		t.Errorf("a feed of deleted records: got %+v, %v", page, err)
	}
	page, err = decodePage([]byte(row), "x", "updated_at")
	if err != nil || len(page.Bad) != 1 {
		t.Errorf("another list: got %+v, %v", page, err)
	}
}

func TestOtherStampsAndNone(t *testing.T) {
	body := []byte(`{"x":[{"id":1,"deleted_at":"2026-05-02T09:00:00Z","":""}]}`)
	page, err := decodePage(body, "x", "deleted_at")
	if err != nil || len(page.Records) != 1 || page.Records[0].Stamp.Hour() != 9 {
		t.Errorf("deleted_at: got %+v, %v", page, err)
	}
	page, err = decodePage(body, "x", "")
	if err != nil || len(page.Records) != 1 || !page.Records[0].Stamp.IsZero() {
		t.Errorf("no stamp asked for: got %+v, %v", page, err)
	}
	page, err = decodePage([]byte(`{"x":[{"id":1,"created_at":"2026-05-02T09:00:00Z"}]}`), "x", "created_at")
	if err != nil || len(page.Records) != 1 || page.Records[0].Stamp != page.Records[0].CreatedAt || page.Records[0].Stamp.IsZero() {
		t.Errorf("created_at: got %+v, %v", page, err)
	}
}

// Where a name stands twice, the later value counts, in the row and around it.
func TestTheLaterOfTwoEqualNamesCounts(t *testing.T) {
	body := `{"x":[{"id":1,` + stamped + `},null],"total_entries":1,"x":[{"id":2,"id":3,"updated_at":null,` + stamped + `}],"total_entries":9}`
	page, err := decodePage([]byte(body), "x", "updated_at")
	if err != nil || page.Rows() != 1 || len(page.Records) != 1 || page.Records[0].ID != "3" || page.Total != 9 {
		t.Errorf("got %+v, %v", page, err)
	}
}

func TestWhatIsNotTheListIsRefused(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{``, "not a JSON object"},
		{`<html>Smith</html>`, "not a JSON object"},
		{`null`, "not a JSON object"},
		{`[]`, "not a JSON object"},
		{`{}`, `an object without "x"`},
		{`{"message":"Smith"}`, `an object without "x"`},
		{`{"x":null}`, `"x" is not an array`},
		{`{"x":{}}`, `"x" is not an array`},
		{`{"x":[{"id":1,"name":"Smi`, "JSON that ends early, at byte 25"},
		{`{"x":[`, "JSON that ends early, at byte 6"},
		{`{"x":[]`, "JSON that ends early, at byte 7"},
		{`{"x":[]}{`, "more than one JSON value"},
		{`{"x":[]}{}`, "more than one JSON value"},
		{`{"x":[]}]`, "not JSON at byte 8"},
		{`{"x":[{"name":Smith}]}`, "not JSON at byte 14"},
		{`{"x":[{"id":1,}]}`, "not JSON at byte 13"},
		{`{"x":[],"links":{"next":Smith}}`, "not JSON at byte 24"},
		{`{"x":[],"total_entries":Smith}`, "not JSON at byte 24"},
		{`{"x":[` + strings.Repeat("0,", 10_000) + `0]}`, "more than 10000 rows"},
		{`{"x":[` + strings.Repeat("{},", 10_000) + `0]}`, "more than 10000 rows"},
	} {
		page, err := decodePage([]byte(tt.body), "x", "updated_at")
		if err == nil || err.Error() != tt.want || page.Rows() != 0 {
			t.Errorf("%s: got %+v, %v, want %s", tt.body, page, err, tt.want)
		}
	}
}

func TestTheEnvelopeForgives(t *testing.T) {
	for _, tt := range []struct {
		body  string
		total int
		next  bool
	}{
		{`{"x":[]}`, -1, false},
		{`{"x":[],"total_entries":0,"links":{"self":"a"}}`, 0, false},
		{`{"x":[],"total_entries":null,"links":null}`, -1, false},
		{`{"x":[],"total_entries":-4,"links":{"next":null}}`, -1, false},
		{`{"x":[],"total_entries":1.5,"links":{"next":""}}`, -1, false},
		{`{"x":[],"total_entries":"9","links":{"next":"/x"}}`, -1, true},
		{`{"x":[],"total_entries":99999999999999999999,"links":[{"next":"/x"}]}`, -1, false},
		{"{\"x\":[],\"note\":\"\xff\",\"total_entries\":3}", 3, false},
		{`{"\u0078":[],"total\u005fentries":3}`, 3, false},
	} {
		page, err := decodePage([]byte(tt.body), "x", "updated_at")
		if err != nil || page.Total != tt.total || page.Next != tt.next {
			t.Errorf("%s: got %+v, %v, want total %d, next %v", tt.body, page, err, tt.total, tt.next)
		}
	}
}

func TestOneObject(t *testing.T) {
	got, err := decodeObject([]byte(" {\"a\": 1.0}\n"))
	if err != nil || string(got) != `{"a": 1.0}` {
		t.Errorf("got %s, %v, want it byte for byte", got, err)
	}
	for _, body := range []string{``, `{}`, `[]`, `null`, `{"a":1`, `{"a":1}{}`, `{"a":1}x`, `<html>`} {
		if got, err := decodeObject([]byte(body)); err == nil {
			t.Errorf("%q: got %s, want an error", body, got)
		}
	}
}

// The decoder never panics. What it takes for a list, encoding/json takes for JSON, with as many rows; each record's
// bytes stand in the body, one behind the other, and say the id that the record has.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"x":[{"id":1,` + stamped + `},null,{"id":"\u0032","id":3,` + stamped + `}],"total_entries":3,"links":{"next":"a"}}`))
	f.Add([]byte(`{"x":[],"x":[{}]}`))
	f.Add([]byte("{\"x\":[{\"a\":\"\xff\\ud800\"}]}"))
	f.Add([]byte(`{"\u0078":[1e999]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := decodePage(body, "x", "updated_at")
		if err != nil {
			if strings.Contains(err.Error(), "JSON at") && json.Valid(body) {
				t.Fatalf("%v, but encoding/json takes it", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatal("encoding/json refuses it")
		}
		rest := body
		for _, r := range page.Records {
			i := bytes.Index(rest, r.Raw)
			if i < 0 {
				t.Fatalf("%q is not in what is left of the body, %q", r.Raw, rest)
			}
			rest = rest[i+len(r.Raw):]
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(r.Raw, &fields); err != nil {
				t.Fatalf("%q: %v", r.Raw, err)
			}
			var id string
			if json.Unmarshal(fields["id"], &id) != nil {
				id = string(fields["id"])
			}
			if id != string(r.ID) || r.Stamp.Nanosecond() != 0 || r.Stamp.Location() != time.UTC {
				t.Fatalf("%q: got id %q, stamp %s", r.Raw, r.ID, r.Stamp)
			}
		}
	})
}

// examplePage is a list of n invented records of about 1.5 KB and 48 fields.
func examplePage(n int) []byte {
	b := []byte(`{"patients":[`)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"id":"%d","created_at":"2026-04-01T08:00:00Z","updated_at":"2026-05-02T09:%02d:00Z"`, 100000000000000000+i*16, i%60)
		for f := range 44 {
			switch f % 4 {
			case 0:
				b = fmt.Appendf(b, `,"field_number_%d":"words for record %d \"%d\""`, f, i, f)
			case 1:
				b = fmt.Appendf(b, `,"field_number_%d":null`, f)
			case 2:
				b = fmt.Appendf(b, `,"field_number_%d":{"links":{"self":"https://api.uk2.cliniko.com/v1/things/%d"}}`, f, i*f)
			default:
				b = fmt.Appendf(b, `,"field_number_%d":%d`, f, i*f)
			}
		}
		b = append(b, `,"links":{"self":"https://api.uk2.cliniko.com/v1/patients/1"}}`...)
	}
	return fmt.Appendf(b, `],"total_entries":%d,"links":{"self":"https://api.uk2.cliniko.com/v1/patients"}}`, n)
}

func BenchmarkDecodePage(b *testing.B) {
	body := examplePage(100)
	page, err := decodePage(body, "patients", "updated_at")
	if err != nil || len(page.Records) != 100 {
		b.Fatalf("got %d records, %v", len(page.Records), err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	records := 0
	for b.Loop() {
		page, _ := decodePage(body, "patients", "updated_at")
		records += len(page.Records)
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}
