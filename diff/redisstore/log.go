package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// LogTo sends what the Redis client library has to say (a connection that could not be made, a failover) to lg instead
// of to stderr as plain text. It holds for the whole process: main calls it once, before the first Open.
func LogTo(lg *zap.Logger) { redis.SetLogger(clientLog{lg}) }

type clientLog struct{ lg *zap.Logger }

func (l clientLog) Printf(_ context.Context, format string, v ...any) {
	l.lg.Warn("redis client", zap.String("text", fmt.Sprintf(format, v...)))
}
