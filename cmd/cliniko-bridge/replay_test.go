package main

import (
	"strings"
	"testing"
)

// What is mistyped, or does not go together, is said with what to write, and nothing is looked for first.
func TestMistypedReplays(t *testing.T) {
	for line, want := range map[string]string{
		"replay":                                               "say what to replay: --since 24h, ",
		"replay --since 1h --from-sequence 5":                  "--since and --from-sequence both say where to begin: give one of them",
		"replay --from-sequence 0":                             "--from-sequence is 1 or more",
		"replay --since 7d":                                    `--since "7d" is neither; write how long ago, such as 24h or 90m, or a time, such as 2027-03-27T10:03:57Z`,
		"replay --since -1h":                                   "lies in the future",
		"replay --since 2999-01-01T00:00:00Z":                  "lies in the future",
		"replay --since 2h --until 3h":                         "--until is not after --since",
		"replay --record patients":                             `"patients" is no record; write RESOURCE/ID`,
		"replay --record patient/7":                            `"patient" is not a resource; did you mean patients?`,
		"replay --record patients/7 --resource patients":       "leave --resource out",
		"replay --verb update":                                 `"update" is no verb; did you mean updated?`,
		"replay cliniko..updated":                              `"cliniko..updated" is no subject: a token between dots is empty`,
		"replay --since 1h --to replay.north --json":           "--json is for the terminal",
		"replay --since 1h --rate 0":                           "--rate is a number of events a second, above 0",
		"replay --since 1h --rate NaN":                         "--rate is a number of events a second, above 0",
		"replay --since 1h --rate -5":                          "--rate is a number of events a second, above 0",
		"replay --since 1h --to=":                              "--to is empty; give a subject",
		"tail --since soon":                                    `--since "soon" is neither`,
		"tail --resource patient":                              `"patient" is not a resource; did you mean patients?`,
		"tail cliniko.>.updated":                               "> stands at the end alone",
		"replay --since 1h --admin 127.0.0.1:1 --from-bananas": "unknown flag: --admin",
	} {
		status, out, errs := typedIn(t, strings.Fields(line)...)
		if status != exitUsage || out != "" || !strings.HasPrefix(errs, "cliniko-bridge: ") || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: status %d, %q, %q; want one line with %q", line, status, out, errs, want)
		}
	}
}
