package poller

import (
	"strings"
	"time"
)

// zoneNames are the names of time zones in the settings of 2017 that are neither a name of the IANA database nor a city
// in it. That the API names zones as Rails does is seen from its examples; those of North America are as Rails maps them
// (apidock.com/rails/ActiveSupport/TimeZone, read 2026-11), the others are places in a zone that is called after another.
var zoneNames = map[string]string{
	"Eastern Time (US & Canada)": "America/New_York", "Central Time (US & Canada)": "America/Chicago",
	"Mountain Time (US & Canada)": "America/Denver", "Pacific Time (US & Canada)": "America/Los_Angeles",
	"Atlantic Time (Canada)": "America/Halifax", "Indiana (East)": "America/Indiana/Indianapolis",
	"Arizona": "America/Phoenix", "Alaska": "America/Juneau", "Hawaii": "Pacific/Honolulu",
	"Newfoundland": "America/St_Johns", "Saskatchewan": "America/Regina",
	"Canberra": "Australia/Canberra", "Wellington": "Pacific/Auckland", "Edinburgh": "Europe/London",
	"Mumbai": "Asia/Kolkata", "Chennai": "Asia/Kolkata", "New Delhi": "Asia/Kolkata", "Abu Dhabi": "Asia/Muscat",
	"Bern": "Europe/Zurich", "Pretoria": "Africa/Johannesburg", "Beijing": "Asia/Shanghai", "Hanoi": "Asia/Bangkok",
	"Osaka": "Asia/Tokyo", "Sapporo": "Asia/Tokyo",
}

var zoneAreas = []string{"", "Australia/", "Pacific/", "Europe/", "America/", "Asia/", "Africa/", "Atlantic/"}

// zoneOf is the time zone of a name as the API spells it, "Australia/Melbourne" or "Melbourne"; nil if there is none.
func zoneOf(name string) *time.Location {
	if known, ok := zoneNames[name]; ok {
		name = known
	}
	if name == "" || name == "Local" {
		return nil
	}
	for _, area := range zoneAreas {
		if zone, err := time.LoadLocation(area + strings.ReplaceAll(name, " ", "_")); err == nil {
			return zone
		}
	}
	return nil
}
