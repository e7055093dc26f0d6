package config

import (
	"errors"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// longestSchedule is more than any schedule needs.
const longestSchedule = 256

// parseSchedule checks a cron spec and returns it as it is.
func parseSchedule(text string) (string, error) {
	schedule, err := parseCron(text)
	if err != nil {
		return "", errors.New(`is not a schedule; write "@every 30s", or 5 or 6 cron fields: "0 */5 * * * *"`)
	}
	if every, ok := strings.CutPrefix(text, "@every "); ok {
		// cron would take half a second for a whole one, and a second and a half too, and say nothing.
		if d, err := time.ParseDuration(every); err != nil || d < time.Second || d%time.Second != 0 {
			return "", errors.New("is not a whole number of seconds, one at least")
		}
	}
	// Any day will do: cron looks five years ahead, which holds a 29 February.
	if schedule.Next(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return "", errors.New("is a day that never comes")
	}
	return text, nil
}

// parseCron is cron's parser with an optional seconds field. Version 3.0.1 panics for some texts, such as "TZ=UTC"
// with nothing behind it.
func parseCron(text string) (schedule cron.Schedule, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("not a schedule")
		}
	}()
	if len(text) > longestSchedule {
		return nil, errors.New("too long")
	}
	fields := cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor
	return cron.NewParser(fields).Parse(text)
}
