package redisstore

import (
	"strings"
	"testing"
	"time"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct{ url, want string }{
		{"redis://127.0.0.1:6379/0", "127.0.0.1:6379"},
		{"redis://cache", "cache:6379"},
		{"rediss://user:p%2Fw@cache.example:6380/3", "cache.example:6380"},
		{"redis-cluster://a:7000?addr=b:7001&addr=c:7002", "cluster at a:7000, b:7001, c:7002"},
		{"rediss+cluster://a:7000", "cluster at a:7000"},
		{"redis-sentinel://a:26379/2?master_name=m&addr=b:26379&password=pw", "m of the sentinels at a:26379, b:26379"},
		{"rediss+sentinel://a?master_name=m", "m of the sentinels at a:6379"},
	} {
		to, err := parseURL(tt.url)
		if err != nil || to.String() != tt.want {
			t.Errorf("%s: got %s and %v, want %s", tt.url, &to, err, tt.want)
		}
	}
}

func TestParseURLReadsCredentials(t *testing.T) {
	to, err := parseURL("rediss://user:p%2Fw@cache.example:6380/3")
	if err != nil {
		t.Fatal(err)
	}
	if o := to.single; o.Username != "user" || o.Password != "p/w" || o.DB != 3 || o.TLSConfig == nil {
		t.Errorf("got user %q, database %d, TLS %t", o.Username, o.DB, o.TLSConfig != nil)
	}
	to, err = parseURL("redis-sentinel://su:sp@a:26379/2?master_name=m&username=u&password=p")
	if err != nil {
		t.Fatal(err)
	}
	if o := to.sentinel; o.SentinelUsername != "su" || o.SentinelPassword != "sp" || o.Username != "u" || o.Password != "p" || o.DB != 2 {
		t.Errorf("got %q, %q, database %d", o.SentinelUsername, o.Username, o.DB)
	}
}

// The URL may set timeouts; it may not have commands repeated or replicas read.
func TestParseURLDefaults(t *testing.T) {
	to, err := parseURL("redis://a?read_timeout=9s&max_retries=5")
	if err != nil {
		t.Fatal(err)
	}
	if o := to.single; o.ReadTimeout != 9*time.Second || o.WriteTimeout != ioTimeout || o.DialTimeout != dialTimeout || o.MaxRetries != -1 {
		t.Errorf("got timeouts %s, %s, %s and %d retries", o.ReadTimeout, o.WriteTimeout, o.DialTimeout, o.MaxRetries)
	}
	to, err = parseURL("redis-cluster://a?read_only=true&route_randomly=true&max_retries=5")
	if err != nil {
		t.Fatal(err)
	}
	if o := to.cluster; o.ReadOnly || o.RouteRandomly || o.MaxRetries != -1 || o.DialTimeout != dialTimeout {
		t.Errorf("got read only %t, random %t, %d retries", o.ReadOnly, o.RouteRandomly, o.MaxRetries)
	}
	to, err = parseURL("redis-sentinel://a?master_name=m&replica_only=true&max_retries=5")
	if err != nil {
		t.Fatal(err)
	}
	if o := to.sentinel; o.ReplicaOnly || o.MaxRetries != -1 || o.ReadTimeout != ioTimeout {
		t.Errorf("got replica only %t, %d retries", o.ReplicaOnly, o.MaxRetries)
	}
}

// Wherever a password breaks the URL, no piece of it is in the error.
func TestParseURLErrors(t *testing.T) {
	const cannot = "redis URL: it cannot be read: a password's"
	for _, tt := range []struct{ url, want string }{
		{"", "redis URL: it has no scheme"},
		{"127.0.0.1:6379", "redis URL: it has no scheme"},
		{":secret@host:6379", "redis URL: it has no scheme"},
		{"http://user:secret@host", "redis URL: unknown scheme: want redis:// or rediss://"},
		{"redis-ring://user:secret@host", "redis URL: unknown scheme"},
		{"redis://user:secret@host:port", cannot},
		{"redis://user:sec ret@host", cannot},
		{"redis://user:%secret@host", cannot},
		{"redis://user:sec/secret@host:6379/0", cannot},
		{"redis://user:12/secret@host:6379/0", cannot},
		{"redis://user:12?secret@host:6379/0", cannot},
		{"redis://user:12?secret=1@host:6379/0", cannot},
		{"redis://user:12#secret@host:6379/0", cannot},
		{"redis-cluster://user:12?secret=1@host:6379/0", cannot},
		{"redis-sentinel://user:12/secret@host/0?master_name=m", cannot},
		{"redis-sentinel://user:secret@host/0", "redis URL: a sentinel URL needs the name of the master: ?master_name=mymaster"},
		{"redis://user:secret@host/first", `redis URL: invalid database number: "first"`},
		{"redis://user:secret@host?pool=3", "redis URL: unexpected option: pool"},
		{"redis://user:secret@host?read_timeout=soon", "redis URL: invalid read_timeout duration"},
	} {
		err := Config{URL: tt.url}.Validate()
		if err == nil {
			t.Errorf("%s: got no error, want %q", tt.url, tt.want)
			continue
		}
		if !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "12") {
			t.Errorf("%s: got %q, want %q", tt.url, err, tt.want)
		}
	}
}
