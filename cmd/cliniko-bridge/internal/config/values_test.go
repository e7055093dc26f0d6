package config

import (
	"strings"
	"testing"
)

func TestParseSubject(t *testing.T) {
	for _, row := range []struct{ text, fault string }{
		{"cliniko.{resource}.{verb}", ""},
		{"a.b.{account}.{verb}.{id}.{resource}", ""},
		{"{resource}.{verb}", "begins with a placeholder"},
		{"cliniko.{resource}", "has no {verb}"},
		{"cliniko.{verb}", "has no {resource}"},
		{"cliniko.{resource}.{verb}.{verb}", "has {verb} twice"},
		{"cliniko..{resource}.{verb}", "has a token"},
		{"cliniko.{resource}.{verb}.", "has a token"},
		{"cliniko.{resource}.{verb}.>", "has a token"},
		{"cliniko.*.{resource}.{verb}", "has a token"},
		{"cliniko.{resource}-{verb}", "has a token"},
		{"cliniko.{recource}.{verb}", "has a token"},
		{"$JS.{resource}.{verb}", "has a token"},
		{"_INBOX.{resource}.{verb}", "begins with _"},
		{"cli niko.{resource}.{verb}", "has a token"},
	} {
		_, err := parseSubject(row.text)
		if (err == nil) != (row.fault == "") || !strings.Contains(errorText(err), row.fault) {
			t.Errorf("parseSubject(%q): got %v; want %q", row.text, err, row.fault)
		}
	}
}

func TestParseSchedule(t *testing.T) {
	for _, row := range []struct{ text, fault string }{
		{"@every 1s", ""},
		{"@every 1h30m", ""},
		{"@daily", ""},
		{"*/5 * * * *", ""},
		{"0 30 3 * * *", ""},
		{"0 0 29 2 *", ""},
		{"CRON_TZ=Australia/Sydney 0 3 * * *", ""},
		{"@every 0s", "whole number of seconds"},
		{"@every 999ms", "whole number of seconds"},
		{"@every 5", "is not a schedule"},
		{"@reboot", "is not a schedule"},
		{"0 0 31 4 *", "never comes"},
		{"TZ=", "is not a schedule"},
		{"CRON_TZ=UTC", "is not a schedule"},
		{"CRON_TZ=Nowhere/City 0 3 * * *", "is not a schedule"},
		{"*/0 * * * *", "is not a schedule"},
		{strings.Repeat("1,", 1000) + "1 * * * *", "is not a schedule"},
	} {
		_, err := parseSchedule(row.text)
		if (err == nil) != (row.fault == "") || !strings.Contains(errorText(err), row.fault) {
			t.Errorf("parseSchedule(%.40q): got %v; want %q", row.text, err, row.fault)
		}
	}
}

func TestParseBaseURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://api.uk1.cliniko.com/v1":        "https://api.uk1.cliniko.com/v1",
		"https://api.uk1.cliniko.com/v1//":      "https://api.uk1.cliniko.com/v1",
		"http://localhost:8300/v1":              "http://localhost:8300/v1",
		"http://[::1]:8300":                     "http://[::1]:8300",
		"http://127.9.9.9":                      "http://127.9.9.9",
		"http://api.uk1.cliniko.com/v1":         "",
		"http://localhost.cliniko.example":      "",
		"http://127.0.0.1.cliniko.example":      "",
		"https://key@api.uk1.cliniko.com/v1":    "",
		"https://api.uk1.cliniko.com/v1?page=2": "",
		"https://api.uk1.cliniko.com/v1#x":      "",
		"https:///v1":                           "",
		"https:api.uk1.cliniko.com":             "",
		"ftp://127.0.0.1/v1":                    "",
		"api.uk1.cliniko.com/v1":                "",
		"https://api.uk1.cliniko.com:port/v1":   "",
		"https://api.uk1.cliniko.com/%76":       "",
		"https://api.uk1.cliniko.com/../v1":     "",
		"https://api.uk1.cliniko.com/a//v1":     "",
	} {
		got, err := parseBaseURL(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("parseBaseURL(%q): got %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestParsePercent(t *testing.T) {
	for text, want := range map[string]float64{"5%": 0.05, "7%": 0.07, "0%": 0, "100%": 1, "0.5%": 0.005, "2.25%": 0.0225} {
		if got, err := parsePercent(text); err != nil || got != want {
			t.Errorf("parsePercent(%q): got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"5", "5 %", "-5%", "101%", "NaN%", "Inf%", "1e1%", "%", "5%%", "0x5%"} {
		if got, err := parsePercent(text); err == nil {
			t.Errorf("parsePercent(%q): got %v; want an error", text, got)
		}
	}
}
