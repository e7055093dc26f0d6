package config

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A reader walks one configuration. It collects faults and goes on.
type reader struct {
	file, dir string
	getenv    func(string) string
	open      func(string) ([]byte, error)
	lines     map[string]int // the line of each path that was given
	secrets   []string       // what no fault may show
	faults    Faults
	visits    int // nodes read, aliases counted each time
}

// A value is the text of one scalar on its way to a field.
type value struct {
	text   string
	line   int
	path   string
	hidden bool // no fault may quote it
}

// A key is one key of a section and what to do with it: exactly one of scalar and node is set.
type key struct {
	name   string
	scalar func(value)
	node   func(n *yaml.Node, path string)
	secret bool    // the scalar is never shown, and may be in a file instead: name_file
	source *string // for a secret: where the path goes of the file that it came from; nil: nobody wants it
	// holds makes the scalar the path of a file, and says what is wrong with its content: "it holds no …", "" if it is
	// as it should be.
	holds func(content []byte) string
}

// mostVisits bounds the work: aliases of aliases can make a small file a large one.
const mostVisits = 100_000

func (r *reader) fault(line int, path, text string) {
	r.faults = append(r.faults, Fault{File: r.file, Line: line, Path: path, Text: text})
}

// given says whether the file has the path.
func (r *reader) given(path string) bool { return r.lines[path] > 0 }

// spend counts n more nodes and says whether they may be read. The first time that they may not is a fault.
func (r *reader) spend(n, line int) bool {
	if r.visits <= mostVisits && r.visits+n > mostVisits {
		r.fault(line, "", "too many values; write them out in place of aliases of aliases")
	}
	r.visits += n
	return r.visits <= mostVisits
}

// resolve follows n's alias. It returns nil once too much was read.
func (r *reader) resolve(n *yaml.Node) *yaml.Node {
	if !r.spend(1, n.Line) {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias // never an alias itself
	}
	return n
}

// section reads the mapping n by keys. A section that is there and empty, all its keys being comments, is none.
func (r *reader) section(n *yaml.Node, path string, keys ...key) {
	var known []string
	for _, k := range keys {
		known = append(known, k.name)
		if k.secret {
			known = append(known, k.name+"_file")
		}
	}
	read := map[string]bool{} // paths so far
	for _, e := range r.entries(n, path, "write its keys below, indented: "+strings.Join(known, ", ")) {
		k, fromFile := find(keys, e.name)
		if k == nil {
			r.fault(e.line, e.path, "unknown key; "+suggest(e.name, known))
			continue
		}
		if k.secret {
			r.keep(written(e.node)) // also if it is never used
		}
		if other := sibling(*k, e.path, fromFile); read[other] {
			r.fault(e.line, e.path, "is given beside "+other+"; keep one of them")
			continue
		}
		read[e.path] = true
		switch {
		case k.node != nil:
			k.node(e.node, e.path)
		case fromFile:
			r.secretFile(*k, e)
		default:
			if v, ok := r.scalar(e.node, e.path, k.secret); ok {
				r.finish(*k, v)
			}
		}
	}
}

func find(keys []key, name string) (k *key, fromFile bool) {
	base, isFile := strings.CutSuffix(name, "_file")
	for i := range keys {
		if keys[i].name == name {
			return &keys[i], false
		}
		if isFile && keys[i].secret && keys[i].name == base {
			return &keys[i], true
		}
	}
	return nil, false
}

// written is the text of n as it is in the file.
func written(n *yaml.Node) string {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n.Value
}

// sibling is the path of the other way to give the secret k, "" if k is no secret.
func sibling(k key, path string, fromFile bool) string {
	switch {
	case !k.secret:
		return ""
	case fromFile:
		return strings.TrimSuffix(path, "_file")
	default:
		return path + "_file"
	}
}

// keep notes a secret that no fault may show.
func (r *reader) keep(text string) { r.secrets = append(append(r.secrets, text), passwords(text)...) }

// finish hands v to its field.
func (r *reader) finish(k key, v value) {
	if k.secret {
		r.keep(v.text)
	}
	if k.holds != nil {
		v.text = r.absolute(v.text)
		content, err := r.open(v.text)
		if err != nil {
			r.fault(v.line, v.path, "the file cannot be read: "+err.Error())
			return
		}
		if wrong := k.holds(content); wrong != "" {
			r.fault(v.line, v.path, wrong)
			return
		}
	}
	k.scalar(v)
}

// secretFile reads the secret k from the file that e names. One line end behind the secret does not belong to it.
func (r *reader) secretFile(k key, e entry) {
	v, ok := r.scalar(e.node, e.path, true)
	if !ok {
		return
	}
	file := r.absolute(v.text)
	data, err := r.open(file)
	if err != nil {
		r.fault(v.line, v.path, "the file cannot be read: "+err.Error())
		return
	}
	text := content(data)
	if text == "" {
		r.fault(v.line, v.path, "the file is empty; write the secret into it")
		return
	}
	if k.source != nil {
		*k.source = file
	}
	r.finish(k, value{text: text, line: v.line, path: v.path, hidden: true})
}

// content is the secret in a file that holds data.
func content(data []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
}

// absolute is path seen from the configuration's folder.
func (r *reader) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

// scalar returns the expanded text of n.
func (r *reader) scalar(n *yaml.Node, path string, secret bool) (value, bool) {
	line := n.Line
	n = r.resolve(n)
	switch {
	case n == nil:
		return value{}, false
	case n.Kind != yaml.ScalarNode:
		r.fault(line, path, "is a list or a section; write one value")
		return value{}, false
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.fault(line, path, "has a YAML tag; write the value alone, "+`in quotes if it begins with "!"`)
		return value{}, false
	}
	text, fromEnv, err := expand(n.Value, r.getenv)
	switch {
	case err != nil:
		r.fault(line, path, err.Error())
		return value{}, false
	case n.Tag == "!!null" || text == "":
		r.fault(line, path, "has no value; write one, or leave the key out")
		return value{}, false
	}
	return value{text: text, line: line, path: path, hidden: secret || fromEnv}, true
}

// list calls each with every item of the list n, until too much was read, and says whether n is a list without items.
func (r *reader) list(n *yaml.Node, path string, each func(n *yaml.Node, path string)) (empty bool) {
	line := n.Line
	if n = r.resolve(n); n == nil {
		return false
	}
	if n.Kind != yaml.SequenceNode {
		r.fault(line, path, `must be a list: one item a line, each behind "- "`)
		return false
	}
	for i, item := range n.Content {
		if r.visits > mostVisits {
			return false
		}
		each(item, path+"["+strconv.Itoa(i)+"]")
	}
	return len(n.Content) == 0
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// join is the path of key below path. A key that is not plain, or as long as a secret, is not shown.
func join(path, key string) string {
	if !plainKey.MatchString(key) || len(key) > longestShown {
		key = "(a key)"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// set returns what reads a value into dst. parse says in its error what is wrong with a text, the
// text left out: "is not a whole number, 1 to 200".
func set[T any](r *reader, dst *T, parse func(string) (T, error)) func(value) {
	return func(v value) {
		got, err := parse(v.text)
		if err != nil {
			r.fault(v.line, v.path, quote(v)+" "+err.Error())
			return
		}
		*dst = got
	}
}

// longestShown is the length of the longest word that a fault quotes. API keys are longer.
const longestShown = 32

// quote names v in a fault: by its text, or as "the value" if that may be a secret.
func quote(v value) string {
	long := len(v.text) > 2*longestShown
	for word := range strings.FieldsSeq(v.text) {
		long = long || len(word) > longestShown
	}
	if v.hidden || long {
		return "the value"
	}
	return strconv.Quote(v.text)
}
