package clinikotest

import (
	"cmp"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A refusal is an answer with an error status and a JSON message.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string { return e.message }

func badRequest(message string) error { return &refusal{http.StatusBadRequest, message} }

var errNotFound = &refusal{http.StatusNotFound, "Not Found"}

// A kind of column decides which operators a filter takes.
type kind int

const (
	datetimeColumn kind = iota + 1
	dateColumn
	numberColumn
	textColumn
	boolColumn
	arrayColumn
)

// kindNames are the kinds as the files of the editions call them.
var kindNames = map[string]kind{
	"time": datetimeColumn, "date": dateColumn, "number": numberColumn, "text": textColumn, "bool": boolColumn,
	"array": arrayColumn,
}

// operators of each kind. The longer come first, where one begins another. Sources: the vendor's API docs of 2017 to
// 2022, section "Filtering results", and the description of August 2025, which added ? (is set), !? (is null), the * of
// a datetime, the boolean and the array; read 2026-11.
var operators = map[Edition]map[kind][]string{
	Edition2017: {
		datetimeColumn: {">=", ">", "<=", "<"},
		dateColumn:     {">=", ">", "<=", "<", "="},
		numberColumn:   {"!=", ">=", ">", "<=", "<", "="},
		textColumn:     {"!=", "~~", "~", "="},
	},
	Edition2025: {
		datetimeColumn: {">=", ">", "<=", "<", "?", "!?", "*"},
		dateColumn:     {">=", ">", "<=", "<", "=", "?", "!?"},
		numberColumn:   {"!=", ">=", ">", "<=", "<", "=", "?", "!?"},
		textColumn:     {"!=", "~~", "~", "=", "?", "!?"},
		boolColumn:     {"!=", "="},
		arrayColumn:    {"~"},
	},
}

// everywhere are the filters of every list.
var everywhere = map[string]kind{"id": numberColumn, "created_at": datetimeColumn, "updated_at": datetimeColumn}

// A filter is one condition of a query. All conditions of a query must hold.
type filter struct {
	column, op string
	bound      int64 // of a datetime, a Unix second
	match      func(value) bool
	contains   string // of an array
}

func (f filter) holds(r *row) bool {
	if f.contains != "" {
		return r.now().lists(f.column, f.contains)
	}
	return f.match(r.value(f.column))
}

// lists says whether an array has an element, spelled as a number or as a string.
func (v *version) lists(name, element string) bool {
	var elements []json.RawMessage
	if f := v.field(name); f != nil {
		_ = json.Unmarshal(f.value, &elements) // anything else has no elements
	}
	return slices.ContainsFunc(elements, func(e json.RawMessage) bool { return strings.Trim(string(e), `"`) == element })
}

// notFilterable is how each edition refuses a column.
func notFilterable(res *resource, column string) error {
	if res.edition == Edition2017 {
		return badRequest("This column is not searchable.")
	}
	return badRequest(column + " is not filterable")
}

// parseFilter reads one q: "updated_at:>=2027-03-27T10:03:57Z".
func parseFilter(res *resource, q string) (filter, error) {
	column, condition, ok := strings.Cut(q, ":")
	k := res.filterKind(column)
	if !ok || k == 0 {
		return filter{}, notFilterable(res, column)
	}
	ops := operators[res.edition][k]
	i := slices.IndexFunc(ops, func(op string) bool {
		if strings.ContainsAny(op, "?*") {
			return condition == op
		}
		return strings.HasPrefix(condition, op)
	})
	if i < 0 {
		return filter{}, badRequest("This operator is not supported for " + column + ".")
	}
	f := filter{column: column, op: ops[i]}
	operand := condition[len(f.op):]
	switch f.op {
	case "*":
		f.match = func(value) bool { return true }
		return f, nil
	case "?":
		f.match = func(v value) bool { return !v.null }
		return f, nil
	case "!?":
		f.match = func(v value) bool { return v.null }
		return f, nil
	}
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
	case boolColumn:
		err = f.againstBool(operand)
	case arrayColumn:
		if f.contains = operand; operand == "" {
			err = badRequest("Invalid value for " + column + ".")
		}
	}
	return f, err
}

// againstBool takes true and false. Null is neither.
func (f *filter) againstBool(operand string) error {
	if operand != "true" && operand != "false" {
		return badRequest("Invalid boolean for " + f.column + ".")
	}
	want := int64(bit(operand == "true"))
	op := f.op
	f.match = func(v value) bool { return !v.null && !v.isText && compares(cmp.Compare(v.num, want), op) }
	return nil
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
