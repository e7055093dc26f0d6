package diff

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// benchRecord is a row of 48 fields and about 1.5 KB, of the kinds that patients and appointments have.
func benchRecord(n int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"id":%d,"created_at":"2017-03-20T05:12:09Z","updated_at":"2017-04-04T00:21:%02dZ"`, 1<<61+n, n%60)
	for i := range 20 {
		fmt.Fprintf(&b, `,"text_%d":"Quay Road %d"`, i, n*i)
	}
	for i := range 8 {
		fmt.Fprintf(&b, `,"flag_%d":%v,"count_%d":%d`, i, (n+i)%2 == 0, i, n+i)
	}
	b.WriteString(`,"notes":null,"price":"95.0"`)
	for i := range 6 {
		fmt.Fprintf(&b, `,"link_%d":{"links":{"self":"https://api.au1.cliniko.com/v1/patients/%d"}}`, i, n)
	}
	b.WriteString(`,"links":{"self":"https://api.au1.cliniko.com/v1/appointments/58210"}}`)
	return []byte(b.String())
}

// BenchmarkFingerprint is what a record costs from the bytes of its page to its packed entry, beside gjson walking the
// same bytes once. The figure to hold is ratio: at least 0.5 of gjson's speed.
//
//	go test ./diff -run '^$' -bench Fingerprint -cpu 1
func BenchmarkFingerprint(b *testing.B) {
	const n = 100
	var body bytes.Buffer
	var raws [][]byte
	body.WriteString(`{"appointments":[`)
	for i := range n {
		if i > 0 {
			body.WriteByte(',')
		}
		raws = append(raws, benchRecord(i))
		body.Write(raws[i])
	}
	body.WriteString(`],"total_entries":100}`)
	key, _ := NewKey(strings.Repeat("k", 32))
	p := newPrinter(key, "a", &schemas.Spec{Resource: "appointments"}, func(string, fieldChange) {})
	for i := range 20 {
		p.documented[fmt.Sprintf("text_%d", i)] = nullType | stringType
	}
	for i := range 8 {
		p.documented[fmt.Sprintf("flag_%d", i)], p.documented[fmt.Sprintf("count_%d", i)] = nullType|booleanType, nullType|integerType
	}
	updated := time.Unix(1491265260, 0)

	ours := func() {
		dec := jsontext.NewDecoder(bytes.NewBuffer(body.Bytes()), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		for range 3 { // { "appointments" [
			if _, err := dec.ReadToken(); err != nil {
				b.Fatal(err)
			}
		}
		for i := 0; dec.PeekKind() == '{'; i++ {
			raw, err := dec.ReadValue()
			if err != nil {
				b.Fatal(err)
			}
			f, err := p.print(schemas.ID("2305843009213693952"), raw)
			if err != nil {
				b.Fatal(err)
			}
			pack(1, updated, &f)
		}
	}
	theirs := func() {
		if !gjson.ValidBytes(body.Bytes()) {
			b.Fatal("invalid")
		}
		walkGJSON(gjson.ParseBytes(body.Bytes()))
	}
	var spent [2]time.Duration
	for b.Loop() { // in turns, so that whatever else the machine does meets both
		for i, f := range []func(){ours, theirs} {
			start := time.Now()
			f()
			spent[i] += time.Since(start)
		}
	}
	records := float64(b.N * n)
	b.ReportMetric(records/spent[0].Seconds(), "records/s")
	b.ReportMetric(records/spent[1].Seconds(), "gjson-records/s")
	b.ReportMetric(spent[1].Seconds()/spent[0].Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

func walkGJSON(v gjson.Result) {
	v.ForEach(func(_, value gjson.Result) bool {
		if value.IsObject() || value.IsArray() {
			walkGJSON(value)
		}
		return true
	})
}
