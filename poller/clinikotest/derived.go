package clinikotest

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// What no record holds: who works where, what is offered, and when there is time. All of it is computed on each read.

// An assignment is a practitioner at work for a business, or offering an appointment type.
type assignment struct {
	practitioner schemas.ID
	resource     schemas.Resource // "businesses" or "appointment_types"
	id           schemas.ID
}

// Assign says whether a practitioner works at a business, or offers an appointment type. Unless somebody has said
// otherwise, everybody does. No record changes by it: it shows in the lists below a record, in services and in
// available_times.
func (c *Clinic) Assign(practitioner schemas.ID, to schemas.Resource, id schemas.ID, does bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.works[assignment{practitioner, to, id}] = does
}

// does is what Assign said. c.mu is held.
func (c *Clinic) does(practitioner schemas.ID, to schemas.Resource, id schemas.ID) bool {
	does, said := c.works[assignment{practitioner, to, id}]
	return does || !said
}

// bookable are the visible records of a resource that are shown in online bookings. c.mu is held.
func (c *Clinic) bookable(resource schemas.Resource) []*row {
	l := c.lists[resource]
	l.settle(c.Now().Unix())
	var rows []*row
	for _, r := range l.order {
		if l.visible(r.id) == nil {
			continue
		}
		if f := r.now().field("show_in_online_bookings"); f != nil && string(f.value) == "true" {
			rows = append(rows, r)
		}
	}
	return rows
}

// services are the rows of /services: each business with each appointment type, and who offers it there. Only what can
// be booked online is listed. business narrows it to one, "" does not.
func (c *Clinic) services(business schemas.ID) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	people := c.bookable("practitioners")
	var rows [][]byte
	for _, b := range c.bookable("businesses") {
		if business != "" && b.id != business {
			continue
		}
		for _, t := range c.bookable("appointment_types") {
			who := []json.RawMessage{}
			for _, p := range people {
				if c.does(p.id, "businesses", b.id) && c.does(p.id, "appointment_types", t.id) {
					f := field{ref: RefTo("practitioners", p.id)}
					who = append(who, f.appendValue(nil, c.root()))
				}
			}
			if len(who) > 0 {
				rows = append(rows, encode([]field{
					newField("practitioners", who),
					newField("appointment_type", RefTo("appointment_types", t.id)),
					newField("business", RefTo("businesses", b.id)),
				}, c.root()))
			}
		}
	}
	return rows
}

// leadTime is how long before its start a slot can no longer be booked online.
const leadTime = 2 * time.Hour

// A diary is whose free time is asked for.
type diary struct{ business, practitioner, kind schemas.ID }

// available are the free starts from a day to another, both counted, in the account's zone: half past eight to half
// past four on workdays, one after the other as long as the appointment type is, without those that overlap an
// appointment of the practitioner, and those that begin too soon. ok is false if this cannot be booked online.
func (c *Clinic) available(d diary, from, to time.Time) (starts []time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	find := func(resource schemas.Resource, id schemas.ID) *row {
		rows := c.bookable(resource)
		if i := slices.IndexFunc(rows, func(r *row) bool { return r.id == id }); i >= 0 {
			return rows[i]
		}
		return nil
	}
	kind := find("appointment_types", d.kind)
	if kind == nil || find("businesses", d.business) == nil || find("practitioners", d.practitioner) == nil ||
		!c.does(d.practitioner, "businesses", d.business) || !c.does(d.practitioner, "appointment_types", d.kind) {
		return nil, false
	}
	length := 30 * time.Minute
	if f := kind.now().field("duration_in_minutes"); f != nil {
		if n, err := strconv.Atoi(string(f.value)); err == nil && n > 0 {
			length = time.Duration(n) * time.Minute
		}
	}
	busy, soon := c.busy(d.practitioner, from, to.AddDate(0, 0, 1)), c.Now().Add(leadTime)
	for day := from; !day.After(to); day = day.AddDate(0, 0, 1) {
		if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
			continue
		}
		end := day.Add(16*time.Hour + 30*time.Minute)
		for at := day.Add(8*time.Hour + 30*time.Minute); !at.Add(length).After(end); at = at.Add(length) {
			taken := slices.ContainsFunc(busy, func(s [2]time.Time) bool { return at.Before(s[1]) && s[0].Before(at.Add(length)) })
			if !taken && !at.Before(soon) {
				starts = append(starts, at)
			}
		}
	}
	return starts, true
}

// busy is when a practitioner has appointments, of those that are neither cancelled nor deleted. c.mu is held.
func (c *Clinic) busy(practitioner schemas.ID, from, to time.Time) [][2]time.Time {
	l := c.lists["appointments"]
	l.settle(c.Now().Unix())
	first, last := "appointment_start", "appointment_end"
	if !l.res.has(first) {
		first, last = "starts_at", "ends_at"
	}
	var spans [][2]time.Time
	for _, r := range l.order {
		if l.visible(r.id) == nil || r.now().ref("practitioner").id() != practitioner {
			continue
		}
		begin, err := time.Parse(time.RFC3339, r.now().text(first))
		end, err2 := time.Parse(time.RFC3339, r.now().text(last))
		if err == nil && err2 == nil && begin.Before(to) && from.Before(end) {
			spans = append(spans, [2]time.Time{begin, end})
		}
	}
	return spans
}

// window reads the days that available_times needs: both, no more than 7 with the first and the last, and none before
// today in the account's zone.
func (c *Clinic) window(asked url.Values) (from, to time.Time, err error) {
	from, err = time.ParseInLocation(time.DateOnly, asked.Get("from"), accountZone)
	if err != nil {
		return from, to, badRequest("Invalid from.")
	}
	to, err = time.ParseInLocation(time.DateOnly, asked.Get("to"), accountZone)
	if err != nil {
		return from, to, badRequest("Invalid to.")
	}
	y, m, d := c.Now().In(accountZone).Date()
	switch {
	case from.Before(time.Date(y, m, d, 0, 0, 0, 0, accountZone)):
		return from, to, badRequest("from must not be in the past.")
	case to.Before(from), to.After(from.AddDate(0, 0, 6)):
		return from, to, badRequest("The window must be 1 to 7 days.")
	}
	return from, to, nil
}

func slot(at time.Time) []byte {
	return encode(pairs("appointment_start", schemas.FormatStamp(at)), "")
}
