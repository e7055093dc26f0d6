package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the page of operations tells to type is there: commands and flags of the program, and the files that it links to.
func TestWhatThePageOfOperationsSaysIsThere(t *testing.T) {
	program, err := imageBinary()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile("(?m)(?:^    |`)cliniko-bridge ([a-z]+)([^`\n]*)").FindAllStringSubmatch(string(page), -1)
	if len(commands) < 8 {
		t.Errorf("the page has %d commands", len(commands))
	}
	for _, c := range commands {
		out, err := exec.CommandContext(t.Context(), program, c[1], "--help").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "\n  cliniko-bridge "+c[1]) {
			t.Errorf("%s: there is no such command: %v", c[0], err)
		}
		for _, flag := range regexp.MustCompile(`--[a-z]+`).FindAllString(c[2], -1) {
			if !strings.Contains(string(out), flag) {
				t.Errorf("%s: the command has no flag %s", c[0], flag)
			}
		}
	}
	values, err := os.ReadFile("chart/ci/servers.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range regexp.MustCompile(`_file: (\w+)`).FindAllStringSubmatch(string(values)+"token_file: admin_token", -1) {
		if !regexp.MustCompile(`--from-(file|literal)=` + file[1] + `\b`).Match(page) {
			t.Errorf("chart/ci/servers.yaml reads %s of the Secret, which the page does not put there", file[1])
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#]+)\)`).FindAllStringSubmatch(string(page), -1) {
		if _, err := os.Stat(filepath.FromSlash(link[1])); err != nil {
			t.Error(err)
		}
	}
	for _, anchor := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(string(page), -1) {
		heading := "\n## " + strings.ReplaceAll(anchor[1], "-", " ") + "\n"
		if !strings.Contains(strings.ToLower(string(page)), heading) {
			t.Errorf("there is no section %s", anchor[1])
		}
	}
}
