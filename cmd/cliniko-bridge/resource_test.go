package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A new resource is one paragraph of the catalogue and one example, and nothing else: with those of an invented one laid
// over the tree, and what `go generate` makes of them, the tests of the catalogue hold for it too, its records decode
// into a type of their own, and a bridge tells what happens to them in a pretended clinic: created, updated, archived,
// restored, deleted.
func TestANewResourceIsAParagraphAndAnExample(t *testing.T) {
	if testing.Short() {
		t.Skip("builds most of the module once more")
	}
	t.Parallel() // with the days, which wait most of the time
	tree := newOverlay(t)
	catalogue, paragraph := tree.read("schemas/catalogue.txt"), readFile(t, "testdata/resource/paragraph.txt")
	tree.lay("schemas/catalogue.txt", append(append(catalogue, '\n'), paragraph...))
	tree.lay("schemas/examples/2025/waiting_list_entries.json", readFile(t, "testdata/resource/example.json"))
	tree.generate()
	tree.lay("schemas/invented_test.go", readFile(t, "testdata/resource/decode_test.go.txt"))

	tree.goes("test", "-vet=off", "./schemas", "./poller/clinikotest")
	out := tree.goes("test", "-vet=off", "./cmd/cliniko-bridge/internal/bridge", "-v", "-run", "^TestEveryCollectionAndEveryState$",
		"-only", "waiting_list_entries")
	if strings.Contains(out, "--- SKIP") {
		t.Skip("there is no redis-server")
	}
}

// An overlay is the tree with some files laid over it, as the go command's -overlay has it.
type overlay struct {
	t    *testing.T
	root string            // of the module
	dir  string            // where the files lie
	laid map[string]string // by what they replace
}

func newOverlay(t *testing.T) *overlay {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return &overlay{t: t, root: root, dir: t.TempDir(), laid: map[string]string{}}
}

func (o *overlay) read(name string) []byte { return readFile(o.t, filepath.Join(o.root, name)) }

func (o *overlay) lay(name string, text []byte) {
	o.t.Helper()
	path := filepath.Join(o.dir, strings.ReplaceAll(name, "/", "-"))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.laid[filepath.Join(o.root, name)] = path
}

// generate does what `go generate ./schemas` does, and lays over what is not in the tree: the types, and one schema.
func (o *overlay) generate() {
	o.t.Helper()
	made := o.t.TempDir()
	if err := os.Mkdir(filepath.Join(made, "json"), 0o755); err != nil {
		o.t.Fatal(err)
	}
	o.goes("run", "./schemas/internal/generate", made)
	before := len(o.laid)
	for _, pattern := range []string{"*.go", "json/*.json"} {
		files, err := filepath.Glob(filepath.Join(made, pattern))
		if err != nil {
			o.t.Fatal(err)
		}
		for _, path := range files {
			name := filepath.Join("schemas", strings.TrimPrefix(path, made))
			text := readFile(o.t, path)
			if old, err := os.ReadFile(filepath.Join(o.root, name)); err != nil || !bytes.Equal(old, text) {
				o.lay(name, text)
			}
		}
	}
	if got := len(o.laid) - before; got != 2 {
		o.t.Errorf("%d generated files differ, want the types and one schema", got)
	}
}

// goes runs the go command on the tree as it is laid out, and returns what it prints.
func (o *overlay) goes(command string, args ...string) string {
	o.t.Helper()
	text, err := json.Marshal(map[string]any{"Replace": o.laid})
	if err != nil {
		o.t.Fatal(err)
	}
	path := filepath.Join(o.dir, "overlay.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		o.t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), "go", append([]string{command, "-overlay", path}, args...)...)
	cmd.Dir = o.root
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Fatalf("go %s %s: %v\n%s", command, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}
