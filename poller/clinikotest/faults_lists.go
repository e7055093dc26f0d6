package clinikotest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// Faults that depend on what a list is asked for, or on which rows it would hold.

// RefuseFilter answers 400 to a list that is filtered by field, whatever the docs say: some filters were documented
// before they worked.
func RefuseFilter(field string) Fault {
	return Fault{name: "refuse filter", refuse: func(asked query) error {
		if slices.ContainsFunc(asked.filters, func(f filter) bool { return f.column == field }) {
			return badRequest(field + " is not filterable")
		}
		return nil
	}}
}

// RefuseSort answers 400 to a list that is asked to be sorted by field.
func RefuseSort(field string) Fault {
	return Fault{name: "refuse sort", refuse: func(asked query) error {
		named := asked.asked.Get("sort") != "" // the default is never refused
		if named && slices.ContainsFunc(asked.sort, func(k sortKey) bool { return k.column == field }) {
			return badRequest("This column is not sortable.")
		}
		return nil
	}}
}

// Poison answers 500 to every page that would hold the record. Its own address still answers.
func Poison(id schemas.ID) Fault {
	return Fault{name: "poison", list: func(_ query, p *page) {
		if slices.Contains(p.ids, id) {
			p.status = http.StatusInternalServerError
		}
	}}
}

// TooLong answers 504 to a list that selects more than so many records: narrower queries pass.
func TooLong(records int) Fault {
	return Fault{name: "too long", list: func(_ query, p *page) {
		if p.total > records {
			p.status = http.StatusGatewayTimeout
		}
	}}
}

// OffTotal makes total_entries wrong by so many.
func OffTotal(by int) Fault {
	return Fault{name: "off total", list: func(_ query, p *page) { p.total = max(p.total+by, 0) }}
}

// ShowHidden puts records into the plain list although they are in one of the states: an appointment was once in the
// list of the deleted and in the plain one at the same time.
func ShowHidden(states ...State) Fault {
	var lift stateSet
	for _, s := range states {
		lift |= stateNames[s.String()]
	}
	return Fault{name: "show hidden", query: func(q *query) { q.lift |= lift }}
}

// BlankNulls writes "" where rows have null, as the docs' own examples do.
func BlankNulls() Fault {
	return Fault{name: "blank nulls", list: func(_ query, p *page) {
		for i, raw := range p.rows {
			p.rows[i] = bytes.ReplaceAll(raw, []byte(":null"), []byte(`:""`))
		}
	}}
}

// OtherSelf makes the self link of a list name another resource.
func OtherSelf(resource schemas.Resource) Fault {
	return Fault{name: "other self", list: func(_ query, p *page) {
		p.links["self"] = fmt.Sprintf("https://clinic.example%s/%s?page=1", prefix, resource)
	}}
}

// QuotedIDs writes the ids of a list's rows as strings: the API went over to that from one day to the next.
func QuotedIDs() Fault {
	return Fault{name: "quoted ids", list: func(_ query, p *page) {
		for i, raw := range p.rows {
			p.rows[i] = setMember(raw, "id", strconv.Quote(string(p.ids[i])))
		}
	}}
}
