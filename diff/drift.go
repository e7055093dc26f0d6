package diff

import (
	"bytes"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

// The API drifts from what is documented of it: fields come and go without notice or version, and nulls, numbers and
// strings change places. No event waits for any of it. An operator is told once which field it is, by its name alone.

// A fieldChange is one way in which a field is not as it is documented.
type fieldChange string

const (
	appeared fieldChange = "appeared" // the API has it, the documentation has not
	vanished fieldChange = "vanished" // the documentation has it, a record has not
	retyped  fieldChange = "retyped"  // its value is of another JSON type than the documented one, and not null
)

// A drift remembers what was told, by all accounts and for the life of the process. It is safe for concurrent use.
type drift struct {
	changes *prometheus.CounterVec

	mu    sync.Mutex // guards known
	known map[drifted]bool
}

type drifted struct {
	resource schemas.Resource
	field    string
	change   fieldChange
}

// maxDrift bounds what an API with ever new fields can make us remember and log.
const maxDrift = 1000

// tell counts a change, and logs it, if it was not met before.
func (d *drift) tell(log *zap.Logger, account string, resource schemas.Resource, field string, change fieldChange) {
	d.mu.Lock()
	defer d.mu.Unlock()
	what := drifted{resource, field, change}
	if d.known[what] || len(d.known) >= maxDrift {
		return
	}
	if d.known == nil {
		d.known = make(map[drifted]bool)
	}
	d.known[what] = true
	d.changes.WithLabelValues(string(resource), string(change)).Inc()
	level := zap.WarnLevel
	if change == appeared {
		level = zap.InfoLevel // it disturbs nobody
	}
	log.Log(level, "a field of the API is not as documented", zap.String("account", account),
		zap.String("resource", string(resource)), zap.String("field", plainName(field)), zap.String("change", string(change)))
}

// maxName is more than any field's name has.
const maxName = 64

// plainName is name as a log can show it: what is long or odd may be no name at all, but somebody's data in its place.
func plainName(name string) string {
	if len(name) > maxName {
		return strconv.QuoteToASCII(name[:maxName]) + "..."
	}
	for _, c := range []byte(name) {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return strconv.QuoteToASCII(name)
		}
	}
	return name
}

// A typeSet is a set of JSON types, as JSON Schema counts them: a whole number is an integer and a number.
type typeSet uint8

const (
	nullType typeSet = 1 << iota
	booleanType
	integerType
	numberType
	stringType
	arrayType
	objectType

	anyType typeSet = 1<<iota - 1
)

var typeNames = map[string]typeSet{
	"boolean": booleanType, "integer": integerType, "number": numberType, "string": stringType,
	"array": arrayType, "object": objectType,
}

// documentedTypes are the types that each documented field of spec may have.
func documentedTypes(spec *schemas.Spec) map[string]typeSet {
	types := make(map[string]typeSet, len(spec.Fields))
	for _, name := range spec.Fields {
		types[name] = anyType // unless the catalogue knows better
	}
	for _, f := range schemas.DocumentedFields(spec.Edition, spec.Resource) {
		set := nullType
		for _, name := range f.Type.JSONTypes() {
			set |= typeNames[name]
		}
		types[f.Name] = set
	}
	return types
}

// canonicalTypes are the types by the first byte of a canonical form. A number may be an integer; see fraction.
var canonicalTypes = [256]typeSet{
	'z': nullType, 't': booleanType, 'f': booleanType, 'n': numberType, 's': stringType, '[': arrayType, '{': objectType,
}

// fraction tells whether a number is no whole one. Its canonical form has no zeros at the end, so that only a fraction
// has a negative exponent.
func fraction(canonical []byte) bool {
	e := bytes.LastIndexByte(canonical, 'e')
	return e >= 0 && canonical[e+1] == '-'
}
