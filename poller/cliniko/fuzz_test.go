package cliniko

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Whatever an answer's headers say, a 429 is waited for within bounds, and a Date is a time of UTC or none.
func FuzzHeaders(f *testing.F) {
	f.Add("1774606000", "", "Sat, 02 May 2026 09:00:07 GMT")
	f.Add("", "7", "")
	f.Add("99999999999999999999", "-1", "Mon, 01 Jan 0001 00:00:00 GMT")
	f.Add("9223372036854775807", "9223372036854775807", "Sun, 06-Nov-94 08:49:37 GMT")
	f.Fuzz(func(t *testing.T, reset, after, date string) {
		h := http.Header{"X-Ratelimit-Reset": {reset}, "Retry-After": {after}, "Date": {date}}
		if wait := retryAfter(h, time.Unix(1_800_000_000, 0)); wait < minRetryAfter || wait > maxRetryAfter {
			t.Errorf("%q, %q, %q: wait for %s", reset, after, date, wait)
		}
		if at := dateOf(h); !at.IsZero() && at.Location() != time.UTC {
			t.Errorf("%q is %s", date, at)
		}
	})
}

// Whatever a body is, it is one object, which comes out byte for byte, or refused; and neither its error nor that of a
// page shows any of it, whatever field orders the list.
func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"id":1,"name":"Zebulon"}`), "updated_at")
	f.Add([]byte(`{"x":[{"id":1,"deleted_at":"2026-05-02T09:00:00Z","links":{"self":"https://h/1"}},{"links":{"self":"Zebulon"}}]}`), "deleted_at")
	f.Add([]byte(`{"x":[{"id":"Zebulon","updated_at":"Zebulon"}],"total_entries":"Zebulon","links":{"next":"Zebulon"}}`), "updated_at")
	f.Add([]byte(`{"Zebulon":Zebulon}`), "")
	f.Add([]byte(`{"x":["Zebulon`), "x")
	f.Add([]byte("{\"x\":[{\"id\":\"\\u005a\xffZebulon\"}]}{"), "id")
	f.Fuzz(func(t *testing.T, body []byte, stamp string) {
		object, err := decodeObject(body)
		if err == nil && (!json.Valid(object) || !bytes.Equal(object, bytes.TrimSpace(body))) {
			t.Errorf("%q is the object %q", body, object)
		}
		if err != nil && strings.Contains(err.Error(), "Zebulon") {
			t.Errorf("the error shows the body: %v", err)
		}
		page, err := decodePage(body, "x", stamp)
		if err != nil && strings.Contains(err.Error(), "Zebulon") {
			t.Errorf("the error shows the body: %v", err)
		}
		for _, row := range page.Bad {
			if strings.Trim(string(row.ID), "0123456789") != "" || strings.Contains(strings.TrimPrefix(row.Reason, "no "+stamp), "Zebulon") && !strings.Contains(stamp, "Zebulon") {
				t.Errorf("a row shows itself: %+v", row)
			}
		}
	})
}
