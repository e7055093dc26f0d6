package schemas_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Whatever a message holds, it is read as an event or refused with an error that shows nothing of it; and an event that was
// read is written as one that reads the same.
func FuzzParseEvent(f *testing.F) {
	whole := string(eventOf("patients", []byte(`{"id":"1","first_name":"Zebulon"}`)))
	f.Add([]byte(whole))
	f.Add([]byte(`Zebulon`))
	f.Add([]byte(`{"specversion":{"Zebulon":1}}`))
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"cliniko/Zebulon","type":"cliniko.patients.Zebulon.x"}`))
	f.Add([]byte(strings.Replace(whole, `"sequence":"`, `"sequence":"Zebulon`, 1)))
	f.Add([]byte(strings.Replace(whole, `"time":"`, `"time":"Zebulon`, 1)))
	f.Add([]byte(strings.Replace(whole, `"subject":"patients/`, `"subject":"Zebulon/`, 1)))
	f.Add([]byte(strings.Replace(whole, `"changed":`, `"changed":["Zebulon",7],"x":`, 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := schemas.ParseEvent(body)
		if err != nil {
			if strings.Contains(err.Error(), "Zebulon") {
				t.Errorf("the error shows the message: %v", err)
			}
			return
		}
		if e.Time.Year() < 0 || e.Time.Year() > 9999 || e.ObservedAt.Year() < 0 || e.ObservedAt.Year() > 9999 {
			t.Skip() // what no event of ours has, and no JSON time
		}
		e.Time, e.ObservedAt = e.Time.Truncate(time.Second), e.ObservedAt.Truncate(time.Millisecond)
		again, err := schemas.ParseEvent(e.AppendJSON(nil))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%+v became %+v, %v", e, again, err)
		}
	})
}
