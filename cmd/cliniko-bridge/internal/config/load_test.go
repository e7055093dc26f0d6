package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/schemas"
)

var update = flag.Bool("update", false, "rewrite the .err files in testdata/config")

// environment is what the files in testdata/config may name.
var environment = map[string]string{
	"CLINIKO_API_KEY": "MS1rZXktZnJvbS10aGUtZW52aXJvbm1lbnQ-au1",
	"SECOND_API_KEY":  "MS1zZWNvbmQta2V5LWZyb20tdGhlLWVudg-au1",
	"FINGERPRINT_KEY": "fingerprint-key-from-the-environment",
	"OPS":             "ops",
	"EDITION":         "2016",
	"LIST":            "[patients, appointments]",
	"BRACES":          "${CLINIKO_API_KEY}",
}

func getenv(name string) string { return environment[name] }

// Each bad configuration is refused with exactly the text beside it.
func TestLoadNamesEveryFaultOfABadFile(t *testing.T) {
	files, err := filepath.Glob("testdata/config/*.bad.yml")
	if err != nil || len(files) < 80 {
		t.Fatalf("got %d bad configurations, %v; want 80 at least", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".bad.yml"), func(t *testing.T) {
			_, err := Load(file, getenv)
			if _, ok := errors.AsType[Faults](err); !ok {
				t.Fatalf("got %v; want Faults", err)
			}
			got := err.Error() + "\n"
			golden := strings.TrimSuffix(file, ".bad.yml") + ".err"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			for _, secret := range []string{environment["CLINIKO_API_KEY"], environment["FINGERPRINT_KEY"], "MS1", "hushhush"} {
				if strings.Contains(got, secret) {
					t.Errorf("the faults show %q", secret)
				}
			}
		})
	}
}

func TestLoadFillsInEveryDefault(t *testing.T) {
	got := load(t, "testdata/config/small.yml")
	got.file, got.lines = "", nil
	want := &Config{
		Accounts: []Account{{
			Name: "default", APIKey: NewSecret(environment["CLINIKO_API_KEY"]),
			UserAgent: "Northside Bridge (ops@northside.example)", API: APIAuto, RequestsPerMinute: 180,
		}},
		Resources: map[schemas.Resource]Resource{},
		Baseline:  BaselineSilent,
		Sweep:     Sweep{Schedule: "0 30 3 * * *", ConfirmAfter: time.Minute, Limit: 0.05},
		NATS: NATS{
			Listen: "127.0.0.1:4222", Stream: "CLINIKO", Subject: "cliniko.{resource}.{verb}",
			MaxAge: 720 * time.Hour, Replicas: 1,
		},
		Events:  Events{Data: DataFull},
		DataDir: "testdata/config/data",
		Admin:   Admin{Listen: "127.0.0.1:8321"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestLoadReadsEveryKey(t *testing.T) {
	withRealFiles(t)
	got := load(t, "testdata/config/full.yml")
	got.file, got.lines = "", nil
	want := &Config{
		Accounts: []Account{{
			Name: "northside", APIKey: NewSecret(environment["CLINIKO_API_KEY"]),
			UserAgent: "Northside Bridge (ops@northside.example)", BaseURL: "https://api.au1.cliniko.com/v1",
			API: API2017, RequestsPerMinute: 120, Resources: []schemas.Resource{"appointments", "patients"},
		}, {
			Name: "southside", APIKey: NewSecret("MS1jb25maWctZmlsZQ-au1"), APIKeyFile: "testdata/config/files/api.key",
			UserAgent: "Southside Bridge (ops@southside.example)", API: APIAuto, RequestsPerMinute: 180,
		}},
		Resources: map[schemas.Resource]Resource{
			"appointments":    {Schedule: "@every 15s"},
			"available_times": {Schedule: "0 */5 * * * *", Days: 3},
		},
		Baseline: BaselinePublish,
		Sweep:    Sweep{Schedule: "30 2 * * *", ConfirmAfter: 90 * time.Second, Limit: 0.025},
		NATS: NATS{
			URL:       NewSecret("nats://bridge:pass-of-nats@nats-1.example:4222,nats://nats-2.example:4222"),
			CredsFile: "testdata/config/files/nats.creds",
			TLS: TLS{
				CAFile: "testdata/config/files/ca.pem", CertFile: "testdata/config/files/cert.pem",
				KeyFile: "testdata/config/files/key.pem",
			},
			Stream: "CLINIKO_TEST", Subject: "clinics.{account}.{resource}.{id}.{verb}",
			MaxAge: 2160 * time.Hour, Replicas: 3,
		},
		State: State{
			RedisURL: NewSecret("rediss://bridge:pass-of-redis@redis.example:6379/0"),
			TLS: TLS{
				CAFile: "testdata/config/files/ca.pem", CertFile: "testdata/config/files/cert.pem",
				KeyFile: "testdata/config/files/key.pem",
			},
			FingerprintKey: NewSecret(environment["FINGERPRINT_KEY"]),
		},
		Events:  Events{Data: DataThin},
		DataDir: "testdata/state",
		Admin: Admin{
			Listen: "0.0.0.0:9000", Token: NewSecret("token-of-the-operators"), TokenFile: "testdata/config/files/admin.token",
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// What only the machine can tell has its place, too; what is left to its default has none but its path.
func TestAFaultOfTheMachineHasItsPlace(t *testing.T) {
	withRealFiles(t)
	c := load(t, "testdata/config/full.yml")
	if got, want := c.Fault("data_dir", "is full").Error(), "testdata/config/full.yml:33: data_dir: is full"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	c = load(t, "testdata/config/small.yml")
	if got, want := c.Fault("data_dir", "is full").Error(), "testdata/config/small.yml: data_dir: is full"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

// An account's own keys win over those that it merges, and an alias is the value that it names.
func TestLoadTakesAnchorsAndMerges(t *testing.T) {
	c := load(t, "testdata/config/anchors.yml")
	var got []string
	for _, a := range c.Accounts {
		got = append(got, a.Name+" "+a.UserAgent)
	}
	agent := " Northside Bridge (ops@northside.example)"
	if want := []string{"northside" + agent, "southside" + agent, "eastside" + agent}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
	if got := c.Accounts[1].RequestsPerMinute; got != 90 {
		t.Errorf("got %d requests a minute in the account that merges; want 90", got)
	}
}

func TestLoadNamesAFileThatIsNotThere(t *testing.T) {
	_, err := Load("testdata/no-such.yml", getenv)
	if got, want := errorText(err), "testdata/no-such.yml: no such file; look at its name and its folder"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	_, err = Load("testdata", getenv)
	if got, want := errorText(err), "testdata: it is a folder; name the file in it"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

// A file that cannot be a configuration is not read at all: it is somebody's disk image, or a device that never ends.
func TestLoadReadsNoLargeFileAndNoDevice(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.yml")
	if err := os.WriteFile(large, make([]byte, 10<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		large:       large + ": larger than 1 MiB; is it the right file?",
		"/dev/zero": "/dev/zero: not a regular file; give one that is",
	} {
		if _, err := Load(file, getenv); errorText(err) != want {
			t.Errorf("got %q; want %q", errorText(err), want)
		}
	}
}

// Aliases of aliases stop at a bound, with one fault, rather than when the memory is full.
func TestLoadRefusesABombOfAliases(t *testing.T) {
	var b strings.Builder
	b.WriteString("accounts:\n  - &a0 {name: x}\n")
	b.WriteString("  - &a1 {<<: [" + strings.Repeat("*a0,", 2000) + "*a0]}\n")
	b.WriteString("  - &a2 {<<: [" + strings.Repeat("*a1,", 2000) + "*a1]}\n")
	_, err := parse("bomb.yml", []byte(b.String()), getenv, nil)
	if got, want := strings.Count(errorText(err), "too many values"), 1; got != want {
		t.Errorf("got %d faults about too many values in %.300s; want %d", got, errorText(err), want)
	}
}

func load(t *testing.T, file string) *Config {
	t.Helper()
	c, err := Load(file, getenv)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
