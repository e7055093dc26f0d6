package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// largestFile is the size of the largest file that is read, be it a configuration, a secret or a certificate.
const largestFile = 1 << 20

// Load reads the configuration in the file at path or, if path is "", that of a single account from the environment;
// FromEnvironment names its variables. Every error is a Faults.
func Load(path string, getenv func(string) string) (*Config, error) {
	if path == "" {
		return fromEnvironment(getenv)
	}
	data, err := readFile(path)
	if err != nil {
		return nil, Faults{{File: path, Text: err.Error()}}
	}
	return parse(path, data, getenv, readFile)
}

// parse reads the configuration in data. file is its name, for faults and for what is relative to it; open reads the
// files that data names.
func parse(file string, data []byte, getenv func(string) string, open func(string) ([]byte, error)) (*Config, error) {
	root, fault := document(data)
	if fault != nil {
		fault.File = file
		return nil, Faults{*fault}
	}
	r := &reader{file: file, dir: filepath.Dir(file), getenv: getenv, open: open, lines: map[string]int{}}
	c := defaults()
	c.file, c.lines = file, r.lines
	r.config(c, root)
	if len(r.faults) > 0 {
		return nil, r.faults.sorted().scrub(r.secrets)
	}
	return c, nil
}

// document returns the one YAML document in data.
func document(data []byte) (*yaml.Node, *Fault) {
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return nil, &Fault{Line: 1, Text: "begins with a byte order mark; save it as UTF-8 without one"}
	}
	if !utf8.Valid(data) {
		return nil, &Fault{Line: 1 + bytes.Count(data[:invalidUTF8(data)], []byte("\n")), Text: "is not UTF-8; save it as UTF-8"}
	}
	root, rest, err := decode(data)
	if err != nil {
		return nil, syntaxFault(data, err)
	}
	if root == nil {
		return nil, &Fault{Text: "is empty; write accounts at least: a list with api_key and user_agent"}
	}
	if rest > 0 {
		return nil, &Fault{Line: rest, Text: "a second YAML document begins; a configuration is one: take the line --- out"}
	}
	return root, nil
}

// decode returns what data's first document holds, nil if there is none, and the line of its second, 0 if there is
// none.
func decode(data []byte) (root *yaml.Node, second int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("it cannot be read") // the parser has cases that it calls internal errors
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, 0, nil
		}
		return nil, 0, err
	}
	switch err := d.Decode(&next); {
	case err == nil:
		second = next.Line
	case !errors.Is(err, io.EOF):
		return nil, 0, err
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
		return nil, second, nil
	}
	return doc.Content[0], second, nil
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(data)
}

// syntaxFault says where data stops being YAML and, for the usual mistakes, what to write.
//
// The parser's own line is not used: it is that of the surrounding section, or missing. The fault is in the first
// line that cannot be added to the lines before.
func syntaxFault(data []byte, err error) *Fault {
	lines := bytes.SplitAfter(data, []byte("\n"))
	n := sort.Search(len(lines), func(i int) bool {
		_, _, err := decode(bytes.Join(lines[:i+1], nil))
		return err != nil
	})
	if n == len(lines) {
		return &Fault{Text: "is not YAML; is it the right file?"}
	}
	text := strings.TrimRight(string(lines[n]), "\r\n")
	indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
	fault := &Fault{Line: n + 1}
	switch {
	case strings.Contains(indent, "\t"):
		fault.Text = "a tab in the indentation; YAML is indented by spaces"
	case strings.Contains(err.Error(), "unknown anchor"):
		fault.Text = "an alias names an anchor that is not there; quote a value that begins with *"
	case strings.Contains(text, ": @"):
		fault.Text = `is not YAML; quote a value that begins with @: "@every 30s"`
	case strings.Contains(text, "${"):
		fault.Text = `is not YAML; quote ${NAME} between { and }: "${NAME}"`
	default:
		fault.Text = "is not YAML; look for a missing quote, bracket, colon or space, here or just above"
	}
	return fault
}

// readFile reads a regular file of at most largestFile bytes. Its errors do not name the file: somebody may have put a
// secret in the place of a path.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("no such file; look at its name and its folder")
	case err != nil:
		return nil, cause(err)
	case info.IsDir():
		return nil, errors.New("it is a folder; name the file in it")
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file; give one that is") // a pipe could keep us waiting for ever
	case info.Size() > largestFile:
		return nil, errors.New("larger than 1 MiB; is it the right file?")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, largestFile))
	if err != nil {
		return nil, cause(err)
	}
	return data, nil
}

// cause is err without the path.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
