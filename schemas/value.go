package schemas

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// UnmarshalJSON takes an id from a JSON string or, as the API of 2017 has it, an integer: digit by digit, never through
// a float. null is "".
func (id *ID) UnmarshalJSON(b []byte) error {
	text, err := exactText(b)
	if err != nil {
		return err
	}
	if b[0] != '"' && strings.ContainsAny(text, ".eE") {
		return errors.New("an id is no fraction")
	}
	*id = ID(text)
	return nil
}

// A Decimal is an amount, exactly as the API wrote it: "95.0". Which of the editions write it as a string and which as
// a number differs from field to field; it is the text of either. "" is null.
type Decimal string

// UnmarshalJSON takes a decimal from a JSON string or number.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	text, err := exactText(b)
	if err != nil {
		return err
	}
	*d = Decimal(text)
	return nil
}

// exactText is the text of a JSON string, or of a number as it is spelled; "" for null.
func exactText(b []byte) (string, error) {
	switch b[0] {
	case '"':
		var s string
		err := json.Unmarshal(b, &s)
		return s, err
	case 'n':
		return "", nil
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return string(b), nil
	default:
		return "", errors.New("neither a string nor a number")
	}
}

// A Date is a day without a zone, as the API writes it: "2017-04-04". "" is null.
type Date string

// A Link leads from a record to another one, or to a list. The zero Link is null: there is none.
type Link struct {
	Links Self `json:"links"`
}

// URL is where the link leads.
func (l Link) URL() string { return l.Links.Self }

// ID is the id of the record that the link leads to: the last segment of its path, "51001" of
// "https://api.au1.cliniko.com/v1/patients/51001". A link to a list ends in the list's name, and ID is that name.
// It is "" for a null link.
func (l Link) ID() ID { return l.Links.ID() }

// Self is a record's own address.
type Self struct {
	Self string `json:"self"`
}

// ID is the last segment of the address's path.
func (s Self) ID() ID {
	path, _, _ := strings.Cut(s.Self, "?")
	path, _, _ = strings.Cut(path, "#")
	path = strings.TrimRight(path, "/")
	return ID(path[strings.LastIndexByte(path, '/')+1:])
}

// A Phone is one of somebody's telephone numbers.
type Phone struct {
	Number string `json:"number"`
	Type   string `json:"phone_type"` // "Mobile", "Work", …
}

// Hours are a span of a working day, on the clock on the wall: "09:00" to "12:30".
type Hours struct {
	StartsAt string `json:"starts_at"`
	EndsAt   string `json:"ends_at"`
}

// A RepeatRule says how a booking repeats; the zero rule, that it does not.
type RepeatRule struct {
	RepeatType        string `json:"repeat_type"` // "Weekly", …
	NumberOfRepeats   int64  `json:"number_of_repeats"`
	RepeatingInterval int64  `json:"repeating_interval"`
}

// A Service is what a business offers: an appointment type, and who takes it there.
type Service struct {
	AppointmentType Link   `json:"appointment_type"`
	Business        Link   `json:"business"`
	Practitioners   []Link `json:"practitioners"`
}

// A Slot is a time that can be booked.
type Slot struct {
	AppointmentStart time.Time `json:"appointment_start"` // UTC
}
