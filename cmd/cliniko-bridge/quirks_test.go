package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// knownQuirks is how many there were when the table was written. There may be more since.
const knownQuirks = 53

// repository is the way from this package to the root.
const repository = "../.."

// Every quirk of the API that the pretended clinic knows stands in the table of ARCHITECTURE.md, with tests of the bridge that
// are there, or with why there is nothing to test.
func TestEveryQuirkOfTheAPIIsSurvived(t *testing.T) {
	rows := quirkTable(t)
	tests := testsOfTheBridge(t)
	for n := 1; n <= max(knownQuirks, quirksOfTheClinic(t), len(rows)); n++ {
		keeps, ok := rows[n]
		if !ok {
			t.Errorf("%d: not in the table", n)
			continue
		}
		names := regexp.MustCompile("`(Test[^`]*)`").FindAllStringSubmatch(keeps, -1)
		if len(names) == 0 && !strings.HasPrefix(keeps, "nothing to survive: ") {
			t.Errorf("%d: neither a test nor a reason: %s", n, keeps)
		}
		for _, name := range names {
			if !tests.have(name[1]) {
				t.Errorf("%d: there is no %s", n, name[1])
			}
		}
	}
}

// quirkTable is what keeps us from each quirk, by its number.
func quirkTable(t *testing.T) map[int]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## What the API does, and what keeps us from it\n")
	if !ok {
		t.Fatal("ARCHITECTURE.md has no such section")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := make(map[int]string)
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| [^|]+ \| ([^|]+) \|$`).FindAllStringSubmatch(section, -1) {
		n, err := strconv.Atoi(row[1])
		if _, twice := rows[n]; err != nil || twice {
			t.Errorf("the number %s stands twice, or is none", row[1])
		}
		rows[n] = row[2]
	}
	return rows
}

// testIndex holds the texts in the body of each test: the names of its subtests are among them.
type testIndex map[string][]string

// have says whether there is a test "TestName", or a subtest "TestName/its name as it is written".
func (x testIndex) have(name string) bool {
	test, sub, nested := strings.Cut(name, "/")
	texts, ok := x[test]
	return ok && (!nested || slices.Contains(texts, sub))
}

// testsOfTheBridge are all tests of this repository but those of the pretended clinic, which show the quirks.
func testsOfTheBridge(t *testing.T) testIndex {
	t.Helper()
	index := make(testIndex)
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "clinikotest" || entry.Name() == ".git"):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				index[f.Name.Name] = append(index[f.Name.Name], textsIn(f)...)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func textsIn(f *ast.FuncDecl) []string {
	var texts []string
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts
}

// quirksOfTheClinic is how many quirks the pretended clinic's own table has.
func quirksOfTheClinic(t *testing.T) int {
	t.Helper()
	path := filepath.Join(repository, "poller", "clinikotest", "quirks_test.go")
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if ok && spec.Names[0].Name == "quirks" {
			n = len(spec.Values[0].(*ast.CompositeLit).Elts)
		}
		return true
	})
	if n == 0 {
		t.Fatal("the clinic's table is not found")
	}
	return n
}
