package clinikotest

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A query is what a request for a list asks.
type query struct {
	resource schemas.Resource
	feed     stateSet // of a side list: what it shows
	lift     stateSet // what is shown though the list hides it
	under    func(*row) bool
	role     *Role
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
func parseQuery(res *resource, asked url.Values) (query, error) {
	q := query{resource: res.name, page: 1, perPage: defaultPerPage, asked: asked}
	for _, name := range []string{"q[]", "q"} {
		for _, text := range asked[name] {
			f, err := parseFilter(res, text)
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
	q.sort, err = parseSort(res, asked.Get("sort"), asked.Get("order"))
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
func parseSort(res *resource, columns, order string) ([]sortKey, error) {
	if order != "" && order != "asc" && order != "desc" {
		return nil, badRequest("Invalid order.")
	}
	if columns == "" { // created_at, ascending unless order says otherwise: the API's default
		return []sortKey{{"created_at", order == "desc"}}, nil
	}
	var keys []sortKey
	for text := range strings.SplitSeq(columns, ",") {
		column, direction, _ := strings.Cut(text, ":")
		if direction == "" {
			direction = cmp.Or(order, "asc")
		}
		if !res.sortable(column) || (direction != "asc" && direction != "desc") {
			return nil, badRequest("This column is not sortable.")
		}
		keys = append(keys, sortKey{column, direction == "desc"})
	}
	return keys, nil
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
		for _, name := range append([]string{relation}, standIns[column]...) {
			if n, ok := plainNumber(v.field(name).relative()); ok {
				return value{num: n}
			}
		}
	}
	return value{null: true}
}

// standIns are the relations that a column means where no relation has its name.
var standIns = map[string][]string{
	"appointment_id": {"booking"}, "source_item_id": {"billable_item", "product"},
}

func plainNumber(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
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
