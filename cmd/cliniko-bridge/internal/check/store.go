package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/bridge"
	"github.com/cliniko-bridge/cliniko-bridge/cmd/cliniko-bridge/internal/config"
	"github.com/cliniko-bridge/cliniko-bridge/diff/filestore"
	"github.com/cliniko-bridge/cliniko-bridge/diff/redisstore"
)

// redisTimeout bounds the connection and all questions together.
const redisTimeout = 10 * time.Second

// store tries what fingerprints and marks are kept in, and the key of the fingerprints.
func store(ctx context.Context, cfg *config.Config) Report {
	var out Report
	out.dataDir(cfg.DataDir)
	file := filepath.Join(cfg.DataDir, "state.db")
	if cfg.State.RedisURL.IsZero() {
		out.file(ctx, file, cfg.Accounts)
	} else {
		out.redis(ctx, bridge.RedisConfig(cfg), cfg.Accounts)
	}
	out.fingerprintKey(cfg, file)
	return out
}

func (r *Report) redis(ctx context.Context, to redisstore.Config, accounts []config.Account) {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	s, err := redisstore.Open(ctx, to)
	if err != nil {
		r.bad("Redis", "%s", cmp.Or(redisstore.Refusal(err), err.Error()))
		return
	}
	defer func() { _ = s.Close() }() // nothing was written
	facts, err := s.Check(ctx)
	if err != nil {
		r.bad("Redis", "%s", cmp.Or(redisstore.Refusal(err), err.Error()))
		return
	}
	r.facts(facts)
	r.sweeps(ctx, s, accounts)
	r.setAside(ctx, s, accounts)
}

// facts holds Redis's settings against what the store needs.
func (r *Report) facts(f redisstore.Facts) {
	major, _, _ := strings.Cut(f.Version, ".")
	switch n, err := strconv.Atoi(major); {
	case err != nil:
		r.warn("Redis", "it answers, and its settings are not known: the user may not ask INFO; see that maxmemory-policy is "+
			"noeviction and appendonly is yes")
		return
	case n < redisstore.OldestRedis:
		r.bad("Redis", "version %s; %d or later is needed", f.Version, redisstore.OldestRedis)
	default:
		r.ok("Redis", "version %s", f.Version)
	}
	if f.Replica {
		r.bad("Redis role", "it is a replica and takes no writes; state.redis_url has to name the master, or the sentinels that know it")
	}
	if f.Full {
		r.bad("Redis memory", "it is full and takes no writes; raise its maxmemory")
	}
	if f.EvictionPolicy == "noeviction" {
		r.ok("Redis eviction", "maxmemory-policy is noeviction")
	} else {
		r.bad("Redis eviction", "maxmemory-policy is %s: Redis may throw away what the bridge knows; set it to noeviction", f.EvictionPolicy)
	}
	if f.AppendOnly == "yes" {
		r.ok("Redis appendonly", "appendonly is yes")
	}
	packed := f.ConfigAllowed && !f.Full
	for _, advice := range f.Advice() {
		switch {
		case strings.HasPrefix(advice, "maxmemory-policy"): // said above
		case strings.HasPrefix(advice, "appendonly"):
			r.warn("Redis appendonly", "%s", advice)
		default:
			r.warn("Redis memory", "%s", advice)
			packed = false
		}
	}
	if packed {
		r.ok("Redis memory", "records are kept packed")
	}
}

// file tries the embedded store. It opens one that is there and makes none.
func (r *Report) file(ctx context.Context, path string, accounts []config.Account) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		r.ok("store", "`run` makes %s", path)
		return
	}
	s, err := filestore.Open(path)
	switch {
	case errors.Is(err, filestore.ErrInUse):
		r.ok("store", "a bridge is running on %s", path)
		return
	case err != nil:
		r.bad("store", "%s", err)
		return
	}
	var held Report
	held.sweeps(ctx, s, accounts)
	held.setAside(ctx, s, accounts)
	if s.Close() != nil {
		r.bad("store", "%s cannot be closed", path)
	} else {
		r.ok("store", "%s", path)
	}
	*r = append(*r, held...)
}

// dataDir tries to write a file where data_dir is, or where it will be made.
func (r *Report) dataDir(dir string) {
	at := dir
	for {
		info, err := os.Stat(at)
		if err == nil && !info.IsDir() {
			r.bad("data_dir", "%s is no folder", at)
			return
		}
		if err == nil {
			break
		}
		if parent := filepath.Dir(at); errors.Is(err, fs.ErrNotExist) && parent != at {
			at = parent
			continue
		}
		r.bad("data_dir", "%s", err)
		return
	}
	if err := writable(at); err != nil {
		r.bad("data_dir", "%s cannot be written to: %s", at, err)
		return
	}
	if at == dir {
		r.ok("data_dir", "%s can be written to", dir)
	} else {
		r.ok("data_dir", "`run` makes %s", dir)
	}
}

// writable makes a file in dir and removes it: rights alone do not tell of a full or read-only disk.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".cliniko-bridge-check-")
	if err != nil {
		return err
	}
	_, err = f.WriteString("check\n")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// fingerprintKey looks for the key that keyed the state that is there: with another one, every record looks changed.
func (r *Report) fingerprintKey(cfg *config.Config, state string) {
	const what = "fingerprint key"
	if !cfg.State.FingerprintKey.IsZero() {
		r.ok(what, "it is in the configuration")
		return
	}
	path := filepath.Join(cfg.DataDir, "fingerprint.key")
	_, err := os.Stat(path)
	_, stateErr := os.Stat(state)
	switch {
	case errors.Is(err, fs.ErrNotExist) && stateErr == nil:
		r.bad(what, "%s is missing, and %s was written with it: with a new one, records look changed that are not; restore it from a backup, or "+
			"remove %s to begin anew from the stream", path, state, state)
	case errors.Is(err, fs.ErrNotExist):
		r.ok(what, "`run` makes %s", path)
	default:
		if _, err := config.FingerprintKey(cfg); err != nil { // it makes none where one is
			r.bad(what, "%s", err)
			return
		}
		r.ok(what, "%s", path)
	}
}

// bridgeAt says whether the HTTP server of a bridge answers on addr.
func bridgeAt(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/readyz", addr), nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // the status says enough
	return resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusServiceUnavailable
}
