package redisstore

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Unless the URL says otherwise.
const (
	dialTimeout = 5 * time.Second
	ioTimeout   = 3 * time.Second // of one read or write
	// clusterReload is how old what the client knows of a cluster may get while it is used. A node that refuses connections
	// tells the client nothing: it goes on asking a master that was killed until this has passed, a minute if it is not said
	// (go-redis 9.23, its issue 3979; TestAReplicaOfAClusterTakesOver). It costs one small request.
	clusterReload = 2 * time.Second
)

// A target is a parsed URL: one of the three is set.
type target struct {
	single   *redis.Options
	cluster  *redis.ClusterOptions
	sentinel *redis.FailoverOptions
}

// parseURL reads the forms that Config.URL names. Its errors hold no part of the URL that could be of a password.
func parseURL(raw string) (target, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return target{}, errors.New("redis URL: it has no scheme: want redis://host:6379/0")
	}
	scheme, kind, _ := strings.Cut(strings.ReplaceAll(scheme, "+", "-"), "-")
	if scheme != "redis" && scheme != "rediss" {
		return target{}, errors.New("redis URL: unknown scheme: " + schemes)
	}
	if strings.Contains(rest, "#") {
		return target{}, errUnreadable // a URL ends there, and what follows can only be of a password
	}
	plain := scheme + "://" + rest
	var to target
	var err error
	switch kind {
	case "":
		to.single, err = redis.ParseURL(plain)
	case "cluster":
		to.cluster, err = redis.ParseClusterURL(plain)
	case "sentinel":
		to.sentinel, err = redis.ParseFailoverURL(plain)
		if err == nil && to.sentinel.MasterName == "" {
			err = errors.New("a sentinel URL needs the name of the master: ?master_name=mymaster")
		}
	default:
		return target{}, errors.New("redis URL: unknown scheme: " + schemes)
	}
	if err != nil {
		return target{}, plainURLError(rest, err)
	}
	to.setDefaults()
	return to, nil
}

var errUnreadable = errors.New(
	"redis URL: it cannot be read: a password's / ? # @ : % are written %2F %3F %23 %40 %3A %25, and a port is a number")

const schemes = "want redis:// or rediss://, or either with -cluster or -sentinel, as in redis-sentinel://"

// plainURLError returns err unless its text may have a piece of the password in it: url.Error repeats the URL, and
// after a / in a password the rest of it is taken for a path or a query.
func plainURLError(rest string, err error) error {
	var whole *url.Error
	behind := strings.IndexAny(rest, "/?#")
	if errors.As(err, &whole) || behind >= 0 && strings.Contains(rest[behind:], "@") {
		return errUnreadable
	}
	return fmt.Errorf("redis URL: %s", strings.TrimPrefix(err.Error(), "redis: "))
}

// setDefaults sets what the store needs whatever the URL says, and timeouts where it says nothing.
//
// No command is repeated by the client. A commit whose reply was lost would find its own state when repeated and be
// told a conflict; as it is, its caller is told that it is not known, loads again and sees. In a cluster the client
// repeats a command after a lost reply as it does after a redirect, and the two cannot be had apart. There such a
// commit ends in a conflict of its own making, and the caller loads again all the same.
//
// Replicas are never read: they are behind.
func (to *target) setDefaults() {
	off := func() *maintnotifications.Config {
		return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	}
	const never = -1
	switch {
	case to.single != nil:
		o := to.single
		o.MaxRetries, o.ContextTimeoutEnabled, o.MaintNotificationsConfig = never, true, off()
		o.PipelinePoolSize = never // one pool is enough
		setTimeouts(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	case to.cluster != nil:
		o := to.cluster
		o.MaxRetries, o.ContextTimeoutEnabled, o.MaintNotificationsConfig = never, true, off()
		o.PipelinePoolSize = never
		o.ReadOnly, o.RouteByLatency, o.RouteRandomly = false, false, false
		o.ClusterStateReloadInterval = cmp.Or(o.ClusterStateReloadInterval, clusterReload)
		setTimeouts(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	default:
		o := to.sentinel
		o.MaxRetries, o.ContextTimeoutEnabled = never, true
		o.PipelinePoolSize = never
		o.ReplicaOnly, o.RouteByLatency, o.RouteRandomly = false, false, false
		setTimeouts(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	}
}

func setTimeouts(dial, read, write *time.Duration) {
	*dial = cmp.Or(*dial, dialTimeout)
	*read = cmp.Or(*read, ioTimeout)
	*write = cmp.Or(*write, ioTimeout)
}

// client makes the client; it connects when it is first used.
func (to *target) client() redis.UniversalClient {
	switch {
	case to.single != nil:
		return redis.NewClient(to.single)
	case to.cluster != nil:
		return redis.NewClusterClient(to.cluster)
	default:
		return redis.NewFailoverClient(to.sentinel)
	}
}

// String names the servers, without user or password.
func (to *target) String() string {
	switch {
	case to.single != nil:
		return to.single.Addr
	case to.cluster != nil:
		return "cluster at " + strings.Join(to.cluster.Addrs, ", ")
	default:
		return to.sentinel.MasterName + " of the sentinels at " + strings.Join(to.sentinel.SentinelAddrs, ", ")
	}
}
