package bridge

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/poller/cliniko"
)

// An apiKey is the key of an account, which may be changed in its file while the account is followed.
type apiKey struct{ rotation *config.Rotation }

func newAPIKey(cfg *config.Account, log *zap.Logger) apiKey {
	log = log.With(zap.String("account", cfg.Name))
	return apiKey{config.RotatingAPIKey(cfg, sameShard, func(err error) {
		if err != nil {
			log.Error("the API key in api_key_file cannot be used; the one before stays", zap.String("reason", err.Error()))
			return
		}
		log.Info("the API key was changed")
	})}
}

// current is the key for the next request.
func (k apiKey) current() cliniko.Secret { return cliniko.Secret(k.rotation.Now().Reveal()) }

// sameShard refuses a key of another shard: the account that is followed is not there, and its records would be taken for others.
func sameShard(old, next config.Secret) error {
	was, is := cliniko.Secret(old.Reveal()).Shard(), cliniko.Secret(next.Reveal()).Shard()
	if was != is {
		return fmt.Errorf("is a key of shard %s, and the account is on %s; restart the bridge if the account has moved", is, was)
	}
	return nil
}
