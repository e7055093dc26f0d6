package clinikotest

import (
	"encoding/json"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The account lives in Brisbane, where clocks never change: no time zone database is needed.
const accountZoneName = "Brisbane"

var accountZone = time.FixedZone(accountZoneName, 10*60*60)

// singlePaths are the addresses of the resources that are one object.
var singlePaths = map[schemas.Resource]Ref{"settings": "/settings", "public_settings": "/settings/public"}

// settings are the sections of both editions; the edition takes its own.
func (m *maker) settings() []field {
	return pairs(
		"terminology", map[string]any{"patient": "client"},
		"account", map[string]any{
			"name": "Movement Clinic Group", "country": "Australia", "time_zone": accountZoneName, "currency_symbol": "$",
			"subdomain": "movement-example", "email_from": "reception@example.com",
			"admin": map[string]any{"email": "owner@example.com", "first_name": "Ines", "last_name": "Oakhollow"},
		},
		"calendar", hoursOfCalendar(7),
		"online_bookings", map[string]any{
			"enabled": true, "policy": "Please give a day of notice.", "calendar_info": "Times shown are clinic time.",
			"min_hours_advance_required_to_book": int(leadTime / time.Hour),
		},
		"reminders", map[string]any{"default_reminder_type": "SMS & Email"},
		"patient_custom_fields_definition", map[string]any{"sections": []any{}},
		"wait_list", map[string]any{"enabled": false},
	)
}

func hoursOfCalendar(start int) map[string]any {
	return map[string]any{"start_hour": start, "end_hour": 20, "timeslot_size_in_minutes": 15}
}

// calendar is a change of the settings.
func calendar(m *maker, _ *version) Fields {
	return Fields{"calendar": hoursOfCalendar(m.between(5, 9))}
}

// publicAccount is what everybody may know of the account.
func publicAccount(account json.RawMessage) map[string]any {
	var all map[string]any
	_ = json.Unmarshal(account, &all) // a test may have put anything there: then nothing is public
	delete(all, "email_from")
	delete(all, "admin")
	return all
}
