// Package logging makes the bridge's logger.
//
// Its lines are for machines by default: one JSON object each, keys in snake_case, times in UTC. On a terminal they are
// plain text for the person who sits there. Debug lines are left out.
package logging

import (
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// stamp is the form of every time in a log, the line's own and those in its fields: UTC, to the millisecond.
const stamp = "2006-01-02T15:04:05.000Z"

// New returns a logger that writes to w: plain text if w is a terminal, JSON otherwise. It may be used by several
// goroutines at once, and writes each line at once and whole. Nothing needs to be synced or closed.
func New(w io.Writer, terminal bool) *zap.Logger {
	keys := zapcore.EncoderConfig{
		TimeKey: "time", LevelKey: "level", NameKey: "logger", MessageKey: "message",
		EncodeTime: func(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
			enc.AppendString(t.UTC().Format(stamp))
		},
		EncodeLevel:    zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.StringDurationEncoder,
		EncodeName:     zapcore.FullNameEncoder,
	}
	encoder := zapcore.NewJSONEncoder(keys)
	if terminal {
		keys.ConsoleSeparator = "  "
		encoder = zapcore.NewConsoleEncoder(keys)
	}
	out := zapcore.Lock(zapcore.AddSync(w))
	return zap.New(zapcore.NewCore(encoder, out, zapcore.InfoLevel), zap.ErrorOutput(out))
}
