package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

var moment = time.Date(2027, 3, 27, 20, 3, 57, 114e6, time.FixedZone("AEST", 10*3600))

func write(terminal bool) string {
	var b bytes.Buffer
	log := New(&b, terminal)
	log.Debug("asked")
	log.Warn("the list could not be read", zap.String("resource", "patients"), zap.Time("next_poll", moment),
		zap.Duration("wait", 1500*time.Millisecond), zap.Error(errors.New("two\nlines")))
	return b.String()
}

// A line for machines is one JSON object, whatever is in its fields, and debug lines are left out.
func TestJSONLines(t *testing.T) {
	got := write(false)
	if strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") {
		t.Fatalf("got %q; want one line", got)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(got), &line); err != nil {
		t.Fatal(err)
	}
	stamped, _ := line["time"].(string)
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`).MatchString(stamped) {
		t.Errorf("got time %q; want ISO 8601 in UTC", stamped)
	}
	if at, err := time.Parse(time.RFC3339, stamped); err != nil || time.Since(at).Abs() > time.Hour {
		t.Errorf("got time %q, %v; want now", stamped, err)
	}
	want := map[string]string{
		"level": "warn", "message": "the list could not be read", "resource": "patients",
		"next_poll": "2027-03-27T10:03:57.114Z", "wait": "1.5s", "error": "two\nlines",
	}
	for key, value := range want {
		if line[key] != value {
			t.Errorf("got %s %q; want %q", key, line[key], value)
		}
	}
	if len(line) != len(want)+1 {
		t.Errorf("got the keys of %v; want these of %v and time", line, want)
	}
}

func TestPlainLinesOnATerminal(t *testing.T) {
	got := write(true)
	want := `  warn  the list could not be read  {"resource": "patients", "next_poll": "2027-03-27T10:03:57.114Z", ` +
		`"wait": "1.5s", "error": "two\nlines"}` + "\n"
	if len(got) < len(stamp) || got[len(stamp):] != want {
		t.Errorf("got %q; want a time and %q", got, want)
	}
}
