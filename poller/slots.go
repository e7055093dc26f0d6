package poller

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Free slots are computed by the API for each business, practitioner and appointment type that go together: a diary. A
// diary is a parent with one object, the record {"available_times": […]} of all slots from today on, and is walked as such.
// It is known by the three ids: "4101-7301-3301".

// A diaryPlan is what the diaries of one walk are asked with.
type diaryPlan struct {
	zones map[string]*time.Location // by business
	leads map[string]time.Duration  // by appointment type
}

// diaries reads which diaries there are: the list of services has them.
func (r *reader) diaries(stop, work context.Context, w *walk) ([]parent, error) {
	type link struct {
		Links struct {
			Self string `json:"self"`
		} `json:"links"`
	}
	rows, date, err := r.pages(stop, work, w.lane, "/services", "services", nil)
	if err != nil {
		return nil, err
	}
	w.date = date
	var list []parent
	zones := map[string]bool{}
	for _, raw := range rows {
		var row struct {
			Business      link   `json:"business"`
			Type          link   `json:"appointment_type"`
			Practitioners []link `json:"practitioners"`
		}
		if json.Unmarshal(raw, &row) != nil {
			continue // a row that is no service offers nothing
		}
		business, ok1 := cliniko.LinkID(row.Business.Links.Self)
		kind, ok2 := cliniko.LinkID(row.Type.Links.Self)
		for _, p := range row.Practitioners {
			if who, ok := cliniko.LinkID(p.Links.Self); ok && ok1 && ok2 {
				list = append(list, parent{id: schemas.ID(string(business) + "-" + string(who) + "-" + string(kind))})
				zones[string(business)] = true
			}
		}
	}
	w.plan.leads, err = r.leads(stop, work, w)
	if err == nil {
		w.plan.zones, err = r.zones(stop, work, w, zones)
	}
	return list, err
}

// leads are how long before its start an appointment of each type can be booked at the latest, where the edition tells.
func (r *reader) leads(stop, work context.Context, w *walk) (map[string]time.Duration, error) {
	leads := map[string]time.Duration{}
	return leads, r.each(stop, work, w, "appointment_types", "online_bookings_lead_time_hours", func(id string, value json.RawMessage) {
		if hours, err := strconv.Atoi(string(value)); err == nil && hours >= 0 {
			leads[id] = time.Duration(hours) * time.Hour
		}
	})
}

// zones are the time zones of businesses: their own, or the account's, as the edition has them.
func (r *reader) zones(stop, work context.Context, w *walk, businesses map[string]bool) (map[string]*time.Location, error) {
	zones := map[string]*time.Location{}
	err := r.each(stop, work, w, "businesses", "time_zone_identifier", func(id string, value json.RawMessage) {
		var name string
		_ = json.Unmarshal(value, &name) // no text is no name
		zones[id] = zoneOf(name)
	})
	if err != nil {
		return nil, err
	}
	account, asked := (*time.Location)(nil), false
	for id := range businesses {
		if zones[id] != nil {
			continue
		}
		if !asked {
			asked = true
			if account, err = r.accountZone(stop, work, w); err != nil {
				return nil, err
			}
		}
		zones[id] = account
	}
	return zones, nil
}

// each calls f with a field of every record of another resource, if the edition documents the field.
func (r *reader) each(stop, work context.Context, w *walk, name schemas.Resource, field string, f func(id string, value json.RawMessage)) error {
	spec, ok := schemas.Lookup(r.spec.Edition, name)
	if !ok || !slices.Contains(spec.Fields, field) {
		return nil
	}
	return r.readAll(stop, work, r.beside(spec.Feeds[0]), w.lane, func(p *cliniko.Page) error {
		for i := range p.Records {
			var row map[string]json.RawMessage
			if json.Unmarshal(p.Records[i].Raw, &row) == nil && row[field] != nil {
				f(string(p.Records[i].ID), row[field])
			}
		}
		return nil
	})
}

// accountZone is the time zone that the settings name, UTC if they do not.
func (r *reader) accountZone(stop, work context.Context, w *walk) (*time.Location, error) {
	spec, _ := schemas.Lookup(r.spec.Edition, "settings")
	feed := spec.Feeds[0]
	raw, _, err := r.paid(stop, work, cliniko.Query{Path: feed.Path, Lane: w.lane})
	if is(err, cliniko.Forbidden) {
		raw, _, err = r.paid(stop, work, cliniko.Query{Path: feed.Fallback, Lane: w.lane})
	}
	if err != nil && !is(err, cliniko.Forbidden) && !is(err, cliniko.NotFound) {
		return nil, err
	}
	var settings struct {
		Account struct {
			Zone string `json:"time_zone"`
		} `json:"account"`
	}
	_ = json.Unmarshal(raw, &settings) // settings that do not tell are no failure
	zone := zoneOf(settings.Account.Zone)
	if zone == nil {
		zone = time.UTC
		r.mu.Lock()
		said := r.unzoned
		r.unzoned = true
		r.mu.Unlock()
		if !said {
			r.log.Warn("the account's time zone cannot be learned: days of free slots are those of UTC")
		}
	}
	return zone, nil
}

// freeSlots reads one diary, from today on.
func (r *reader) freeSlots(stop, work context.Context, w *walk, id schemas.ID) (schemas.Record, error) {
	part := strings.Split(string(id), "-")
	if len(part) != 3 {
		return schemas.Record{}, &cliniko.Error{Kind: cliniko.NotFound, Path: r.feed.Path, Reason: "no such diary"}
	}
	path := strings.NewReplacer("{business_id}", part[0], "{practitioner_id}", part[1], "{appointment_type_id}", part[2]).Replace(r.feed.Path)
	zone, lead := w.plan.zones[part[0]], time.Duration(-1)
	if zone == nil {
		zone = time.UTC // of a business that offers nothing any more
	}
	if known, ok := w.plan.leads[part[2]]; ok {
		lead = known
	}
	now := w.date.Add(time.Since(w.began)) // the API's clock
	if w.date.IsZero() {
		now = time.Now()
	}
	y, m, d := now.In(zone).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, zone)
	raw, date, err := r.slotRows(stop, work, w, path, today)
	if is(err, cliniko.Refused) { // the day has ended meanwhile, or has there
		today = today.AddDate(0, 0, 1)
		raw, date, err = r.slotRows(stop, work, w, path, today)
	}
	if err != nil {
		return schemas.Record{}, err
	}
	if date.IsZero() {
		date = now
	}
	return schemas.Record{
		ID: id, Raw: raw, Window: &schemas.Window{From: date.UTC(), Until: today.AddDate(0, 0, r.days).UTC(), Lead: lead},
	}, nil
}

func (r *reader) slotRows(stop, work context.Context, w *walk, path string, from time.Time) ([]byte, time.Time, error) {
	rows, date, err := r.pages(stop, work, w.lane, path, r.feed.Key, []cliniko.Parameter{
		{Name: "from", Value: from.Format(time.DateOnly)}, {Name: "to", Value: from.AddDate(0, 0, r.days-1).Format(time.DateOnly)},
	})
	return rowsObject(r.feed.Key, rows), date, err
}

// rowsObject is an object with rows under key.
func rowsObject(key string, rows [][]byte) []byte {
	b := append([]byte(nil), `{"`+key+`":[`...)
	b = append(b, bytes.Join(rows, []byte(","))...)
	return append(b, "]}"...)
}

// More than any list of free slots or of services has.
const (
	mostPages = 50
	mostBytes = 8 << 20
)

// pages reads the rows of a list whose rows have no ids, page by page: it is computed, and does not move as others do.
// date is the API's clock at the first page.
func (r *reader) pages(stop, work context.Context, lane cliniko.Lane, path, key string, params []cliniko.Parameter,
) (rows [][]byte, date time.Time, err error) {
	size := 0
	for n := 1; n <= mostPages && size <= mostBytes; n++ {
		all := append(slices.Clone(params),
			cliniko.Parameter{Name: "page", Value: strconv.Itoa(n)}, cliniko.Parameter{Name: "per_page", Value: strconv.Itoa(mostRows)})
		raw, at, err := r.paid(stop, work, cliniko.Query{Path: path, Lane: lane, Parameters: all})
		if err != nil {
			return nil, date, err
		}
		if n == 1 {
			date = at
		}
		size += len(raw)
		var body map[string]json.RawMessage
		var page []json.RawMessage
		total := 0
		if json.Unmarshal(raw, &body) != nil || body[key] == nil || json.Unmarshal(body[key], &page) != nil {
			return nil, date, &cliniko.Error{Kind: cliniko.BadBody, Path: path, Status: 200, Reason: fmt.Sprintf("an object without %q", key)}
		}
		_ = json.Unmarshal(body["total_entries"], &total) // a list that does not count ends with a page that is not full
		for _, row := range page {
			rows = append(rows, row)
		}
		if len(page) == 0 || len(rows) >= total && (total > 0 || len(page) < mostRows) {
			return rows, date, nil
		}
	}
	// A paging has repeated its first page under every number (cliniko-api issue 106).
	return nil, date, &cliniko.Error{Kind: cliniko.BadBody, Path: path, Status: 200, Reason: "its pages have no end"}
}
