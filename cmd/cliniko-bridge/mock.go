package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/mock"
	"github.com/cliniko-bridge/cliniko-bridge/poller/clinikotest"
)

func newMock(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mock",
		Short: "A pretended Cliniko account over HTTP, for your own tests",
		Long: `mock serves a pretended Cliniko account with invented people, as strict as the real one: it asks for the key and a
User-Agent, and for no more than 200 requests a minute. What it prints can be pasted into a shell; then check, run
and every other client of Cliniko work against it. It keeps nothing: the next start has the same clinic again.

Records are read and written below /v1, as in Cliniko. A test makes things happen below /_mock, without a key:

  POST   /_mock/records/RESOURCE         make a record; a body sets fields: {"first_name": "Ada"}
  PATCH  /_mock/records/RESOURCE/ID      change fields; without a body, something that people would change
  POST   /_mock/records/RESOURCE/ID/ACT  archive, unarchive, cancel, uncancel, delete, undelete, deactivate, activate, touch
  DELETE /_mock/records/RESOURCE/ID      take it away for good
  GET    /_mock/records/RESOURCE[/ID]    all ids; one record, whatever its state
  POST   /_mock/changes                  {"count": 5}: so many things of a clinic's day, at once
  POST   /_mock/faults                   {"kind": "503", "resource": "patients", "count": 3}; kinds are 500, 502, 503, 504,
                                         429, 403, 404, slow, cut, html, empty, down; "seconds" for 429 and slow, "chance"
  DELETE /_mock/faults                   all is well again`,
		Example: `  cliniko-bridge mock                                  then, in another terminal, paste what it prints
  cliniko-bridge mock --changes 0 --seed 7             nothing happens but what a test does
  curl -X PATCH http://127.0.0.1:8320/_mock/records/patients/31362 -d '{"first_name": "Ada"}'
  curl http://127.0.0.1:8320/_mock/faults -d '{"kind": "429", "count": 1}'`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	listen := flags.String("listen", "127.0.0.1:8320", "`ADDRESS` to serve on; port 0 takes a free one")
	edition := flags.String("edition", "2017", "edition of the API: 2017 or 2025")
	records := flags.Int("records", 200, "how many patients there are at first; of other records in proportion")
	changes := flags.String("changes", "10/m", "how much happens by itself, `COUNT` a second (/s), minute (/m) or hour (/h); 0: nothing")
	seed := flags.Uint64("seed", 1, "decides names, ids and what happens; the same seed, the same clinic")
	public := flags.Bool("public", false, "let other machines reach it; anybody who can may then read, write and break it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg := mock.Config{Listen: *listen, Edition: clinikotest.Edition(*edition), Patients: *records, Seed: *seed}
		var err error
		switch {
		case cfg.Edition != clinikotest.Edition2017 && cfg.Edition != clinikotest.Edition2025:
			return usageError{fmt.Errorf("--edition %q: it is 2017 or 2025", *edition)}
		case *records < 0 || *records > mostPatients:
			return usageError{fmt.Errorf("--records %d: it is 0 to %d", *records, mostPatients)}
		case !*public && !onLoopback(*listen):
			return usageError{fmt.Errorf("--listen %s: other machines could reach it, and it asks nobody for a password; add --public if they shall", *listen)}
		}
		if cfg.Rate, err = parseRate(*changes); err != nil {
			return usageError{fmt.Errorf("--changes %q: %w", *changes, err)}
		}
		return e.mock(cmd.Context(), cfg)
	}
	return cmd
}

// mostPatients keeps a slip of the finger from keeping the machine busy: so many take 300 MB, and up to half a minute to be invented.
const mostPatients = 10_000

func (e *env) mock(ctx context.Context, cfg mock.Config) error {
	m, err := mock.Listen(ctx, cfg)
	if err != nil {
		return err
	}
	say(e.stdout, `# A pretended Cliniko account of the edition of %s: %d patients, all invented. Ctrl-C ends it.
# Paste this into another terminal; then cliniko-bridge check, and cliniko-bridge run:
export CLINIKO_BASE_URL=%s
export CLINIKO_API_KEY=%s
export CLINIKO_USER_AGENT='Northside Bridge (ops@northside.example)'
# Make things happen (cliniko-bridge mock --help has more):
#   curl -X POST %s/records/patients
`, cfg.Edition, m.Count("patients"), m.URL(), mock.Key, m.Control())
	return m.Run(ctx)
}

// onLoopback says whether only this machine can reach a server on addr. What is no address is for the listener to refuse.
func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err != nil || host == "localhost" || ip != nil && ip.IsLoopback()
}

// parseRate reads "10/m" as things a second. "0" is none at all.
func parseRate(text string) (float64, error) {
	const most = 100 // a second
	count, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(count, 64)
	seconds, ok := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	switch {
	case text == "0":
		return 0, nil
	case err != nil || !ok || !(n >= 0):
		return 0, errors.New("it is a number a second, minute or hour: 2/s, 10/m, 100/h, or 0")
	case n/seconds > most:
		return 0, fmt.Errorf("it is %d/s at the most", most)
	}
	return n / seconds, nil
}
