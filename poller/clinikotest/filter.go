package clinikotest

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// A refusal is an answer with an error status and a JSON message.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string { return e.message }

func badRequest(message string) error { return &refusal{http.StatusBadRequest, message} }

// A kind of column decides which operators a filter takes.
type kind int

const (
	datetimeColumn kind = iota + 1
	dateColumn
	numberColumn
	textColumn
)

// operators of each kind. The longer come first, where one begins another. There is none for a boolean: no list of
// 2017 has a boolean filter. Source: the vendor's API docs of 2017 to 2022, section "Filtering results", read 2026-11.
var operators = map[kind][]string{
	datetimeColumn: {">=", ">", "<=", "<"},
	dateColumn:     {">=", ">", "<=", "<", "="},
	numberColumn:   {"!=", ">=", ">", "<=", "<", "="},
	textColumn:     {"!=", "~~", "~", "="},
}

// everywhere are the filters of every list.
var everywhere = map[string]kind{"id": numberColumn, "created_at": datetimeColumn, "updated_at": datetimeColumn}

// filterable are the further filters of each list, as the vendor's readme of April 2017 names them (read 2026-11).
// A resource that is not here has no others.
var filterable = map[schemas.Resource]map[string]kind{
	"appointments": {
		"appointment_start": datetimeColumn, "appointment_end": datetimeColumn,
		"appointment_type_id": numberColumn, "business_id": numberColumn, "patient_id": numberColumn,
		"practitioner_id": numberColumn,
	},
	"patients": {
		"date_of_birth": dateColumn, "email": textColumn, "first_name": textColumn, "last_name": textColumn,
		"old_reference_id": textColumn,
	},
	"invoices": {
		"appointment_id": numberColumn, "business_id": numberColumn, "patient_id": numberColumn,
		"practitioner_id": numberColumn, "issue_date": dateColumn, "number": numberColumn, "status": numberColumn,
	},
	"medical_alerts":       {"patient_id": numberColumn},
	"daily_availabilities": {"business_id": numberColumn, "practitioner_id": numberColumn},
	"products":             {"name": textColumn, "tax_id": numberColumn},
	"stock_adjustments":    {"product_id": numberColumn},
	"practitioners":        {"user_id": numberColumn},
	"billable_items":       {"tax_id": numberColumn},
}

func filterKind(resource schemas.Resource, column string) kind {
	return cmp.Or(everywhere[column], filterable[resource][column])
}

// A filter is one condition of a query. All conditions of a query must hold.
type filter struct {
	column, op string
	bound      int64 // of a datetime, a Unix second
	match      func(value) bool
}

func (f filter) holds(r *row) bool { return f.match(r.value(f.column)) }

// parseFilter reads one q: "updated_at:>=2027-03-27T10:03:57Z".
func parseFilter(resource schemas.Resource, q string) (filter, error) {
	column, condition, ok := strings.Cut(q, ":")
	k := filterKind(resource, column)
	if !ok || k == 0 {
		return filter{}, badRequest("This column is not searchable.")
	}
	i := slices.IndexFunc(operators[k], func(op string) bool { return strings.HasPrefix(condition, op) })
	if i < 0 {
		return filter{}, badRequest("This operator is not supported for " + column + ".")
	}
	f := filter{column: column, op: operators[k][i]}
	operand := condition[len(f.op):]
	var err error
	switch k {
	case datetimeColumn:
		err = f.againstTime(operand)
	case dateColumn:
		err = f.againstDate(operand)
	case numberColumn:
		err = f.againstNumbers(operand)
	case textColumn:
		f.againstText(operand)
	}
	return f, err
}

// againstTime takes UTC, whole seconds and a final Z alone: a client of 2026 saw "+00:00" and a bare date refused.
// Whether the API takes fractions is not known, so they are refused too.
func (f *filter) againstTime(operand string) error {
	at, ok := parseStamp(operand)
	if !ok {
		return badRequest("Invalid datetime for " + f.column + ".")
	}
	f.bound = at
	op := f.op
	f.match = func(v value) bool {
		if v.isText {
			n, ok := parseStamp(v.text)
			v = value{num: n, null: !ok}
		}
		return !v.null && compares(cmp.Compare(v.num, at), op)
	}
	return nil
}

func parseStamp(s string) (int64, bool) {
	t, err := time.Parse("2006-01-02T15:04:05Z", s)
	// Parse lets a fraction pass that the layout does not have.
	return t.Unix(), err == nil && len(s) == len("2006-01-02T15:04:05Z")
}

var dateShape = regexp.MustCompile(`^[\d*]{4}-[\d*]{2}-[\d*]{2}$`)

// againstDate takes a * for any digit, with = alone: "****-05-**" is every May.
func (f *filter) againstDate(operand string) error {
	_, err := time.Parse(time.DateOnly, operand)
	wild := f.op == "=" && strings.Contains(operand, "*")
	if !dateShape.MatchString(operand) || (err != nil && !wild) {
		return badRequest("Invalid date for " + f.column + ".")
	}
	op := f.op
	f.match = func(v value) bool {
		if !v.isText {
			return false
		}
		if !wild {
			return compares(strings.Compare(v.text, operand), op)
		}
		return len(v.text) == len(operand) && fits(v.text, operand)
	}
	return nil
}

// fits says whether s is pattern, where a * of pattern is any character.
func fits(s, pattern string) bool {
	for i := range len(pattern) {
		if pattern[i] != '*' && pattern[i] != s[i] {
			return false
		}
	}
	return true
}

// againstNumbers takes a list after =, one number after the others.
func (f *filter) againstNumbers(operand string) error {
	numbers := map[int64]bool{}
	var bound int64
	for s := range strings.SplitSeq(operand, ",") {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return badRequest("Invalid number for " + f.column + ".")
		}
		numbers[n], bound = true, n
	}
	if f.op != "=" && strings.Contains(operand, ",") {
		return badRequest("A list of numbers takes = alone.")
	}
	op := f.op
	f.match = func(v value) bool {
		switch {
		case v.null || v.isText:
			return false
		case op == "=":
			return numbers[v.num]
		default:
			return compares(cmp.Compare(v.num, bound), op)
		}
	}
	return nil
}

// againstText compares text; ~ is "contains" and ~~ takes % for anything. Both ignore case here, which no source
// states.
func (f *filter) againstText(operand string) {
	op := f.op
	holds := func(have string) bool { return compares(strings.Compare(have, operand), op) }
	switch f.op {
	case "~":
		part := strings.ToLower(operand)
		holds = func(have string) bool { return strings.Contains(strings.ToLower(have), part) }
	case "~~":
		like := regexp.MustCompile("(?is)^" + strings.ReplaceAll(regexp.QuoteMeta(operand), "%", ".*") + "$")
		holds = like.MatchString
	}
	// Null is neither equal nor unequal to anything.
	f.match = func(v value) bool { return v.isText && holds(v.text) }
}

// compares says whether the outcome of a comparison (-1, 0, 1) is what op asks for.
func compares(c int, op string) bool {
	switch op {
	case "=":
		return c == 0
	case "!=":
		return c != 0
	case ">=":
		return c >= 0
	case ">":
		return c > 0
	case "<=":
		return c <= 0
	default:
		return c < 0
	}
}
