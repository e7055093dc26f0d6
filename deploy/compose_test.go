package deploy_test

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A composition is a compose file, as far as ours goes: a key that is not here is a mistake, or needs a look.
type composition struct {
	Name     string
	Services map[string]service
	Volumes  map[string]any
	Secrets  map[string]struct{ File string }

	Hardened any `yaml:"x-hardened"`
	Bridge   any `yaml:"x-bridge"`
	Run      any `yaml:"x-run"`
}

type service struct {
	Image string
	Build struct {
		Context, Dockerfile string
		Args                map[string]string
	}
	Profiles        []string
	Command         []string
	User            string
	Environment     map[string]string
	Secrets         []composeSecret
	Volumes         []string
	Tmpfs           []string
	Ports           []string
	NetworkMode     string `yaml:"network_mode"`
	Networks        map[string]struct{ Aliases []string }
	DependsOn       map[string]struct{ Condition string } `yaml:"depends_on"`
	Restart         string
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
	Logging         struct {
		Driver  string
		Options map[string]string
	}
	Healthcheck struct {
		Test              []string
		Interval, Timeout string
		StartPeriod       string `yaml:"start_period"`
		Disable           bool
	}
}

// A composeSecret is a name, or a name with the place where the file is to be.
type composeSecret struct{ Source, Target string }

// UnmarshalYAML reads both spellings.
func (s *composeSecret) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		s.Source, s.Target = n.Value, "/run/secrets/"+n.Value
		return nil
	}
	type plain composeSecret
	return n.Decode((*plain)(s))
}

func readComposition(t *testing.T) composition {
	t.Helper()
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c composition
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

// makeSecrets runs secrets.sh, and puts an API key beside what it makes.
func makeSecrets(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "secrets")
	for range 2 { // the second time it keeps what is there
		if out, err := exec.CommandContext(t.Context(), "./secrets.sh", dir).CombinedOutput(); err != nil {
			t.Fatalf("secrets.sh: %v\n%s", err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "api_key"), []byte("MS0xLXBlcnNvbg-au1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// All that compose.yaml names is there: files, volumes, secrets, services; and every image has a version.
func TestWhatTheCompositionNamesIsThere(t *testing.T) {
	c, made := readComposition(t), makeSecrets(t)
	used := map[string]bool{}
	for name, s := range c.Services {
		if !regexp.MustCompile(`:(v?\d+\.\d+\.\d+(-[a-z]+)?|\$\{CLINIKO_BRIDGE_VERSION:-dev\})$`).MatchString(s.Image) {
			t.Errorf("%s: %s has no version", name, s.Image)
		}
		for other := range s.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s depends on %s, which is no service", name, other)
			}
		}
		if other, ok := strings.CutPrefix(s.NetworkMode, "service:"); ok && c.Services[other].Image == "" {
			t.Errorf("%s: network_mode: there is no service %s", name, other)
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if !strings.HasPrefix(source, "./") {
				if _, ok := c.Volumes[source]; !ok {
					t.Errorf("%s mounts the volume %s, which there is not", name, source)
				}
				used["volume "+source] = true
				continue
			}
			if _, err := os.Stat(source); err != nil {
				t.Errorf("%s mounts %s: %v", name, source, err)
			}
			if !strings.HasSuffix(v, ":ro") {
				t.Errorf("%s: %s can be written to", name, v)
			}
		}
		for _, secret := range s.Secrets {
			file := c.Secrets[secret.Source].File
			info, err := os.Stat(filepath.Join(made, filepath.Base(file)))
			switch {
			case !strings.HasPrefix(file, "./secrets/") || err != nil:
				t.Errorf("%s: secrets.sh makes no file for the secret %s: %v", name, secret.Source, err)
			case info.Mode().Perm()&0o044 != 0o044 && secret.Source != "api_key":
				t.Errorf("%s cannot be read by the user within the container: %s", file, info.Mode())
			}
			used["secret "+secret.Source] = true
		}
		if s.Build.Dockerfile != "" {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for name := range c.Volumes {
		if !used["volume "+name] {
			t.Errorf("nobody mounts the volume %s", name)
		}
	}
	for name := range c.Secrets {
		if !used["secret "+name] {
			t.Errorf("nobody reads the secret %s", name)
		}
	}
	if info, err := os.Stat(made); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the secrets is open to others: %v", info.Mode())
	}
}

// No service may do more than it has to; nothing is open to other machines.
func TestTheCompositionIsClosed(t *testing.T) {
	c := readComposition(t)
	for name, s := range c.Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s is not hardened", name)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: %s is open to other machines", name, p)
			}
		}
		if len(s.Healthcheck.Test) == 0 && !s.Healthcheck.Disable {
			t.Errorf("%s has no health check", name)
		}
		for variable, value := range s.Environment {
			secret := regexp.MustCompile(`KEY|TOKEN|PASSWORD`).MatchString(variable)
			if secret && !strings.HasPrefix(value, "/run/secrets/") {
				t.Errorf("%s: %s is no file", name, variable)
			}
		}
	}
	modules, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	tested := regexp.MustCompile(`nats-server/v2 v(\S+)`).FindSubmatch(modules)[1]
	if image := c.Services["nats"].Image; !strings.Contains(image, ":"+string(tested)+"-") {
		t.Errorf("%s is deployed, and %s is tested with", image, tested)
	}
}

// The bridges of the composition are started by commands that the program has, with configurations that it takes, whose
// variables and secrets they are given.
func TestTheBridgesOfTheCompositionStart(t *testing.T) {
	program, err := imageBinary()
	if err != nil {
		t.Fatal(err)
	}
	c, made := readComposition(t), makeSecrets(t)
	for _, name := range []string{"bridge", "bridge-mock"} {
		s := c.Services[name]
		text, err := os.ReadFile(mountedAt(t, s, "/etc/cliniko-bridge/bridge.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		given := map[string]bool{}
		for _, secret := range s.Secrets {
			given[secret.Target] = true
			file := filepath.Join(made, filepath.Base(c.Secrets[secret.Source].File))
			text = regexp.MustCompile(regexp.QuoteMeta(secret.Target)+`\b`).ReplaceAll(text, []byte(file))
		}
		if bytes.Contains(text, []byte("/run/secrets/")) {
			t.Errorf("%s reads a secret that it is not given; it has %v:\n%s", name, given, text)
		}
		for variable := range s.Environment {
			if !bytes.Contains(text, []byte("${"+variable+"}")) {
				t.Errorf("%s is given %s, which its configuration does not name", name, variable)
			}
		}
		if want := []string{"run", "--config", "/etc/cliniko-bridge/bridge.yaml"}; !slices.Equal(s.Command, want) {
			t.Errorf("%s: command %v, want %v", name, s.Command, want)
		}
		if want := append([]string{"CMD", "/cliniko-bridge"}, healthcheck(t)...); !slices.Equal(s.Healthcheck.Test, want) {
			t.Errorf("%s: its health check is %v, that of the image %v", name, s.Healthcheck.Test, want)
		}
		configAccepted(t, program, text, "CLINIKO_USER_AGENT=Northside Bridge (ops@northside.example)")
	}
}

// The pretended clinic is where its bridge looks for it, and takes the key that this one has.
func TestThePretendedClinicOfTheComposition(t *testing.T) {
	program, err := imageBinary()
	if err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile("compose/mock.yaml")
	if err != nil {
		t.Fatal(err)
	}
	args := slices.Clone(readComposition(t).Services["mock"].Command)
	if args[0] != "mock" || args[1] != "--listen" || !bytes.Contains(config, []byte("base_url: http://"+args[2]+"/v1 ")) {
		t.Errorf("the pretended clinic is not where compose/mock.yaml says: %v", args)
	}
	args[2] = "127.0.0.1:0"
	mock := exec.CommandContext(t.Context(), program, args...)
	out, err := mock.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := mock.Start(); err != nil {
		t.Fatal(err)
	}
	told := ""
	for lines := bufio.NewScanner(out); told == "" && lines.Scan(); {
		_, told, _ = strings.Cut(lines.Text(), "CLINIKO_API_KEY=")
	}
	_ = mock.Process.Kill()
	_ = mock.Wait() // it was killed
	if told == "" || !bytes.Contains(config, []byte("api_key: "+told+" ")) {
		t.Errorf("compose/mock.yaml has not the key that the mock tells, %q", told)
	}
}

// mountedAt is the file of this folder that s has at target.
func mountedAt(t *testing.T, s service, target string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if source, rest, _ := strings.Cut(v, ":"); strings.HasPrefix(rest, target+":") {
			return source
		}
	}
	t.Fatalf("nothing is mounted at %s: %v", target, s.Volumes)
	return ""
}

// configAccepted fails the test unless the program takes the configuration, whose files have whole paths.
func configAccepted(t *testing.T, program string, text []byte, environment ...string) {
	t.Helper()
	configAcceptedAt(t, program, filepath.Join(t.TempDir(), "bridge.yaml"), text, environment...)
}

// configAcceptedAt writes the configuration to path, and fails the test unless the program takes it. It asks for the status of a bridge where none
// is, for which the whole configuration is loaded first: status 2 and a line a fault if it is wrong.
func configAcceptedAt(t *testing.T, program, path string, text []byte, environment ...string) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), program, "status", "--config", path, "--admin", "127.0.0.1:1")
	cmd.Env = environment
	out, err := cmd.CombinedOutput()
	if exit := exitStatus(err); exit != 1 || !strings.Contains(string(out), "no bridge answers") {
		t.Errorf("exit status %d, want 1, since no bridge is there:\n%s\n%s", exit, out, text)
	}
}
