package poller

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	"go.uber.org/zap"
)

var parser = cron.NewParser(
	cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

var (
	// ErrInterval says that an "@every" is not of whole seconds, one at least. cron rounds such a one, and says nothing.
	ErrInterval = errors.New("an interval has to be whole seconds, and one at least")
	// ErrNever says that a spec names a day that never comes.
	ErrNever = errors.New("it never fires")
)

// longestSpec is more than any schedule needs.
const longestSpec = 256

// ParseSchedule reads a robfig/cron spec: five fields, six with seconds first, or a descriptor such as "@every 15s".
// Its errors are ErrInterval, ErrNever, and others for what is no spec.
func ParseSchedule(text string) (s cron.Schedule, err error) {
	defer func() {
		// cron v3.0.1 panics on a few malformed specs, such as "TZ=UTC".
		if recover() != nil {
			s, err = nil, errors.New("not a cron spec")
		}
	}()
	if len(text) > longestSpec {
		return nil, errors.New("not a cron spec: too long")
	}
	if s, err = parser.Parse(text); err != nil {
		return nil, fmt.Errorf("not a cron spec: %w", err)
	}
	if after, ok := strings.CutPrefix(text, "@every "); ok {
		if d, err := time.ParseDuration(after); err != nil || d < time.Second || d%time.Second != 0 {
			return nil, ErrInterval
		}
	}
	// Any day will do: cron looks five years ahead, which holds a 29 February.
	if s.Next(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, ErrNever
	}
	return s, nil
}

// newCron makes a cron that runs a job never twice at once and survives its panics. The order of the two matters: with
// Recover outside, a panic would leave the job marked as running, and it would never run again (cron v3.0.1).
func newCron(log *zap.Logger) *cron.Cron {
	l := cronLogger{log}
	return cron.New(cron.WithLocation(time.UTC), cron.WithLogger(l), cron.WithChain(cron.SkipIfStillRunning(l), cron.Recover(l)))
}

// cronLogger passes on panics, and keeps wakes and skips to the debug level.
type cronLogger struct{ log *zap.Logger }

func (l cronLogger) Info(msg string, _ ...any) { l.log.Debug("cron", zap.String("step", msg)) }

// Error is called for a panic alone. Its stack comes among the pairs; its value may hold anything, and is left out.
func (l cronLogger) Error(_ error, msg string, pairs ...any) {
	fields := []zap.Field{zap.String("step", msg)}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i] == "stack" {
			fields = append(fields, zap.Any("stack", pairs[i+1]))
		}
	}
	l.log.Error("a scheduled job panicked", fields...)
}

// staggered is an interval whose runs fall on whole seconds, and not on the same ones as everybody else's.
type staggered struct {
	every, phase int64 // seconds; phase is below every
}

// stagger spreads the runs of an interval by name. A spec that names times of the clock is left as it is.
func stagger(s cron.Schedule, name string) cron.Schedule {
	interval, ok := s.(cron.ConstantDelaySchedule)
	if !ok {
		return s
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	every := int64(interval.Delay / time.Second)
	return staggered{every: every, phase: int64(h.Sum32()) % every}
}

func (s staggered) Next(t time.Time) time.Time {
	now := t.Unix()
	return time.Unix(now+s.every-(now-s.phase)%s.every, 0).In(t.Location())
}
