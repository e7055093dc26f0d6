package clinikotest

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A query is what a request for a list asks.
type query struct {
	resource schemas.Resource
	filters  []filter
	sort     []sortKey
	page     int // from 1
	perPage  int // 1 to 100
	asked    url.Values
}

type sortKey struct {
	column string
	desc   bool
}

// The page sizes of the API.
const (
	defaultPerPage = 50
	maxPerPage     = 100 // what the API does with a larger number is not stated; here it is taken for this one
)

// parseQuery reads the parameters of a list. Those that the API does not know are ignored.
func parseQuery(spec schemas.Spec, asked url.Values) (query, error) {
	q := query{resource: spec.Resource, page: 1, perPage: defaultPerPage, asked: asked}
	for _, name := range []string{"q[]", "q"} {
		for _, text := range asked[name] {
			f, err := parseFilter(spec.Resource, text)
			if err != nil {
				return q, err
			}
			q.filters = append(q.filters, f)
		}
	}
	var err error
	if q.page, err = positive(asked, "page", q.page); err != nil {
		return q, err
	}
	if q.perPage, err = positive(asked, "per_page", q.perPage); err != nil {
		return q, err
	}
	q.perPage = min(q.perPage, maxPerPage)
	q.sort, err = parseSort(spec, asked.Get("sort"), asked.Get("order"))
	return q, err
}

func positive(asked url.Values, name string, otherwise int) (int, error) {
	text := asked.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, badRequest("Invalid " + name + ".")
	}
	return n, nil
}

// parseSort reads "last_name,created_at:desc". order is the direction of the columns that name none.
func parseSort(spec schemas.Spec, columns, order string) ([]sortKey, error) {
	if order != "" && order != "asc" && order != "desc" {
		return nil, badRequest("Invalid order.")
	}
	if columns == "" {
		columns = "created_at" // ascending unless order says otherwise: the API's default
	}
	var keys []sortKey
	for text := range strings.SplitSeq(columns, ",") {
		column, direction, _ := strings.Cut(text, ":")
		if direction == "" {
			direction = cmp.Or(order, "asc")
		}
		if !sortable(spec, column) || (direction != "asc" && direction != "desc") {
			return nil, badRequest("This column is not sortable.")
		}
		keys = append(keys, sortKey{column, direction == "desc"})
	}
	return keys, nil
}

// structured are the documented fields that are no plain values, relations among them.
var structured = map[string]bool{
	"appointment": true, "appointment_type": true, "appointments": true, "availabilities": true,
	"billable_item": true, "business": true, "concession_type": true, "conflicts": true,
	"default_appointment_type": true, "invoice": true, "invoices": true, "links": true, "medical_alerts": true,
	"patient": true, "patient_phone_numbers": true, "phone_numbers": true, "practitioner": true,
	"practitioner_reference_numbers": true, "practitioners": true, "product": true, "referrers": true,
	"repeat_rule": true, "repeats": true, "subcategories": true, "tax": true, "user": true,
}

// sortable says whether a list can be sorted by a column. The API names no list of them ("almost all resources");
// here it is every documented plain field and every filter.
func sortable(spec schemas.Spec, column string) bool {
	if filterKind(spec.Resource, column) != 0 {
		return true
	}
	return slices.Contains(spec.Fields, column) && !structured[column]
}

// A value is what a row has in a column, for comparing.
type value struct {
	null, isText bool
	num          int64 // numbers as they are, times as Unix seconds, false and true as 0 and 1
	text         string
}

// compareValues orders null last, as the API's kind of database does.
func compareValues(a, b value) int {
	switch {
	case a.null || b.null:
		return cmp.Compare(bit(a.null), bit(b.null))
	case a.isText && b.isText:
		return strings.Compare(a.text, b.text)
	default:
		return cmp.Compare(a.num, b.num)
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// value is the row's value in a column: a field, or the id behind a relation ("patient_id").
func (r *row) value(column string) value {
	switch column {
	case "id":
		return value{num: r.num}
	case "created_at":
		return value{num: r.created}
	case "updated_at":
		return value{num: r.now().updated}
	}
	v := r.now()
	if f := v.field(column); f != nil {
		return plainValue(f.value)
	}
	if relation, ok := strings.CutSuffix(column, "_id"); ok {
		n, err := strconv.ParseInt(v.field(relation).relative(), 10, 64)
		return value{num: n, null: err != nil}
	}
	return value{null: true}
}

func plainValue(raw json.RawMessage) value {
	switch {
	case len(raw) == 0 || raw[0] == 'n' || raw[0] == '{' || raw[0] == '[':
		return value{null: true}
	case raw[0] == '"':
		v := value{isText: true, text: string(raw[1 : len(raw)-1])}
		if strings.Contains(v.text, `\`) {
			_ = json.Unmarshal(raw, &v.text) // it came from Marshal
		}
		return v
	case raw[0] == 't' || raw[0] == 'f':
		return value{num: int64(bit(raw[0] == 't'))}
	default:
		n, err := strconv.ParseInt(string(raw), 10, 64)
		return value{num: n, null: err != nil}
	}
}
