package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A release is the configuration of goreleaser, as far as ours goes. `goreleaser check` knows all of it, and takes minutes to install.
type release struct {
	Version     int
	ProjectName string `yaml:"project_name"`
	Before      struct{ Hooks []string }
	Builds      []struct {
		Main                              string
		Env, Flags, Ldflags, Goos, Goarch []string
		ModTimestamp                      string `yaml:"mod_timestamp"`
	}
	Archives []struct {
		NameTemplate    string `yaml:"name_template"`
		Formats         []string
		FormatOverrides []struct {
			Goos    string
			Formats []string
		} `yaml:"format_overrides"`
		Files      []archived
		BuildsInfo struct{ Mtime string } `yaml:"builds_info"`
	}
	Checksum struct {
		NameTemplate string `yaml:"name_template"`
		Algorithm    string
	}
	Sboms     []struct{ Artifacts string }
	Changelog struct{ Use, Sort string }
	Release   struct{ Draft bool }
}

// archived is a file, or files that go elsewhere.
type archived struct{ Src, Dst string }

// UnmarshalYAML reads both spellings.
func (a *archived) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		a.Src = n.Value
		return nil
	}
	type plain archived
	return n.Decode((*plain)(a))
}

func strictYAML(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// What is released is built as the image is, and what goes along with it is there.
func TestAReleaseIsBuiltAsTheImageIs(t *testing.T) {
	var r release
	strictYAML(t, "../.goreleaser.yaml", &r)
	list, err := containerfile()
	if err != nil {
		t.Fatal(err)
	}
	image, err := only(list, "RUN", "go build")
	if err != nil {
		t.Fatal(err)
	}
	b := r.Builds[0]
	flags := strings.Join(b.Flags, " ") + ` -ldflags "` + strings.ReplaceAll(b.Ldflags[0], "v{{ .Version }}", "$VERSION") + `"`
	if !strings.Contains(image, flags) || !strings.HasPrefix(image, b.Env[0]+" ") || !strings.HasSuffix(image, b.Main) {
		t.Errorf("a release is built with %s %s %s, and the image with\n%s", b.Env[0], flags, b.Main, image)
	}
	program, err := imageBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if !strings.Contains(r.Before.Hooks[1], shell) {
			t.Errorf("no completion is made for %s", shell)
		}
		if out, err := exec.CommandContext(t.Context(), program, "completion", shell).Output(); err != nil || len(out) < 500 {
			t.Errorf("completion %s: %v: %d bytes", shell, err, len(out))
		}
	}
	for _, f := range r.Archives[0].Files {
		if strings.HasPrefix(f.Src, ".completions/") {
			continue // the hooks make them
		}
		if _, err := os.Stat(filepath.Join("..", f.Src)); err != nil {
			t.Error(err)
		}
	}
	if len(r.Sboms) == 0 || r.Checksum.Algorithm != "sha256" || b.ModTimestamp == "" {
		t.Error("checksums, contents or times are missing")
	}
}

// A workflow is one of .github/workflows, as far as ours go.
type workflow struct {
	Name        string
	On          map[string]any
	Permissions map[string]string
	Concurrency any
	Jobs        map[string]struct {
		RunsOn         string `yaml:"runs-on"`
		TimeoutMinutes int    `yaml:"timeout-minutes"`
		Permissions    map[string]string
		Steps          []struct {
			ID, Name, Uses, Run string
			With                map[string]any
			Env                 map[string]string
		}
	}
}

// The workflows run .ci/run and what a tag is for, with actions of one version each, and may write only where they say why.
func TestTheWorkflowsMayDoLittle(t *testing.T) {
	pinned := regexp.MustCompile(`^[-\w]+/[-\w/]+@v\d+\.\d+\.\d+$`)
	runs := ""
	files, err := filepath.Glob("../.github/workflows/*.yaml")
	if err != nil || len(files) != 2 {
		t.Fatalf("got the workflows %v, %v", files, err)
	}
	for _, file := range files {
		var w workflow
		strictYAML(t, file, &w)
		if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
			t.Errorf("%s: permissions %v, want contents: read; a job asks for more", file, w.Permissions)
		}
		for name, job := range w.Jobs {
			if job.TimeoutMinutes == 0 {
				t.Errorf("%s: %s may run for ever", file, name)
			}
			for _, step := range job.Steps {
				runs += step.Run + "\n"
				if step.Uses != "" && !pinned.MatchString(step.Uses) {
					t.Errorf("%s: %s has no whole version", file, step.Uses)
				}
				if strings.Contains(step.Run, "${{") {
					t.Errorf("%s: %q takes text of others into a shell; pass it by env", file, step.Run)
				}
			}
		}
	}
	if !strings.Contains(runs, ".ci/run\n") {
		t.Error("no workflow runs .ci/run")
	}
}
