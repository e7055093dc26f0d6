package publisher

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A message that cannot be read is an error that shows nothing of it.
func TestMessageErrorsShowNothing(t *testing.T) {
	e := schemas.Event{ID: "1", Account: "north", Resource: "patients", RecordID: "1", Verb: schemas.Created}
	body := string(e.AppendJSON(nil))
	for _, c := range []struct{ body, began, after, print string }{
		{body: "Zebulon"},
		{body: `{"specversion": {"Zebulon": 1}}`},
		{body: `{"specversion": "1.0", "id": "Zebulon", "data": {"observed_at": "Zebulon"}}`},
		{body: strings.Replace(body, `"sequence":"0"`, `"sequence":"Zebulon"`, 1)},
		{body: strings.Replace(body, `"0001-01-01T00:00:00Z"`, `"Zebulon"`, 1)},
		{body: body, began: "Zebulon"},
		{body: body, after: "Zebulon"},
		{body: body, print: "Zebulon!"},
	} {
		h := nats.Header{HeaderBegan: {c.began}, HeaderAfter: {c.after}, HeaderPrint: {c.print}}
		if _, err := parseMessage(h, []byte(c.body)); err == nil || strings.Contains(err.Error(), "Zebulon") {
			t.Errorf("%+v: error is %v", c, err)
		}
	}
}

// What travels in the headers comes back as it was.
func TestHeadersComeBack(t *testing.T) {
	e := schemas.Event{
		ID: "1", Account: "north", Resource: "patients", RecordID: "1", Verb: schemas.Created,
		Began: time.Unix(1e9, 0).UTC(), After: 1<<64 - 1, Print: []byte{0xff, 0, 1},
	}
	back, err := parseMessage(headersOf(&e), e.AppendJSON(nil))
	if err != nil || !back.Began.Equal(e.Began) || back.After != e.After || string(back.Print) != string(e.Print) {
		t.Errorf("got %+v, %v", back, err)
	}
}

// Whatever is in the stream, reading it does not panic; and what reads as an event is one that can be published and
// read again as the same.
func FuzzMessage(f *testing.F) {
	for i, verb := range schemas.Verbs() {
		e := schemas.Event{
			ID: "x", Account: "north", Resource: "patients", RecordID: "9007199254740993", Verb: verb, Sequence: uint64(i),
			Time: time.Unix(1e9, 0), ObservedAt: time.Unix(1e9, 5e6), Record: []byte(`{"a" : 1.0}`), Changed: []string{"a"},
		}
		f.Add(e.AppendJSON(nil), "2027-03-27T10:03:57Z", "AQID")
	}
	f.Add([]byte(`{}`), "", "")
	f.Fuzz(func(t *testing.T, body []byte, began, fingerprint string) {
		e, err := parseMessage(nats.Header{HeaderBegan: {began}, HeaderPrint: {fingerprint}}, body)
		if err != nil {
			return
		}
		once := e.AppendJSON(nil)
		again, err := parseMessage(headersOf(&e), once)
		if err != nil {
			t.Skip() // a year past 9999, a half of a surrogate pair: what we do not write
		}
		if got := string(again.AppendJSON(nil)); got != string(once) {
			t.Errorf("read %q, wrote %q, and then %q", body, once, got)
		}
	})
}
