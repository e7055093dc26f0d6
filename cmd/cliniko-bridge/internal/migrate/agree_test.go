package migrate

import (
	"strings"
	"testing"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
)

// What a move prints, and leaves in its marks, names servers and holds no password, however the URL is written.
func TestPlacesHoldNoPassword(t *testing.T) {
	for _, row := range []struct{ url, want string }{
		{"redis://bridge:s3,cret@redis.example/0", "redis://redis.example/0"},
		{"rediss://:s3cret@redis.example:6380", "rediss://redis.example:6380"},
		{"redis-sentinel://u:s3cret@one:26379/2?master_name=mymaster&addr=two:26379&username=bridge&password=s3cret", "redis-sentinel://one:26379/2?addr=two%3A26379&master_name=mymaster"},
		{"redis://one:6379?client_name=s3cret", "redis://one:6379"},
		{"redis:s3cret@one", "a server"},
	} {
		cfg := &config.Config{State: config.State{RedisURL: config.NewSecret(row.url)}}
		if got := storePlace(cfg); got != row.want {
			t.Errorf("%s: got %s, want %s", row.url, got, row.want)
		}
	}
	for _, row := range []struct{ url, want string }{
		{"nats://bridge:s3cret@nats.example:4222", "nats://nats.example:4222"},
		{"bridge:s3cret@nats.example:4222", "nats://nats.example:4222"},
		{"s3cret@nats.example", "nats://nats.example"},
		{"tls://s3cret@one:4222, bridge:s3cret@two:4222", "tls://one:4222,nats://two:4222"},
		{"nats://bridge:s3cret@", "a server"},
	} {
		cfg := &config.Config{NATS: config.NATS{Stream: "CLINIKO", URL: config.NewSecret(row.url)}}
		if got := streamPlace(cfg); got != "CLINIKO in "+row.want || strings.Contains(got, "s3cret") {
			t.Errorf("%s: got %s, want %s", row.url, got, row.want)
		}
	}
}
