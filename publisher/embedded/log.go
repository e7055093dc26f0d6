package embedded

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"

	"go.uber.org/zap"
)

// An adapter writes the server's log into ours. What the server thinks worth a notice is detail to a bridge.
type adapter struct {
	logger *zap.Logger
	fatal  atomic.Pointer[string] // the first fatal line; the server expects to be dead after it
	full   atomic.Bool            // a write met a full disk
}

const logMessage = "embedded nats"

func text(format string, v []any) zap.Field { return zap.String("text", fmt.Sprintf(format, v...)) }

// Noticef implements server.Logger.
func (a *adapter) Noticef(format string, v ...any) { a.logger.Debug(logMessage, text(format, v)) }

// Warnf implements server.Logger.
func (a *adapter) Warnf(format string, v ...any) { a.warn(format, v) }

// Errorf implements server.Logger.
func (a *adapter) Errorf(format string, v ...any) { a.warn(format, v) }

// warn logs a line. What the server says of a full disk it says at every try, and once is enough: whoever publishes gets no
// answer, so that its log is the one place that tells of it.
func (a *adapter) warn(format string, v []any) {
	line := text(format, v)
	if strings.Contains(line.String, syscall.ENOSPC.Error()) && a.full.Swap(true) {
		return
	}
	a.logger.Warn(logMessage, line)
}

// Debugf implements server.Logger. The server is told not to call it.
func (a *adapter) Debugf(format string, v ...any) { a.logger.Debug(logMessage, text(format, v)) }

// Tracef implements server.Logger. Traces hold the messages themselves, so nothing is written.
func (a *adapter) Tracef(string, ...any) {}

// Fatalf implements server.Logger. It keeps the line for Start, and ends nothing.
func (a *adapter) Fatalf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	a.fatal.CompareAndSwap(nil, &line)
	a.logger.Error(logMessage, zap.String("text", line))
}
