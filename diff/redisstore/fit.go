package redisstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// OldestRedis is the oldest major version that can be used: the first whose scripts may ask for the time and then write.
const OldestRedis = 5

// Unfit says in a sentence each, with its remedy, why this Redis cannot be used as it is set up. Waiting mends none of it.
// What is not known is passed over.
func (f Facts) Unfit() []string {
	var unfit []string
	major, _, _ := strings.Cut(f.Version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < OldestRedis {
		unfit = append(unfit, fmt.Sprintf("Redis %s is too old; install %d or later", f.Version, OldestRedis))
	}
	if strings.HasPrefix(f.EvictionPolicy, "allkeys-") {
		unfit = append(unfit, fmt.Sprintf("Redis may throw records away, which would then be told as new: maxmemory-policy is %s; "+
			"set it to noeviction", f.EvictionPolicy))
	}
	return unfit
}

// refusals are the beginnings of Redis's errors for writes that it does not take, or not now.
var refusals = []struct{ error, sentence string }{
	{"OOM", "Redis is full and takes no writes; raise its maxmemory"},
	{"READONLY", "Redis is a read-only replica; state.redis_url has to name the master, or the sentinels that know it"},
	{"LOADING", "Redis is loading its data; it takes writes when it has done so"},
	{"MISCONF", "Redis cannot write to its disk and takes no writes; make room there, and look at its log"},
	{"NOREPLICAS", "Redis has fewer replicas than its min-replicas-to-write and takes no writes; start them"},
	{"CLUSTERDOWN", "the Redis cluster has lost a master and all its replicas; start them"},
	{"MASTERDOWN", "Redis is a replica that has lost its master; start the master, or see that the sentinels choose another"},
	{"NOPERM", "the Redis user may not do all that it has to; allow it every command on cliniko:*, and scripts"},
}

// Refusal says in a sentence, with its remedy, why Redis did not do what it was asked, if it said so: err is what a method of
// Store returned. It is "" if Redis said nothing of that kind.
func Refusal(err error) string {
	var said redis.Error
	if !errors.As(err, &said) {
		return ""
	}
	text := strings.TrimPrefix(said.Error(), "ERR ")
	for _, r := range refusals {
		// Redis 6 and older put the error of a command within a script into one of their own.
		if strings.HasPrefix(text, r.error+" ") || strings.Contains(text, " -"+r.error+" ") {
			return r.sentence
		}
	}
	return ""
}
