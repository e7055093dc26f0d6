package schemas_test

import (
	"encoding/json"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// An id is exact, however large, from a number as from a string.
func TestIDsAreExact(t *testing.T) {
	for text, want := range map[string]schemas.ID{
		`9007199254740993`: "9007199254740993", `"9007199254740993"`: "9007199254740993",
		`18446744073709551616`: "18446744073709551616", `17`: "17", `"a-7"`: "a-7", `null`: "",
	} {
		var got schemas.ID
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`1.5`, `1e3`, `true`, `{}`, `[1]`} {
		var id schemas.ID
		if err := json.Unmarshal([]byte(text), &id); err == nil {
			t.Errorf("%s is an id: %q", text, id)
		}
	}
}

// A decimal is the text that the API wrote.
func TestDecimalsAreExact(t *testing.T) {
	for text, want := range map[string]schemas.Decimal{
		`"95.0"`: "95.0", `95.10`: "95.10", `0.1`: "0.1", `"-3"`: "-3", `null`: "", `38`: "38",
	} {
		var got schemas.Decimal
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", text, got, err, want)
		}
	}
	var d schemas.Decimal
	if err := json.Unmarshal([]byte(`true`), &d); err == nil {
		t.Errorf("true is a decimal: %q", d)
	}
}

// The id behind a link is the last segment of its path, whatever the host, the scheme and what follows the path.
func TestTheIDBehindALink(t *testing.T) {
	for url, want := range map[string]schemas.ID{
		"https://api.au1.cliniko.com/v1/patients/836447135284054187":    "836447135284054187",
		"http://example.com/internal/patients/51001/":                   "51001",
		"/businesses/4101?page=1":                                       "4101",
		"https://api.cliniko.com/v1/patients/51001/appointments?page=1": "appointments",
		"https://api.cliniko.com/v1/appointments?q=id:=1/2":             "appointments",
		"51001": "51001",
		"":      "",
		"#/1":   "",
	} {
		text, err := json.Marshal(map[string]any{"links": map[string]string{"self": url}})
		if err != nil {
			t.Fatal(err)
		}
		var link schemas.Link
		if err := json.Unmarshal(text, &link); err != nil {
			t.Fatal(err)
		}
		if got := link.ID(); got != want || link.URL() != url {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
	}
}
