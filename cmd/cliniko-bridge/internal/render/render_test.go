package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := "testdata/" + file
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant, as in %s,\n%s", got, path, want)
	}
}

// value is in every record of these tests, and must be in no line.
const value = "Robin Example"

func events() []schemas.Event {
	at := time.Date(2027, 3, 27, 20, 3, 57, 0, time.FixedZone("AEST", 10*3600))
	event := func(resource schemas.Resource, id schemas.ID, verb schemas.Verb, sequence uint64, changed ...string) schemas.Event {
		return schemas.Event{
			ID: "id-of-the-event", Account: "default", Resource: resource, RecordID: id, Verb: verb, Time: at,
			Sequence: sequence, Changed: changed, Record: json.RawMessage(`{"first_name":"` + value + `"}`),
			ObservedAt: at.Add(time.Second),
		}
	}
	list := []schemas.Event{
		event("appointments", "343589", schemas.Created, 1),
		event("appointments", "343589", schemas.Updated, 4, "notes", "patient_arrived"),
		event("appointments", "343589", schemas.Cancelled, 5, "cancellation_time"),
		event("patients", "1234567890123456789", schemas.Archived, 18446744073709551615, "archived_at"),
		event("referral_source_types", "1234567890123456789", schemas.Restored, 2, "archived_at"),
		event("patients", "7", schemas.Deleted, 3),
		event("invoices", "12", schemas.Snapshot, 1),
		event("patients", "é", "transmuted", 9, "naïve"),
	}
	south := event("patients", "8", schemas.Updated, 3, "email")
	south.Account = "southside"
	created := event("patients", "8", schemas.Created, 3)
	created.Account = "southside"
	return append(list, south, created)
}

func lines(t *testing.T, style Style, list []schemas.Event) string {
	t.Helper()
	var b bytes.Buffer
	for _, e := range list {
		if err := Event(&b, style, "cliniko."+string(e.Resource)+"."+string(e.Verb), &e); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestEventLines(t *testing.T) {
	for file, style := range map[string]Style{"events.plain": Plain, "events.mono": Mono, "events.color": Color} {
		got := lines(t, style, events())
		golden(t, file, got)
		if strings.Contains(got, value) {
			t.Errorf("%s shows a value of a record", file)
		}
	}
}

// What comes from outside moves no cursor, ends no line and adds no column, in any style.
func TestControlCharactersAreNotWritten(t *testing.T) {
	nasty := "x\x1b[2J\r\n\t\u202ey\u0085\u009b31m\x00\xff"
	e := schemas.Event{
		Account: nasty, Resource: schemas.Resource(nasty), RecordID: schemas.ID(nasty), Verb: schemas.Verb(nasty),
		Changed: []string{nasty},
	}
	for _, style := range []Style{Plain, Mono} {
		var b bytes.Buffer
		if err := Event(&b, style, nasty, &e); err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSuffix(b.String(), "\n")
		if strings.ContainsAny(got, "\x1b\r\n\u202e\u0085\u009b\x00") {
			t.Errorf("style %d: got %q", style, got)
		}
		if tabs := strings.Count(got, "\t"); style == Plain && tabs != 4 {
			t.Errorf("got %d tabs in %q; want 4", tabs, got)
		}
	}
}

func TestTables(t *testing.T) {
	header := []string{"what", "state", "detail"}
	rows := [][]string{
		{"api key", OK, ""},
		{"patients", Warning, "sorted by created_at\nand not by updated_at"},
		{"invoices", Wrong, "403"},
		{"users"},
	}
	for file, style := range map[string]Style{"table.plain": Plain, "table.mono": Mono, "table.color": Color} {
		var b bytes.Buffer
		if err := Table(&b, style, header, rows); err != nil {
			t.Fatal(err)
		}
		golden(t, file, b.String())
	}
}

func TestStyleOf(t *testing.T) {
	for _, row := range []struct {
		terminal bool
		env      string
		want     Style
	}{{false, "", Plain}, {false, "NO_COLOR", Plain}, {true, "", Color}, {true, "NO_COLOR", Mono}} {
		got := StyleOf(row.terminal, func(name string) string {
			if name == row.env {
				return "1"
			}
			return ""
		})
		if got != row.want {
			t.Errorf("StyleOf(%v) with %q set: got %d; want %d", row.terminal, row.env, got, row.want)
		}
	}
	if got := StyleOf(true, func(string) string { return "dumb" }); got != Mono {
		t.Errorf("StyleOf on a dumb terminal: got %d; want %d", got, Mono)
	}
}

type brokenPipe struct{}

var errPipe = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

// Whoever writes to a pipe that is gone learns it.
func TestErrorsOfTheWriterAreReturned(t *testing.T) {
	if err := Event(brokenPipe{}, Plain, "s", &schemas.Event{}); !errors.Is(err, errPipe) {
		t.Errorf("Event: got %v; want %v", err, errPipe)
	}
	for _, style := range []Style{Plain, Color} {
		if err := Table(brokenPipe{}, style, []string{"a"}, nil); !errors.Is(err, errPipe) {
			t.Errorf("Table: got %v; want %v", err, errPipe)
		}
	}
}
