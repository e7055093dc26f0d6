package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// A sample is one block of the README: fenced, or indented by four spaces.
type sample struct {
	line     int    // of its first line
	language string // of a fence; "" if it is indented
	text     string // without the fence, or the indentation
}

// readmeBlocks says what holds a block that its fence or its first word does not tell (see checkOf), by how it begins.
var readmeBlocks = map[string]func(*testing.T, sample){
	"2027-03-27 10:03:57Z  updated": checkTerminal,
	"nats:":                         checkConfigPart,
}

const howToRegister = `no test knows this block. If it is shell, begin each line with a word of shellWords (readme_shell_test.go), or add
the word there with what holds such a line. If it is something else, fence it as yaml, json or go, or add a line to readmeBlocks
(readme_test.go) that names how the block begins, with one of the checks of readme_samples_test.go or one of your own. A
command that cannot run in the session of TestTheSessionOfTheREADME stands in readmeParsedOnly (readme_shell_test.go)`

// Every block of the README is held by a test: shell is parsed against the command's own flags (and run, see
// TestTheSessionOfTheREADME), a configuration is loaded, an event read, a program run.
func TestEveryBlockOfTheREADMEIsTrue(t *testing.T) {
	known := map[string]bool{}
	for _, s := range readme(t) {
		first, _, _ := strings.Cut(s.text, "\n")
		t.Run(first, func(t *testing.T) {
			check, begins := checkOf(s)
			known[begins] = true
			if check == nil {
				t.Fatalf("README.md:%d: %s", s.line, howToRegister)
			}
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("it is the block at README.md:%d", s.line)
				}
			})
			check(t, s)
		})
	}
	for begins := range readmeBlocks {
		if !known[begins] {
			t.Errorf("no block of the README begins with %q any more: take it out of readmeBlocks", begins)
		}
	}
}

// checkOf is what holds a block, nil if nothing does. begins is its entry in readmeBlocks, "" if it needs none.
func checkOf(s sample) (check func(*testing.T, sample), begins string) {
	for begins, check := range readmeBlocks {
		if strings.HasPrefix(s.text, begins) {
			return check, begins
		}
	}
	switch s.language {
	case "yaml":
		return checkConfig, ""
	case "json":
		return checkEvent, ""
	case "go":
		return checkProgram, ""
	case "", "sh", "console":
		if isShell(s) {
			return checkShell, ""
		}
	}
	return nil, ""
}

var inlineCommand = regexp.MustCompile("`(cliniko-bridge [^`]+)`")

// The commands that stand in a line of text are right, too.
func TestTheCommandsInTheREADMEsTextAreRight(t *testing.T) {
	text := readFile(t, "../../README.md")
	found := inlineCommand.FindAllStringSubmatch(string(text), -1)
	if len(found) == 0 {
		t.Error("there are none: is the pattern right?")
	}
	for _, m := range found {
		checkCommand(t, m[1])
	}
}

// A block that no test knows does not pass.
func TestABlockThatIsNotKnownIsFound(t *testing.T) {
	for _, s := range []sample{{text: "make install\n"}, {language: "toml", text: "a = 1\n"}, {text: "export A=1\nrm -r /\n"}} {
		if check, _ := checkOf(s); check != nil {
			t.Errorf("%q is held by something", s.text)
		}
	}
	text := "One:\n\n    go test ./...\n\n    go vet ./...\n\n- A list\n    goes on\n\n```yaml\na: 1\n\nb: 2\n```\n"
	want := []sample{{3, "", "go test ./...\n\ngo vet ./...\n"}, {11, "yaml", "a: 1\n\nb: 2\n"}}
	got := samplesOf(text)
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func readme(t *testing.T) []sample {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return samplesOf(string(text))
}

// samplesOf finds the blocks of a page of Markdown. An indented one stands behind an empty line.
func samplesOf(text string) (all []sample) {
	fenced, indented := false, false
	before := ""
	for i, line := range strings.Split(text, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		code, isIndented := strings.CutPrefix(line, "    ")
		switch {
		case isFence && !fenced:
			fenced = true
			all = append(all, sample{line: i + 2, language: fence})
		case isFence:
			fenced = false
		case fenced:
			all[len(all)-1].text += line + "\n"
		case isIndented && indented:
			all[len(all)-1].text += code + "\n"
		case isIndented && before == "":
			indented = true
			all = append(all, sample{line: i + 1, text: code + "\n"})
		case line == "" && indented:
			all[len(all)-1].text += "\n" // unless it ends here
		default:
			indented = false
		}
		before = line
	}
	for i := range all {
		all[i].text = strings.TrimRight(all[i].text, "\n") + "\n"
	}
	return all
}
