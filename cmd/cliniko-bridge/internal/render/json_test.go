package render

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// An event is one line of the same JSON; on a terminal no character of it moves the cursor or turns the text around.
func TestJSONIsOneLine(t *testing.T) {
	body := []byte("{\"id\": 12345678901234567890,\n\t\"name\": \"R\u00f3bin \u009b2J \u202e \U000e0001 <&> \\u001b \u2028\"\n}\n")
	for _, style := range []Style{Plain, Mono, Color} {
		var out bytes.Buffer
		if err := JSON(&out, style, body); err != nil {
			t.Fatal(err)
		}
		line := strings.TrimSuffix(out.String(), "\n")
		if strings.Contains(line, "\n") || !strings.Contains(line, "12345678901234567890") || !strings.Contains(line, "R\u00f3bin") {
			t.Errorf("style %d: %q", style, out.String())
		}
		var got, want any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Errorf("style %d: %v", style, err)
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("style %d: %q is not the same", style, line)
		}
		if odd := strings.ContainsAny(line, "\u009b\u202e\U000e0001\u2028"); odd != (style == Plain) {
			t.Errorf("style %d: odd characters %v", style, odd)
		}
	}
	if err := JSON(&bytes.Buffer{}, Plain, []byte("Robin")); err == nil || strings.Contains(err.Error(), "Robin") {
		t.Errorf("of what is no JSON: %v", err)
	}
}
