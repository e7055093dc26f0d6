package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// LogTo sends what the Redis client library has to say (a connection that could not be made, a failover) to lg instead
// of to stderr as plain text. What it says again and again, while Redis is away for a night, is logged once an hour. It holds for the
// whole process: main calls it once, before the first Open.
func LogTo(lg *zap.Logger) {
	redis.SetLogger(clientLog{lg.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(c, time.Hour, 1, 0)
	}))})
}

type clientLog struct{ lg *zap.Logger }

func (l clientLog) Printf(_ context.Context, format string, v ...any) {
	l.lg.Warn("redis client: " + fmt.Sprintf(format, v...)) // the sampler tells messages apart by their text
}
