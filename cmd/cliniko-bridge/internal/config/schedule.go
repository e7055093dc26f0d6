package config

import (
	"errors"

	"github.com/cliniko-bridge/cliniko-bridge/poller"
)

// parseSchedule checks a schedule as the poller takes it, and returns it as it is.
func parseSchedule(text string) (string, error) {
	switch _, err := poller.ParseSchedule(text); {
	case err == nil:
		return text, nil
	case errors.Is(err, poller.ErrInterval):
		return "", errors.New("is not a whole number of seconds, one at least; such as @every 30s")
	case errors.Is(err, poller.ErrNever):
		return "", errors.New("is a day that never comes; look at its day and month")
	default:
		return "", errors.New(`is not a schedule; write "@every 30s", or 5 or 6 cron fields: "0 */5 * * * *"`)
	}
}
